# SPDX-License-Identifier: GPL-3.0-or-later
"""The same test several times at once, in threads of one process; each tells when it had its room.

Arguments: a folder for the evidence, and how many. Each line: begin and end in seconds.
"""

from __future__ import annotations

import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import alpy
from carrot import rabbit, traffic


def live(run_dir: Path) -> tuple[float, float]:
    with alpy.testbed(rabbit.appliance(), links=1, run_dir=run_dir) as bed:
        begin = time.monotonic()
        (node,) = bed.nodes
        node.configure("192.168.1.1/24")
        server = node.start(["iperf3", "--server"], image=rabbit.TOOLS)
        server.wait_for_port(5201, timeout=30)
        bed.dut.start()
        rabbit.route(rabbit.login(bed.console), "192.168.1.254/24")
        assert traffic.ping(node, "192.168.1.254").received == 3
        server.stop()
        return begin, time.monotonic()


def main() -> None:
    folder, count = Path(sys.argv[1]), int(sys.argv[2])
    with ThreadPoolExecutor(count) as pool:
        for begin, end in pool.map(live, [folder / f"run{number}" for number in range(count)]):
            print(begin, end)  # noqa: T201  to the test, by a pipe


if __name__ == "__main__":
    main()
