# SPDX-License-Identifier: GPL-3.0-or-later
"""A run directory that is only names and lines in memory."""

from __future__ import annotations

from pathlib import Path

from attrs import Factory, define, field

from alpy.core.errors import RunDirectoryError
from alpy.fakes.ledger import Ledger

DEBUG_LOG = "debug.log"
_THING = "run directory"


def _full() -> RunDirectoryError:
    return RunDirectoryError(
        asked="run directory", found="no space left, as planned", remedy="Plan no such fault."
    )


@define
class FakeRunDirectory:
    """Evidence in memory: its content is in `World.files`, by path."""

    _ledger: Ledger
    path: Path = field(default=Path("/fake/run"), kw_only=True)
    _log: Path = field(
        default=Factory(lambda self: self.path / DEBUG_LOG, takes_self=True), init=False
    )
    _unwritten: RunDirectoryError | None = field(default=None, init=False)

    @property
    def lines(self) -> list[str]:
        """What was written to debug.log."""
        return self._ledger.files.get(self.file(DEBUG_LOG), b"").decode().splitlines()

    def take(self) -> None:
        with self._ledger.call("run_directory.take", _full):
            if any(self.path in file.parents for file in self._ledger.files):
                raise RunDirectoryError(
                    asked=f"run directory {self.path}",
                    found="it holds files already",
                    remedy="Choose another, or move it away.",
                )
            self._ledger.came(_THING)
            self._ledger.append(self.file(DEBUG_LOG), b"")

    def file(self, name: str) -> Path:
        return self.path / name

    def write_debug(self, line: str) -> None:
        try:
            with self._ledger.call("run_directory.write_debug", _full):
                if self._ledger.is_alive(_THING):
                    self._ledger.append(self._log, f"{line}\n".encode())
        except RunDirectoryError as error:
            self._unwritten = error

    def release(self) -> None:
        with self._ledger.call("run_directory.release", _full, in_any_case=self._close):
            self._close()
            error, self._unwritten = self._unwritten, None
            if error is not None:
                raise error

    def _close(self) -> None:
        self._ledger.went(_THING)
