#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the audit at the end of each run costs, and how that grows with the host's processes."""

import argparse
import statistics
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import alpy
from carrot import rabbit

LOOKS = 15


def milliseconds(look: Callable[[], object]) -> float:
    """The median of several looks."""
    taken = []
    for _ in range(LOOKS):
        begin = time.perf_counter()
        look()
        taken.append((time.perf_counter() - begin) * 1000)
    return statistics.median(taken)


@contextmanager
def processes(number: int) -> Iterator[None]:
    """So many more on the host, of this user."""
    with ExitStack() as stack:
        for _ in range(number):
            process = stack.enter_context(subprocess.Popen(["sleep", "1000"]))
            stack.callback(process.kill)
        yield


def measure(links: int, more: int) -> tuple[int, float, float]:
    """The host's processes, and milliseconds for the host and for this process."""
    with tempfile.TemporaryDirectory() as folder:
        bed = alpy.testbed(rabbit.appliance(acceleration="tcg"), links=links, run_dir=folder)
        with bed:
            pass
        # The same look again: all that there was is noted, and nothing is left.
        with processes(more):
            count = len(list(Path("/proc").glob("[0-9]*")))
            host = milliseconds(bed.ports.audit.of_host)
    bed.ports.skeleton.close()
    return count, host, milliseconds(bed.ports.audit.of_process)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--more", type=int, default=500, help="processes added (default: 500)")
    more = parser.parse_args().more
    for links, added in ((2, 0), (8, 0), (8, more)):
        count, host, process = measure(links, added)
        print(f"{links} links, {count} processes: host {host:.1f} ms, process {process:.2f} ms")


if __name__ == "__main__":
    main()
