# SPDX-License-Identifier: GPL-3.0-or-later
"""One saved state on disk: a folder with its files, and a manifest that tells what they are."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

from alpy.adapters.recovery.owner import boot_id
from alpy.adapters.sparse import digest_filled

_MANIFEST: Final = "manifest.json"
# Its time is when the state was last used, its content the boot in which it was last read through.
_USED: Final = "used"


def write_manifest(folder: Path, identity: Mapping[str, str]) -> None:
    """Tell what is in *folder*, now that all is in it. Raises OSError."""
    facts = {
        "made": datetime.now(UTC).isoformat(timespec="seconds"),
        "identity": dict(identity),
        "files": {path.name: _facts(path, whole=True) for path in sorted(folder.iterdir())},
    }
    text = json.dumps(facts, indent=2, sort_keys=True)
    (folder / _MANIFEST).write_text(text, encoding="utf-8")
    (folder / _USED).write_text(boot_id(), encoding="ascii")


def fault_of(folder: Path) -> str | None:
    """Why the state in *folder* can't be used; None if it can.

    Its files are read through once in each boot of the host: until then it is not known whether
    they had reached the disk when the host went down.
    """
    try:
        known: Mapping[str, Mapping[str, Any]] = _manifest(folder)["files"]
        whole = not _read_in_this_boot(folder)
        for name, facts in known.items():
            found = _facts(folder / name, whole=whole)
            if any(facts[fact] != value for fact, value in found.items()):
                return f"its file {name!r} has changed"
        _note_use(folder, new_boot=whole)
    except OSError as error:
        return f"{error.filename}: {error.strerror}"
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        return f"its manifest is damaged: {type(error).__name__} {error}"
    return None


def name_of(folder: Path) -> str:
    """What it is a state of, for people; "?" if it does not tell."""
    with suppress(OSError, ValueError, KeyError, TypeError):
        identity = _manifest(folder)["identity"]
        return ", ".join(filter(None, [identity.get("appliance"), identity.get("preparation")]))
    return "?"


def size_of(folder: Path) -> int:
    """The room that it takes, in bytes."""
    with suppress(OSError):
        return sum(path.lstat().st_blocks * 512 for path in folder.iterdir())
    return 0


def last_use_of(folder: Path) -> float:
    """When it was last used, in seconds of the epoch."""
    for path in (folder / _USED, folder):
        with suppress(OSError):
            return path.stat().st_mtime
    return 0.0


def _manifest(folder: Path) -> Any:
    return json.loads((folder / _MANIFEST).read_text(encoding="utf-8"))


def _facts(path: Path, *, whole: bool) -> Mapping[str, Any]:
    descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        status = os.fstat(descriptor)
        facts = {"bytes": status.st_size, "changed": status.st_mtime_ns}
        return facts | {"content": digest_filled(descriptor)} if whole else facts
    finally:
        os.close(descriptor)


def _note_use(folder: Path, *, new_boot: bool) -> None:
    # It saves time, and tells what is to go first: no room for it is no fault.
    with suppress(OSError):
        if new_boot:
            (folder / _USED).write_text(boot_id(), encoding="ascii")
        os.utime(folder / _USED)


def _read_in_this_boot(folder: Path) -> bool:
    boot = boot_id()
    with suppress(OSError):
        return bool(boot) and (folder / _USED).read_text(encoding="ascii") == boot
    return False
