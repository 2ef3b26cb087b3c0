# SPDX-License-Identifier: GPL-3.0-or-later
"""QEMU's process: started, watched and ended."""

from __future__ import annotations

import os
import re
import shlex
import signal
import subprocess
import threading
from collections.abc import Sequence
from concurrent.futures import CancelledError, Future, wait
from contextlib import suppress
from pathlib import Path
from typing import Final

from alpy.adapters.holdings import Holdings
from alpy.adapters.host_error import host_error
from alpy.adapters.proc_stat import process_stat
from alpy.adapters.qemu.lifetime import tied
from alpy.adapters.qemu.program import environment, missing
from alpy.adapters.recovery.processes import RUN_VARIABLE
from alpy.core.errors import HostError
from alpy.core.exit_status import ExitStatus
from alpy.core.narrative import get_logger

# Enough to see what was wrong; the rest is in the file.
_WORDS: Final = 64 << 10
# net/dump.c: after this line QEMU writes no more into one of its captures. It does not say which.
_CAPTURE_STOPPED: Final = re.compile(rb"dump write error")
_BUSY: Final = "The host is out of processes, or its file system does not answer; see 'dmesg'"

_log = get_logger("alpy.machine")


class QemuProcess:
    """One QEMU, killed by the kernel if we die before it.

    The kernel takes the thread that starts it for the parent. So a thread of its own does, whatever
    becomes of the caller's, and then waits for its end. That is how the end is known at once.
    """

    def __init__(
        self,
        argv: Sequence[str],
        *,
        log: Path,
        inherit: Sequence[int],
        run_id: str | None = None,
        holdings: Holdings | None = None,
    ) -> None:
        """Nothing runs yet. It will keep the descriptors *inherit*, and know *run_id* as ALPY_RUN.

        What it says on stdout and stderr goes to *log*: a pipe that is not read would stop it.
        """
        self._argv, self._log, self._inherit = argv, log, inherit
        self._environment = environment(**({RUN_VARIABLE: run_id} if run_id else {}))
        self._command = f"{shlex.join(argv)}\n".encode(errors="surrogateescape")
        self._started: Future[subprocess.Popen[bytes]] = Future()
        self._reaping = threading.Lock()
        self._status: ExitStatus | None = None
        self._over = threading.Event()
        self._watcher = (holdings or Holdings()).thread(self._live, "qemu")

    def start(self, *, timeout: float) -> None:
        """Start it.

        Raises:
            HostError: it could not be started, within *timeout* seconds or at all, or the log not
                be written.
        """
        try:
            self._watcher.start()
            fault = self._started.exception(timeout)
        except (RuntimeError, TimeoutError, CancelledError) as error:
            # No room for a thread, a host that stands still, or a `kill` that was faster.
            found = str(error) or f"it has not begun within {timeout:g} s"
            raise HostError(asked="start QEMU", found=found, remedy=_BUSY) from error
        except BaseException:
            # Interrupted: the caller closes what it has, and that must not be half inherited.
            if not self._started.cancel():
                wait([self._started], timeout)
            raise
        if fault:
            raise fault

    @property
    def pid(self) -> int:
        return self._started.result(0).pid

    def is_stopped(self) -> bool:
        """Whether a signal has stopped it, as SIGSTOP does."""
        if not self._started.done() or self._started.cancelled() or self._started.exception():
            return False
        with self._reaping:
            stat = process_stat(self.pid) if self._status is None else None
        return stat is not None and stat.is_stopped

    def wait(self, timeout: float) -> ExitStatus | None:
        """How it ended; None if it never began, or still runs after *timeout* seconds."""
        self._over.wait(timeout)
        return self._status

    def kill(self, *, timeout: float) -> None:
        """End it, also if it is stopped; collect it and the thread. Again does nothing.

        Raises:
            HostError: it is still there after *timeout* seconds.
        """
        if not self._started.cancel():
            self._send_kill(timeout)
            if not self._over.wait(timeout):
                raise self._still_there(f"it is still there after {timeout:g} s")
        if self._watcher.is_alive():
            self._watcher.join(timeout)
        self._over.set()

    def words(self) -> str:
        """The end of what it said, without the command line."""
        try:
            with self._log.open("rb") as file:
                size = file.seek(0, os.SEEK_END)
                file.seek(max(len(self._command), size - _WORDS))
                return file.read().decode(errors="replace")
        except OSError as error:
            return f"({self._log}: {error.strerror})"

    def stopped_capture(self) -> str | None:
        """The line in which it says that it gave a capture up; None if there is none."""
        try:
            with self._log.open("rb") as file:
                file.seek(len(self._command))
                stops = (line for line in file if _CAPTURE_STOPPED.search(line))
                return next((line.decode(errors="replace").strip() for line in stops), None)
        except OSError as error:
            return f"{self._log}: {error.strerror}"

    def _live(self) -> None:
        """What the thread does: all of QEMU's life."""
        try:
            if self._started.set_running_or_notify_cancel():
                self._spawn_and_wait()
        finally:
            self._over.set()

    def _spawn_and_wait(self) -> None:
        _log.debug("QEMU starts")
        try:
            process = self._spawn()
        except BaseException as error:  # noqa: BLE001  `start` raises it, in the caller's thread
            _log.debug("QEMU ended", status="it never began")
            self._started.set_exception(error)
            return
        self._started.set_result(process)
        _log.debug("QEMU started", pid=process.pid)
        # It stays a zombie until the lock is ours: nobody can signal a process that took its id.
        with suppress(ChildProcessError):
            os.waitid(os.P_PID, process.pid, os.WEXITED | os.WNOWAIT)
        with self._reaping:
            # Of a QEMU that is started by a script, its children end with it.
            _kill_group(process.pid)
            self._status = ExitStatus.from_wait(process.wait())
        self._over.set()
        _log.debug("QEMU ended", status=str(self._status))

    def _spawn(self) -> subprocess.Popen[bytes]:
        try:
            with self._log.open("ab") as file:
                file.write(self._command)
                file.flush()
                return self._spawned(tied(self._argv), file.fileno())
        except OSError as error:
            raise host_error(
                f"write {self._log}", error, remedy="Make room, or choose another run directory"
            ) from error

    def _spawned(self, argv: Sequence[str], log: int) -> subprocess.Popen[bytes]:
        try:
            # In a session of its own, an interrupt from the terminal reaches the test alone, which
            # then ends QEMU in its turn.
            return subprocess.Popen(
                argv, stdin=subprocess.DEVNULL, stdout=log, stderr=log, pass_fds=self._inherit,
                start_new_session=True, env=self._environment,
            )  # fmt: skip
        except OSError as error:
            raise missing(self._argv[0], error) from error

    def _send_kill(self, timeout: float) -> None:
        try:
            if self._started.exception(timeout):
                return
            with self._reaping:
                if self._status is None:
                    _kill_group(self.pid)
        except TimeoutError as error:
            found = f"it has not begun within {timeout:g} s"
            raise HostError(asked="kill QEMU", found=found, remedy=_BUSY) from error
        except OSError as error:
            raise self._still_there(os.strerror(error.errno or 0)) from error

    def _still_there(self, found: str) -> HostError:
        return HostError(
            asked=f"kill QEMU, process {self.pid}",
            found=found,
            remedy="It hangs in the kernel; see 'ps' and 'dmesg'",
        )


def _kill_group(pid: int) -> None:
    """Kill the process, which leads a group and was not collected yet, and all that it started."""
    with suppress(ProcessLookupError):
        os.killpg(pid, signal.SIGKILL)
