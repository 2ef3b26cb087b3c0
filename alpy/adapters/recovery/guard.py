# SPDX-License-Identifier: GPL-3.0-or-later
"""The Guard port: a child process that outlives us."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
from contextlib import suppress
from pathlib import Path
from typing import Final

from alpy.adapters.docker.engine import DockerEngine
from alpy.adapters.host_error import host_error
from alpy.adapters.recovery import guard_process
from alpy.adapters.recovery.processes import RUN_VARIABLE
from alpy.adapters.recovery.recovery import Recovery
from alpy.adapters.recovery.run_notes import RunNotes, notes_folder
from alpy.core.errors import HostError
from alpy.core.narrative import get_logger

# The guard says nothing and writes nothing when it is dismissed: it is gone in milliseconds.
_END_SECONDS: Final = 5.0
_ACT_SECONDS: Final = 10.0
# The folder that alpy itself is imported from: an editable install may not show in sys.path.
_HOME: Final = Path(__file__).parents[3]

log = get_logger("alpy.recovery")


class ProcessGuard:
    """A Guard port. The child sleeps on a pipe that only we hold open; see `guard_process`.

    It is in a session of its own, so that what ends us from the terminal does not reach it.
    """

    def __init__(self, *, engine: DockerEngine, python: str | None = None) -> None:
        self._engine = engine
        self._python = python or sys.executable
        self._process: subprocess.Popen[bytes] | None = None
        self._notes = RunNotes(notes_folder(os.environ))

    def clear_dead_runs(self) -> None:
        for run in Recovery(self._engine).sweep():
            if run.dead:
                log.warning(f"Cleared up after run {run.run}: {run.why}", removed=list(run.traces))
                for fault in run.faults:
                    log.warning(f"Not removed, of run {run.run}: {fault}")
            else:
                log.debug(f"Left alone, of run {run.run}: {run.why}", traces=list(run.traces))

    def stand_by(self) -> None:
        # Should the guard be killed with us, the next run knows by this where to look.
        self._notes.write(self._engine.owner)
        try:
            self._process = self._start()
        except OSError as error:
            raise host_error(
                f"start the guard by {self._python!r}",
                error,
                remedy="It is a second process of the Python that alpy runs in",
            ) from error
        if self._process.stdin is not None:
            self._engine.holdings.note(self._process.stdin, "guard")
        log.debug("Guard stands by", pid=self._process.pid)

    def _start(self) -> subprocess.Popen[bytes]:
        owner = self._engine.owner
        program = [self._python, "-I", "-S", guard_process.__file__]
        path = [str(_HOME), *map(os.path.abspath, sys.path)]
        # By this variable a sweep would take the guard itself for something left behind.
        environment = {key: each for key, each in os.environ.items() if key != RUN_VARIABLE}
        return subprocess.Popen(
            [*program, owner.run, owner.dir, str(owner.pid), *path],
            bufsize=0,
            stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
            env=environment,
        )

    def hand_over(self) -> None:
        process = self._process
        if process is None:
            return
        _say(process, b"act")
        try:
            code = process.wait(_ACT_SECONDS * self._engine.clock.scale)
        except subprocess.TimeoutExpired:
            log.warning("The guard goes on clearing up by itself", pid=process.pid)
            _leave_alone(process)
            code = 0
        self._process = None
        if code:
            raise HostError(
                asked="clear up by the guard",
                found=f"the guard ended with {code}",
                remedy="Clear up by hand: alpy clean",
            )

    def dismiss(self) -> None:
        self._end()
        # Last: should we be killed now, the next run looks here once more, and finds nothing.
        self._notes.forget(self._engine.run_id)

    def _end(self) -> None:
        process = self._process
        if process is None:
            return
        # Told first: then a debug.log ends either with this, or with what the guard did.
        log.debug("Guard dismissed", pid=process.pid)
        _say(process, b"done")
        code = _wait_or_kill(process, _END_SECONDS * self._engine.clock.scale)
        self._process = None
        if code:
            log.warning("The guard died before the run ended; nothing came of it", status=code)


def _say(process: subprocess.Popen[bytes], word: bytes) -> None:
    if process.stdin is None or process.stdin.closed:
        return  # said before, and then interrupted
    with process.stdin, suppress(BrokenPipeError):  # a guard that is gone: it is looked at next
        process.stdin.write(word)


def _leave_alone(process: subprocess.Popen[bytes]) -> None:
    """Let somebody else wait for its end: else it would stay as a zombie, and Python would warn."""

    def wait() -> None:
        with suppress(subprocess.TimeoutExpired):
            process.wait(2 * guard_process.LIMIT)

    # Not of the run, which the guard outlives: so the audit does not count it.
    threading.Thread(target=wait, name="alpy-guard", daemon=True).start()


def _wait_or_kill(process: subprocess.Popen[bytes], seconds: float) -> int:
    try:
        return process.wait(seconds)
    except subprocess.TimeoutExpired:
        process.kill()
    try:
        return process.wait(seconds)
    except subprocess.TimeoutExpired as error:
        raise HostError(
            asked=f"end the guard, process {process.pid}",
            found="it is still there",
            remedy="It hangs in the kernel; see 'ps' and 'dmesg'",
        ) from error
