# SPDX-License-Identifier: GPL-3.0-or-later
"""A short life of a real testbed, to be cut short: two links, an app that runs on, some traffic.

    python -m torture.life IMAGE [--run-dir DIR]

IMAGE is a kernel, or a raw disk if its name ends in ".disk". Exit status: 0 if the test passed, 1
if it failed, and what Python makes of a signal.
"""

from __future__ import annotations

import argparse
import faulthandler
import signal
from functools import partial
from pathlib import Path

import alpy
from alpy import logs

_BUSYBOX = "alpy-busybox"


def main() -> None:
    # Whoever started us may have ignored them, as `nohup` and a shell's `&` do.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    signal.signal(signal.SIGHUP, signal.SIG_DFL)
    faulthandler.register(signal.SIGUSR1)  # where it hangs, if it does
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("image", type=Path)
    parser.add_argument("--run-dir", type=Path)
    options = parser.parse_args()
    logs.show()
    with alpy.testbed(_appliance(options.image), links=2, run_dir=options.run_dir) as bed:
        _test(bed)


def _appliance(image: Path) -> alpy.Appliance:
    tiny = partial(alpy.Appliance, name="tiny", acceleration=alpy.Acceleration.TCG)
    if image.suffix == ".disk":
        return tiny(disks=(alpy.Disk(path=image, format=alpy.DiskFormat.RAW),))
    return tiny(kernel=alpy.Kernel(image=str(image)))


def _test(bed: alpy.Testbed) -> None:
    client, server = bed.nodes
    server.start(["sleep", "1000"], image=_BUSYBOX)
    bed.dut.start()
    bed.console.expect("Hi", timeout=20)
    client.configure("192.0.2.1/24")
    # Nobody answers; that there are frames on the wire is enough.
    client.run(["sh", "-c", "ping -c 1 -W 1 192.0.2.2 || true"], image=_BUSYBOX, timeout=20)
    bed.dut.power_down(timeout=20)


if __name__ == "__main__":
    main()
