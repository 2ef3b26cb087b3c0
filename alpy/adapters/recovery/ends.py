# SPDX-License-Identifier: GPL-3.0-or-later
"""How each app and QEMU ended, as a debug.log tells it; a killed run's does not tell all."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from typing import Final

from alpy.adapters.recovery.traces import AppEnd

# The logger's name is in it: what an appliance prints stands behind another.
_LINE: Final = re.compile(
    rb"\S+ [A-Z]+ +alpy\.(?:app|machine|recovery) +"
    rb"(?:App (starts|ended) app='([^']+)'|QEMU (starts|ended)\b)"
)
_NO_TRACE: Final = "unknown: its run was killed, and nothing of it was left to ask"
_NO_PARENT: Final = "unknown: its run was killed, and nobody else is told its exit code"


def untold_ends(log: Iterable[bytes], ends: Sequence[AppEnd]) -> list[str]:
    """A line for each that began and of which *log* tells no end; *ends* are known otherwise."""
    begun = dict.fromkeys((end.app for end in ends), True)
    for line in log:
        if match := _LINE.match(line):
            name = (match[2] or b"").decode(errors="replace")
            begun[name] = (match[1] or match[3]) == b"starts"
    known = {end.app: end.status for end in ends}
    return [_line(name, known) for name, open_ in begun.items() if open_]


def _line(app: str, known: dict[str, str]) -> str:
    if not app:
        return f"QEMU ended status={_NO_PARENT!r}"
    return f"App ended app={app!r} status={known.get(app, _NO_TRACE)!r}"
