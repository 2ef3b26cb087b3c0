# SPDX-License-Identifier: GPL-3.0-or-later
"""A test run in a process of its own, for tests that kill it.

`python -m tests.integration.doomed KERNEL RUN_DIR WAY` prints "begins", "up" and "ended", a line
each. WAY "once": it ends by itself. "on": once up it repeats the test's part for ever. "forked":
as "on", with a child that has inherited all it holds, and whose id it prints. "stuck": as "on",
with an app for which its teardown waits 10 s.
"""

from __future__ import annotations

import os
import signal
import sys
from pathlib import Path

import alpy
from alpy import logs


def main(kernel: Path, run_dir: Path, way: str) -> None:
    # Whoever started us may have it ignored, as a shell's `&` does.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    logs.show()
    appliance = alpy.Appliance(
        name="tiny",
        kernel=alpy.Kernel(image=str(kernel)),
        acceleration=alpy.Acceleration.TCG,
    )
    bed = alpy.testbed(appliance, links=2, run_dir=run_dir)
    print("begins", flush=True)
    with bed:
        client, server = bed.nodes
        server.start(["sleep", "1000"], image="alpy-busybox")
        if way == "stuck":
            server.start(["sh", "-c", "trap '' TERM; exec sleep 1000"], image="alpy-busybox")
        bed.dut.start()
        bed.console.expect("Hi", timeout=20)
        if way == "forked" and not (child := os.fork()):
            signal.pause()
        if way == "forked":
            print(child, flush=True)
        print("up", flush=True)
        client.configure("192.0.2.1/24")
        while way != "once":
            client.run(["true"], image="alpy-busybox")
    print("ended", flush=True)


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]), sys.argv[3])
