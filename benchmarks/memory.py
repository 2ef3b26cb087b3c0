#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-3.0-or-later
"""Peak memory of the Python process after so many seconds of full traffic, all of it captured."""

import argparse
import resource
import tempfile

import alpy
from carrot import rabbit, traffic


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=int, default=20, help="of iperf3 (default: 20)")
    seconds = parser.parse_args().seconds
    with (
        tempfile.TemporaryDirectory() as folder,
        alpy.testbed(rabbit.appliance(acceleration="tcg"), run_dir=folder) as bed,
    ):
        client, server = bed.nodes
        client.configure("192.168.1.1/24", gateway="192.168.1.254")
        server.configure("192.168.2.1/24", gateway="192.168.2.254")
        bed.dut.start()
        rabbit.route(rabbit.login(bed.console), "192.168.1.254/24", "192.168.2.254/24")
        traffic.tcp_rate(client, server, "192.168.2.1", seconds=seconds)
    captured = sum(capture.octets for capture in bed.captures) / 1e9
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e3
    print(f"captured {captured:.2f} GB, peak memory of Python {peak:.0f} MB")


if __name__ == "__main__":
    main()
