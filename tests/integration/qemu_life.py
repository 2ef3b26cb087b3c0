# SPDX-License-Identifier: GPL-3.0-or-later
"""A program that launches a machine when it is told to, and then waits to be killed.

    python -m tests.integration.qemu_life FOLDER RUN_ID

It says "ready", and launches when it gets a line; then it says QEMU's process id.
"""

from __future__ import annotations

import sys
from pathlib import Path

from tests.integration.qemu_rig import QemuRig


def main(folder: str, run_id: str) -> None:
    rig = QemuRig(Path(folder), run_id=run_id)
    topology = rig.topology()
    _say("ready")
    sys.stdin.readline()
    rig.machine.launch(topology, [], rig.run)
    rig.machine.open_console()
    rig.machine.connect_monitor(timeout=10, command_timeout=10).start()
    _say(str(rig.pid))
    # Its stdin's end is the end of a test that forgets to tear down.
    sys.stdin.readline()


def _say(words: str) -> None:
    sys.stdout.write(f"{words}\n")
    sys.stdout.flush()


if __name__ == "__main__":
    main(*sys.argv[1:])
