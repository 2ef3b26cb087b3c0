# SPDX-License-Identifier: GPL-3.0-or-later
"""A run that kills itself by SIGKILL at a chosen moment of its launch.

`python -m tests.integration.cut_short FOLDER MOMENT KEEP`, where MOMENT is one of `MOMENTS`; with
KEEP "keep" the appliance's disks are to be kept.
"""

from __future__ import annotations

import os
import signal
import sys
from pathlib import Path
from typing import Any, Final

import alpy
from alpy.adapters.qemu.process import QemuProcess
from alpy.adapters.qmp.monitor import QmpMonitor
from tests.integration import tiny_guest

MOMENTS: Final[dict[str, tuple[type[Any], str]]] = {
    "before QEMU": (QemuProcess, "start"),
    "before its greeting": (QmpMonitor, "connect"),
}


def main(folder: Path, moment: str, keep: str) -> None:
    kind, call = MOMENTS[moment]
    setattr(kind, call, lambda *_, **__: os.kill(os.getpid(), signal.SIGKILL))
    appliance = alpy.Appliance(
        name="tiny",
        disks=(alpy.Disk(path=tiny_guest.write_disk(folder / "disk"), format=alpy.DiskFormat.RAW),),
        firmware=alpy.Firmware.UEFI,
        acceleration=alpy.Acceleration.TCG,
    )
    with alpy.testbed(appliance, links=1, run_dir=folder / "run", keep_disks=keep == "keep"):
        pass


if __name__ == "__main__":
    main(Path(sys.argv[1]), *sys.argv[2:])
