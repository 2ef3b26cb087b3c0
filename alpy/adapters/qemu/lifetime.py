# SPDX-License-Identifier: GPL-3.0-or-later
"""A QEMU that dies with us, even if we are killed: the kernel sees to it."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from alpy.adapters.qemu.program import ask, environment, missing
from alpy.core.narrative import get_logger

# The death of a parent before the child has asked for the signal is never signalled. So whoever
# finds another parent than the one given, ends. /bin/sh, because it is everywhere and starts in
# half a millisecond.
_UNLESS_ORPHANED: Final = '[ "$PPID" = "$1" ] || exit 1; shift; exec "$@"'
_PROBE_SECONDS: Final = 5.0

_log = get_logger("alpy.machine")


def tied(argv: Sequence[str]) -> list[str]:
    """*argv*, a QEMU, so that it is killed when the thread that starts it ends.

    The thread counts, not the process: it has to live as long as QEMU. Process id, descriptors and
    exit status are QEMU's. If this host has no means for it, *argv* stays as it is.

    Raises:
        HostError: the program is missing.
    """
    found = shutil.which(argv[0])
    if found is None:
        raise missing(argv[0], FileNotFoundError())
    command = [str(Path(found).absolute()), *argv[1:]]
    setpriv = shutil.which("setpriv")
    if setpriv and _knows_death_signal(setpriv):
        return [
            setpriv, "--pdeathsig", "KILL",
            "/bin/sh", "-c", _UNLESS_ORPHANED, "sh", str(os.getpid()), *command,
        ]  # fmt: skip
    if "exit-with-parent" in ask(command[0], "-run-with", "help").stdout:
        return [*command, "-run-with", "exit-with-parent=on"]
    _log.debug("QEMU outlives a killed test: neither setpriv nor exit-with-parent", found=setpriv)
    return command


def _knows_death_signal(setpriv: str) -> bool:
    # That of busybox does not.
    argv = [setpriv, "--pdeathsig", "KILL", "/bin/sh", "-c", ":"]
    try:
        return not subprocess.run(
            argv, stdin=subprocess.DEVNULL, capture_output=True, check=False,
            timeout=_PROBE_SECONDS, env=environment(),
        ).returncode  # fmt: skip
    except (OSError, subprocess.TimeoutExpired):
        return False
