# SPDX-License-Identifier: GPL-3.0-or-later
"""A note of each run that has begun and not ended: whose it is, and where its run directory is."""

from __future__ import annotations

import json
import os
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Final

from alpy.adapters.host_error import host_error
from alpy.adapters.private_folder import make_private, user_cache
from alpy.adapters.recovery.owner import Owner, owner_from_labels
from alpy.adapters.recovery.traces import Trace
from alpy.core.narrative import get_logger
from alpy.core.waiting import Deadline

_HALF: Final = ".half"
# A note is half a note for less than a millisecond. The clocks of two machines may differ.
_OLD_SECONDS: Final = 3600.0

log = get_logger("alpy.recovery")


def notes_folder(environment: Mapping[str, str]) -> Path:
    """Where this user's notes are. They outlive a boot, as run directories do."""
    return user_cache(environment) / "runs"


class RunNotes:
    """A Place: by its note a dead run is found of which nothing else is left but its files."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def write(self, owner: Owner) -> None:
        """Note that the run of *owner* begins. Where that can't be written, it is only logged."""
        fault = make_private(self._folder) or self._write(owner)
        if fault:
            log.debug("This run could not be noted", folder=str(self._folder), why=fault)

    def _write(self, owner: Owner) -> str | None:
        half = self._folder / f"{owner.run}{_HALF}"
        try:
            half.write_text(json.dumps(owner.labels()), encoding="ascii")
            half.replace(self._folder / owner.run)
        except OSError as error:
            with suppress(OSError):
                half.unlink(missing_ok=True)
            return os.strerror(error.errno or 0)
        return None

    def tidy(self) -> None:
        """Remove what is left of runs that were killed while they wrote their note."""
        with suppress(OSError):  # the next sweep does it
            for half in self._folder.glob(f"*{_HALF}"):
                if time.time() - half.lstat().st_mtime > _OLD_SECONDS:
                    half.unlink(missing_ok=True)

    def forget(self, run: str) -> None:
        """The run has ended, and nothing of it is left; again does nothing."""
        with suppress(OSError):  # the next sweep does it, and finds nothing else
            (self._folder / run).unlink(missing_ok=True)

    def find(self) -> Sequence[Trace]:
        with suppress(OSError):
            return [trace for path in sorted(self._folder.iterdir()) for trace in _read(path)]
        return ()

    def find_of(self, run: str) -> Sequence[Trace]:
        return _read(self._folder / run)

    def remove(self, trace: Trace, _within: Deadline, /) -> None:
        try:
            Path(trace.handle).unlink(missing_ok=True)
        except OSError as error:
            raise host_error(
                f"remove {trace.what}", error, remedy="Remove it by hand; nobody needs it any more"
            ) from error


def _read(path: Path) -> list[Trace]:
    try:
        labels = json.loads(path.read_bytes())
        owner = owner_from_labels({str(key): str(value) for key, value in labels.items()})
    except (OSError, ValueError, AttributeError):
        return []
    if owner is None or owner.run != path.name:
        return []
    what = f"note {path}"
    return [Trace(run=owner.run, what=what, maker="guard", handle=str(path), owner=owner)]
