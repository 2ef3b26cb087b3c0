#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the length of a tap's queue saves and costs: frames lost in a burst, delay under load."""

import argparse
import re
import statistics
import tempfile

import alpy
from carrot import rabbit, traffic

FRAMES = 100_000


def lost_in_a_burst(queue_length: int) -> int:
    """Of FRAMES sent at full speed, those dropped at the tap."""
    with tempfile.TemporaryDirectory() as folder, testbed(queue_length, folder) as bed:
        bed.dut.start()
        rabbit.cross_connect(rabbit.login(bed.console), 0, 1)
        traffic.send_frames(bed.nodes[0], FRAMES)
        return bed.nodes[0].counters().dropped_in


def under_load(queue_length: int) -> tuple[float, float]:
    """The TCP rate in Mbit/s through Rabbit, and the median round trip beside it in ms."""
    with tempfile.TemporaryDirectory() as folder, testbed(queue_length, folder) as bed:
        client, server = bed.nodes
        client.configure("192.168.1.1/24", gateway="192.168.1.254")
        server.configure("192.168.2.1/24", gateway="192.168.2.254")
        bed.dut.start()
        rabbit.route(rabbit.login(bed.console), "192.168.1.254/24", "192.168.2.254/24")
        words = ["ping", "-i", "0.2", "-c", "20", "192.168.2.1"]
        pings = client.start(words, image=rabbit.TOOLS, exit_codes={0, 1})
        rate = traffic.tcp_rate(client, server, "192.168.2.1", seconds=4)
        answers = pings.wait(timeout=30).stdout
        times = [float(ms) for ms in re.findall(r"time=([\d.]+)", answers)]
        return rate, statistics.median(times)


def testbed(queue_length: int, folder: str) -> alpy.Testbed:
    links = [alpy.Link(number=number, queue_length=queue_length) for number in range(2)]
    return alpy.testbed(rabbit.appliance(acceleration="tcg"), links=links, run_dir=folder)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    lengths = [1000, 5000, 10_000, 50_000, 100_000]
    parser.add_argument("lengths", type=int, nargs="*", default=lengths, metavar="LENGTH")
    print(f"queue length   lost of {FRAMES}   TCP: Mbit/s   ping under load: ms")
    for length in parser.parse_args().lengths:
        lost = lost_in_a_burst(length)
        rate, delay = under_load(length)
        print(f"{length:12} {lost:16} {rate:13.0f} {delay:21.1f}", flush=True)


if __name__ == "__main__":
    main()
