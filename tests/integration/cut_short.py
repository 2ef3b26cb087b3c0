# SPDX-License-Identifier: GPL-3.0-or-later
"""A run that kills itself by SIGKILL at a chosen moment of its launch.

`python -m tests.integration.cut_short FOLDER MOMENT HOW`, where MOMENT is one of `MOMENTS`; with
HOW "keep" the appliance's disks are to be kept, with "guard" the guard is killed first.
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
from tests.integration import remains, tiny_guest

MOMENTS: Final[dict[str, tuple[type[Any], str]]] = {
    "before QEMU": (QemuProcess, "start"),
    "before its greeting": (QmpMonitor, "connect"),
}


def main(folder: Path, moment: str, how: str) -> None:
    def die(*_: Any, **__: Any) -> None:
        if how == "guard":
            os.kill(remains.children(os.getpid())["guard_process"], signal.SIGKILL)
        os.kill(os.getpid(), signal.SIGKILL)

    kind, call = MOMENTS[moment]
    setattr(kind, call, die)
    appliance = alpy.Appliance(
        name="tiny",
        disks=(alpy.Disk(path=tiny_guest.write_disk(folder / "disk"), format=alpy.DiskFormat.RAW),),
        firmware=alpy.Firmware.UEFI,
        acceleration=alpy.Acceleration.TCG,
    )
    with alpy.testbed(appliance, links=1, run_dir=folder / "run", keep_disks=how == "keep"):
        pass


if __name__ == "__main__":
    main(Path(sys.argv[1]), *sys.argv[2:])
