#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-3.0-or-later
"""Rabbit from power-on to a shell, and what its console can do: commands, uploads, a download."""

import argparse
import random
import resource
import statistics
import tempfile
import time
from collections.abc import Callable
from functools import partial

import alpy
from carrot import rabbit

SIZE = 200_000
FILE = "/root/file"


def seconds(call: Callable[[], object]) -> float:
    started = time.monotonic()
    call()
    return time.monotonic() - started


def text_of(size: int) -> bytes:
    """Text as a network engineer would upload it: the configuration of many interfaces."""
    chance = random.Random(1)
    lines: list[str] = []
    while sum(map(len, lines)) < size:
        octets = ".".join(str(chance.randrange(1, 255)) for _ in range(4))
        lines.append(f"interface eth{chance.randrange(64)} address {octets}/24 mtu 1500 up\n")
    return "".join(lines).encode()[:size]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--commands", type=int, default=100, help="to time (default: 100)")
    parser.add_argument("--uefi", action="store_true", help="boot the UEFI disk image")
    options = parser.parse_args()
    make = rabbit.uefi_appliance if options.uefi else rabbit.appliance
    with (
        tempfile.TemporaryDirectory() as folder,
        alpy.testbed(make(acceleration="tcg"), run_dir=folder) as bed,
    ):
        started = time.monotonic()
        bed.dut.start()
        shell = rabbit.login(bed.console)
        print(f"CPU start to shell        {time.monotonic() - started:8.2f} s")
        rounds = [seconds(lambda: shell.run("true")) for _ in range(options.commands)]
        print(f"`true`, median            {statistics.median(rounds) * 1e3:8.1f} ms")
        print(f"`true`, slowest           {max(rounds) * 1e3:8.1f} ms")
        for name, data in (
            ("random bytes", random.Random(2).randbytes(SIZE)),
            ("text", text_of(SIZE)),
        ):
            rate = SIZE / 1e3 / seconds(partial(shell.upload, data, FILE))
            print(f"upload, {name:17} {rate:8.1f} KB/s")
            rate = SIZE / 1e3 / seconds(partial(shell.download, FILE))
            print(f"download, {name:15} {rate:8.1f} KB/s")
        print(f"power-down                {seconds(lambda: rabbit.shut_down(bed.dut)):8.2f} s")
        print(f"peak memory of Python     {peak_mb():8.1f} MB")


def peak_mb() -> float:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e3


if __name__ == "__main__":
    main()
