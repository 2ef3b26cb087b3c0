# SPDX-License-Identifier: GPL-3.0-or-later
"""A lock on a name in the cache, between threads and processes; the kernel frees a dead one's."""

from __future__ import annotations

import fcntl
import os
from contextlib import suppress
from pathlib import Path

from attrs import define, field


@define
class Lock:
    """The lock that the file at *path* stands for: held alone, or together with others who share.

    All but `release` raise OSError where the file can't be made.
    """

    path: Path
    _descriptor: int = field(default=-1, init=False)

    def fileno(self) -> int:
        """Its descriptor; less than 0 if it is not held."""
        return self._descriptor

    def share(self) -> bool:
        """Hold it together with others; False if somebody holds it alone. What was held is gone."""
        return self._hold(fcntl.LOCK_SH)

    def own(self) -> bool:
        """Hold it alone; False if anybody else holds it. What was held is gone then."""
        return self._hold(fcntl.LOCK_EX)

    def forget(self) -> None:
        """Remove the file, which we hold alone: for a name that is not used any more."""
        try:
            self.path.unlink(missing_ok=True)
        finally:
            self.release()

    def release(self) -> None:
        """Hold it no more, also where a child of this process has a copy; again does nothing."""
        descriptor, self._descriptor = self._descriptor, -1
        if descriptor >= 0:
            try:
                fcntl.flock(descriptor, fcntl.LOCK_UN)
            finally:
                os.close(descriptor)

    def _hold(self, how: int) -> bool:
        while True:
            if self._descriptor < 0:
                flags = os.O_RDWR | os.O_CREAT | os.O_CLOEXEC
                self._descriptor = os.open(self.path, flags, 0o600)
            try:
                fcntl.flock(self._descriptor, how | fcntl.LOCK_NB)
            except BlockingIOError:
                self.release()
                return False
            if self._is_current():
                return True
            # Who held it has removed the file, and others hold a new one.
            self.release()

    def _is_current(self) -> bool:
        with suppress(FileNotFoundError):
            return os.path.samestat(os.fstat(self._descriptor), self.path.stat())
        return False
