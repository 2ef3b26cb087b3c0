# SPDX-License-Identifier: GPL-3.0-or-later
"""What the kernel says of a process in /proc/PID/stat; see proc(5)."""

from __future__ import annotations

from pathlib import Path
from typing import Final

from attrs import frozen

_ENDED: Final = frozenset({"Z", "X"})
_STOPPED: Final = "T"


@frozen
class ProcessStat:
    """How a process is: its one-letter *state*, and its *start* in clock ticks since the boot."""

    state: str
    start: int

    @property
    def lives(self) -> bool:
        """Whether it has not ended; one that nobody has collected yet has."""
        return self.state not in _ENDED

    @property
    def is_stopped(self) -> bool:
        """Whether a signal has stopped it. A debugger that looks into it is something else."""
        return self.state == _STOPPED


def process_stat(pid: int) -> ProcessStat | None:
    """How process *pid* is; None if there is none."""
    try:
        return parse_stat(Path(f"/proc/{pid}/stat").read_bytes())
    except OSError:
        return None


def parse_stat(stat: bytes) -> ProcessStat:
    """What the text of a stat file says."""
    # Behind the name, which may hold anything, stands the state, and 19 fields on the start.
    state, *facts = stat.rpartition(b")")[2].split()
    return ProcessStat(state.decode(), int(facts[18]))
