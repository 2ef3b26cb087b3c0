# SPDX-License-Identifier: GPL-3.0-or-later
"""The run directory, on disk."""

from __future__ import annotations

import fcntl
import os
import threading
from collections.abc import Callable, Sequence
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import Final, TextIO

from alpy.adapters.holdings import Holdings
from alpy.adapters.recovery.liveness import DEBUG_LOG, first_line, opened_folder
from alpy.core.errors import InvalidValueError, RunDirectoryError

_MODE: Final = 0o700


def utc_now() -> datetime:
    return datetime.now(UTC)


def time_stamp(moment: datetime) -> str:
    """As it stands before each line of a log: UTC, to the millisecond."""
    return moment.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


class DiskRunDirectory:
    """A folder that only its owner can enter: the evidence may hold the test's secrets.

    Without a *path* it is a new folder in `./runs`, named by the time in UTC and *run_id*. From
    `take` to `release` its debug.log is locked: the kernel frees the lock of a run that dies.
    """

    def __init__(
        self,
        path: Path | None,
        *,
        run_id: str,
        now: Callable[[], datetime] = utc_now,
        holdings: Holdings | None = None,
    ) -> None:
        self._path = path
        self._run_id = run_id
        self._now = now
        self._holdings = holdings or Holdings(run_id)
        self._log: TextIO | None = None
        self._fault: OSError | None = None
        self._lock = threading.Lock()

    @property
    def path(self) -> Path:
        if self._path is None:
            self._path = Path("runs") / f"{self._now():%Y%m%d-%H%M%S}-{self._run_id}"
        # The test may change its working directory; the evidence stays in one place.
        if not self._path.is_absolute():
            self._path = self._path.absolute()
        return self._path

    def take(self) -> None:
        made = self._make_folder()
        try:
            self._open_log()
        except OSError as error:
            if made:
                with suppress(OSError):
                    self.path.rmdir()
            raise self._refusal(error) from error

    def file(self, name: str) -> Path:
        if not name or Path(name).name != name:
            raise InvalidValueError(f"evidence file {name!r}: a plain file name is wanted")
        return self.path / name

    def write_debug(self, line: str) -> None:
        with self._lock:
            if self._log is None or self._fault:
                return
            try:
                self._log.write(f"{time_stamp(self._now())} {line}\n")
            except OSError as error:
                self._fault = error

    def release(self) -> None:
        with self._lock:
            log, self._log = self._log, None
            if log is None:
                return
            try:
                log.close()
            except OSError as error:
                self._fault = self._fault or error
            if self._fault:
                raise RunDirectoryError(
                    asked=f"write {self.path / DEBUG_LOG}",
                    found=str(self._fault.strerror),
                    remedy="The log of this run is not complete; make room for the next one",
                ) from self._fault

    def _make_folder(self) -> bool:
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            self.path.mkdir(mode=_MODE)
        except FileExistsError as error:
            self._make_ours(error)
            return False
        except (OSError, ValueError) as error:
            raise self._refusal(error) from error
        return True

    def _make_ours(self, exists: FileExistsError) -> None:
        """Close a folder that is there to all others.

        Raises:
            RunDirectoryError: it is not ours, or holds files.
        """
        try:
            with opened_folder(self.path) as folder:
                self._check(os.fstat(folder).st_uid, sorted(os.listdir(folder)), exists)  # noqa: PTH208
                os.fchmod(folder, _MODE)
        except OSError as error:
            raise self._refusal(error) from error

    def _check(self, user: int, held: Sequence[str], exists: FileExistsError) -> None:
        if user != os.geteuid():
            raise RunDirectoryError(
                asked=f"run directory {self.path}",
                found=f"it belongs to somebody else, the user with the id {user}",
                remedy="Choose one of your own, or let alpy make it: the evidence is for you only",
            ) from exists
        if held:
            raise RunDirectoryError(
                asked=f"run directory {self.path}",
                found=f"it holds files already, {held[0]!r} for one",
                remedy="Choose another, or remove it if its evidence is not needed",
            ) from exists

    def _open_log(self) -> None:
        path = self.path / DEBUG_LOG
        # Made exclusively: of two runs that found the same folder empty, one is refused here.
        # Bytes that are no text come from appliances; they must not end the log.
        log = path.open("x", buffering=1, encoding="utf-8", errors="backslashreplace")
        try:
            log.write(f"{time_stamp(self._now())} {first_line(self._run_id)}\n")
        except OSError:
            with suppress(OSError):
                log.close()
            path.unlink()
            raise
        # Where there are no locks, as on some network disks, the process alone tells who lives.
        with suppress(OSError):
            fcntl.flock(log.fileno(), fcntl.LOCK_EX | fcntl.LOCK_NB)
        self._log = log
        self._holdings.note(log, "run directory")

    def _refusal(self, error: Exception) -> RunDirectoryError:
        return RunDirectoryError(
            asked=f"run directory {self.path}",
            found=getattr(error, "strerror", None) or str(error),
            remedy="Choose a folder that can be made and written",
        )
