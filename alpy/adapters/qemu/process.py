# SPDX-License-Identifier: GPL-3.0-or-later
"""QEMU's process: started, watched and ended."""

from __future__ import annotations

import os
import re
import shlex
import subprocess
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from alpy.adapters.qemu.program import missing
from alpy.core.errors import HostError
from alpy.core.exit_status import ExitStatus

# Enough to see what was wrong; the rest is in the file.
_WORDS: Final = 64 << 10
# net/dump.c: after this line QEMU writes no more into one of its captures. It does not say which.
_CAPTURE_STOPPED: Final = re.compile(rb"dump write error")


class QemuProcess:
    """What it says on stdout and stderr goes to *log*: a pipe that is not read would stop it."""

    def __init__(self, argv: Sequence[str], *, log: Path, inherit: Sequence[int]) -> None:
        """Start *argv*, which keeps the descriptors *inherit*.

        Raises:
            HostError: it could not be started, or *log* not be written.
        """
        self._log = log
        command = f"{shlex.join(argv)}\n".encode(errors="surrogateescape")
        self._words_begin = len(command)
        try:
            with log.open("ab") as file:
                file.write(command)
                file.flush()
                self._process = _started(argv, file.fileno(), inherit)
        except OSError as error:
            raise HostError(
                asked=f"write {log}",
                found=os.strerror(error.errno or 0),
                remedy="Make room, or choose another run directory",
            ) from error

    @property
    def pid(self) -> int:
        return self._process.pid

    def wait(self, timeout: float) -> ExitStatus | None:
        """How it ended; None if it still runs after *timeout* seconds."""
        try:
            return ExitStatus.from_wait(self._process.wait(timeout))
        except subprocess.TimeoutExpired:
            return None

    def words(self) -> str:
        """The end of what it said, without the command line."""
        try:
            with self._log.open("rb") as file:
                size = file.seek(0, os.SEEK_END)
                file.seek(max(self._words_begin, size - _WORDS))
                return file.read().decode(errors="replace")
        except OSError as error:
            return f"({self._log}: {error.strerror})"

    def kill(self, *, timeout: float) -> None:
        """End it and collect it; again does nothing.

        Raises:
            HostError: it is still there after *timeout* seconds.
        """
        self._process.kill()
        if self.wait(timeout) is None:
            raise HostError(
                asked=f"kill QEMU, process {self.pid}",
                found=f"it is still there after {timeout:g} s",
                remedy="It hangs in the kernel; see 'ps' and 'dmesg'",
            )

    def stopped_capture(self) -> str | None:
        """The line in which it says that it gave a capture up; None if there is none."""
        try:
            with self._log.open("rb") as file:
                file.seek(self._words_begin)
                stops = (line for line in file if _CAPTURE_STOPPED.search(line))
                return next((line.decode(errors="replace").strip() for line in stops), None)
        except OSError as error:
            return f"{self._log}: {error.strerror}"


def _started(argv: Sequence[str], log: int, inherit: Sequence[int]) -> subprocess.Popen[bytes]:
    try:
        # In a session of its own, an interrupt from the terminal reaches the test alone, which
        # then ends QEMU in its turn.
        return subprocess.Popen(
            argv, stdin=subprocess.DEVNULL, stdout=log, stderr=log, pass_fds=inherit,
            start_new_session=True,
        )  # fmt: skip
    except OSError as error:
        raise missing(argv[0], error) from error
