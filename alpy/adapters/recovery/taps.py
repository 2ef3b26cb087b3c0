# SPDX-License-Identifier: GPL-3.0-or-later
"""Taps that were made and never opened; a tap that was opened dies with its last holder."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Final

from alpy.adapters.host_error import host_error
from alpy.adapters.recovery.owner import Owner, owner_from_alias
from alpy.adapters.recovery.traces import Trace
from alpy.adapters.tap import delete_tap, is_tap_of_run
from alpy.core.waiting import Deadline

_INTERFACES: Final = Path("/sys/class/net")


class HostTaps:
    """A Place: the taps of this user in the namespace of this process."""

    def find(self) -> Sequence[Trace]:
        traces = []
        for name in _our_taps():
            owner = owner_from_alias(_read(name, "ifalias"))
            if owner and is_tap_of_run(name, owner.run):
                traces.append(_trace(name, owner.run, owner))
        return traces

    def find_of(self, run: str) -> Sequence[Trace]:
        return [_trace(name, run) for name in _our_taps() if is_tap_of_run(name, run)]

    def remove(self, trace: Trace, _within: Deadline, /) -> None:
        with _translated(f"remove {trace.what}"):
            delete_tap(trace.handle)


def _trace(name: str, run: str, owner: Owner | None = None) -> Trace:
    return Trace(run=run, what=f"tap {name}", maker="skeleton", handle=name, owner=owner)


def _our_taps() -> list[str]:
    ours = str(os.geteuid())
    with _translated("look at the interfaces"):
        names = [path.name for path in _INTERFACES.iterdir()]
    # Only a tap has these files; its owner is the user who may open it.
    return [name for name in names if name.startswith("alpy") and _read(name, "owner") == ours]


@contextmanager
def _translated(asked: str) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise host_error(asked, error, remedy="Look at them by hand: ip -details link") from error


def _read(name: str, fact: str) -> str:
    with suppress(OSError):
        return (_INTERFACES / name / fact).read_text(errors="replace").strip()
    return ""
