# SPDX-License-Identifier: GPL-3.0-or-later
"""The saved states of a trial, in a cache of its own, looked at with none of alpy's code."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from random import Random
from typing import Final

from torture.checker import Leftover

# A run that makes a state says so.
_MAKES: Final = "Prepare the appliance, once for all tests... key="
_STATE: Final = re.compile(r"[0-9a-f]{32}")
# A lock may outlive its state, and a state be ruled out that QEMU crashed with. The digests of the
# appliances' files are kept.
_ALLOWED: Final = re.compile(r"[0-9a-f]{32}(\.lock|\.ruled-out)?|contents")
_HEADER: Final = 64


def entries(cache: Path) -> list[Path]:
    """The states in *cache*."""
    return [path for path in _files(cache) if _STATE.fullmatch(path.name)]


def is_ruled_out(cache: Path) -> bool:
    """Whether a run has found that there can't be its state."""
    return any(path.suffix == ".ruled-out" for path in _files(cache))


def times_of(cache: Path) -> dict[str, int]:
    """When each state in *cache* was made: that of one which was made anew is another."""
    return {path.name: (path / "manifest.json").stat().st_mtime_ns for path in entries(cache)}


def faults_of_cache(cache: Path) -> Iterator[str]:
    """What is in *cache* that should not be, and what is not whole."""
    for path in _files(cache):
        if not _ALLOWED.fullmatch(path.name):
            yield f"{path}: half a state"
    for entry in entries(cache):
        try:
            manifest = json.loads((entry / "manifest.json").read_text())
            for name, facts in manifest["files"].items():
                if (size := (entry / name).stat().st_size) != facts["bytes"]:
                    yield f"{entry / name}: {size} bytes, not {facts['bytes']}"
        except (OSError, ValueError, KeyError) as error:
            yield f"{entry}: {type(error).__name__}: {error}"


def made_in(log: str) -> int:
    """How many states a run with this debug.log has begun to make."""
    return log.count(_MAKES)


def warnings_in(log: str) -> list[str]:
    return [line for line in log.splitlines() if re.match(r"(\S+ )*WARNING ", line)]


def processes_with(cache: Path) -> Iterator[Leftover]:
    """All processes that were started with *cache*: tests, guards, and QEMU with its memory."""
    wanted = f"ALPY_STATES={cache}".encode()
    for path in Path("/proc").iterdir():
        if path.name.isdecimal():
            with suppress(OSError):  # it ended meanwhile, or is another user's
                if wanted in (path / "environ").read_bytes().split(b"\0"):
                    words = (path / "cmdline").read_bytes().decode(errors="replace")
                    detail = words.replace("\0", " ")[:60]
                    yield Leftover("process", path.name, detail, f"with {cache}")


def damage(entry: Path, chance: Random) -> str:
    """Do something to the state in *entry*; what, for people."""
    ways: dict[str, Callable[[Path], None]] = {
        "truncated": _truncate,
        "removed": Path.unlink,
        "written to": _write_to,
    }
    how = chance.choice([*ways, "quietly written to"])
    if how == "quietly written to":
        path = entry / "devices"
        times = path.stat()
        with path.open("r+b") as file:
            file.write(bytes(_HEADER))
        os.utime(path, ns=(times.st_atime_ns, times.st_mtime_ns))
    else:
        path = chance.choice(sorted(entry.iterdir()))
        if path.name == "used":  # not a part of the state; without it, the state is read through
            path = entry / "memory"
        ways[how](path)
    return f"{path.name} {how}"


def _truncate(path: Path) -> None:
    os.truncate(path, path.stat().st_size // 2)


def _write_to(path: Path) -> None:
    with path.open("r+b") as file:
        file.write(b"\xff")


def _files(cache: Path) -> list[Path]:
    return sorted(cache.iterdir()) if cache.is_dir() else []
