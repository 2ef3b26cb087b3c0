# SPDX-License-Identifier: GPL-3.0-or-later
"""Clearing up after runs that died, on this host."""

from __future__ import annotations

import os
from collections.abc import Sequence
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import Final

from alpy.adapters.clock import clock_of
from alpy.adapters.docker.engine import LATE_SECONDS, DockerEngine
from alpy.adapters.recovery.containers import LabelledContainers
from alpy.adapters.recovery.ends import untold_ends
from alpy.adapters.recovery.liveness import Here, look, open_log
from alpy.adapters.recovery.processes import RunProcesses
from alpy.adapters.recovery.run_folder import RunFolder
from alpy.adapters.recovery.run_notes import RunNotes, notes_folder
from alpy.adapters.recovery.sweep import Clearing, SweptRun, sweep
from alpy.adapters.recovery.taps import HostTaps
from alpy.adapters.recovery.traces import AppEnd, Place, Trace
from alpy.adapters.run_directory import time_stamp, utc_now
from alpy.core.waiting import Limits

# A dead run hinders nobody: what can't be removed so soon is left for the next sweep.
_SWEEP_SECONDS: Final = 5.0


class Recovery:
    """Finds and removes what dead runs of this user left. *engine* is only a way to the daemon."""

    def __init__(self, engine: DockerEngine) -> None:
        # QEMU goes before the namespaces that its taps are in.
        self._places: Sequence[Place] = (RunProcesses(), LabelledContainers(engine), HostTaps())
        self._notes = RunNotes(notes_folder(os.environ))
        self._clock = engine.clock

    def sweep(self, *, dry_run: bool = False) -> list[SweptRun]:
        """Clear up after every dead run, and tell of each run that left traces.

        What is stuck of a run holds this up for some 5 s, and stays.

        Raises:
            HostError: the daemon can't be asked.
        """
        swept = sweep(
            self._places,
            notes=self._notes,
            place_in=RunFolder,
            judge=partial(look, here=Here()),
            uid=os.geteuid(),
            clock=self._clock,
            timeout=_SWEEP_SECONDS,
            dry_run=dry_run,
        )
        for run in swept:
            if run.dead and run.owner and not dry_run:
                story = [_cut_short(run.why), *_account(run.traces, run.faults)]
                complete_record(run.owner.dir, run.run, story, run.ends)
        if not dry_run:
            self._notes.tidy()
        return swept

    def find_of(self, run: str, *, directory: str) -> list[Trace]:
        """What there is of *run*, be it dead or alive.

        Raises:
            HostError: the daemon can't be asked.
        """
        places = (*self._places, RunFolder(directory))
        return [trace for place in places for trace in place.find_of(run)]

    def clear(self, run: str, *, directory: str, why: str, looks: int, timeout: float) -> None:
        """Clear up after *run*, which is over, and tell in its debug.log. Never raises."""
        clearing = self._clearing(directory)
        clearing.clear(run, looks=looks, timeout=timeout)
        story = [_cut_short(why), *_account(clearing.removed, clearing.faults)]
        complete_record(directory, run, story, clearing.ends)

    def clear_late(self, run: str, *, directory: str, timeout: float) -> None:
        """Remove also what the daemon makes late of *run*, which is told too. Never raises.

        It ends when nothing has come for as long as that may take.
        """
        clearing = self._clearing(directory)
        clearing.clear(run, looks=1, timeout=timeout, quiet=LATE_SECONDS)
        if story := _account(clearing.removed, clearing.faults):
            complete_record(directory, run, story, clearing.ends)

    def _clearing(self, directory: str) -> Clearing:
        return Clearing([*self._places, RunFolder(directory)], self._clock, self._notes)


def clear_run(
    run: str, *, directory: str, why: str, looks: int, late: bool, timeout: float
) -> None:
    """Clear up after *run* from a process that has no connection to the daemon yet.

    *late*: the process died with requests under way, perhaps, that the daemon still grants.
    """
    engine = DockerEngine(run_id=run, clock=clock_of(os.environ), limits=Limits())
    try:
        recovery = Recovery(engine)
        recovery.clear(run, directory=directory, why=why, looks=looks, timeout=timeout)
        if late:
            recovery.clear_late(run, directory=directory, timeout=timeout)
    finally:
        engine.close()


def complete_record(
    directory: str, run: str, story: Sequence[str], ends: Sequence[AppEnd] = ()
) -> None:
    """Append *story* to the debug.log of *run*, and the *ends* of what it does not tell the end of.

    If it is not there, they are lost.
    """
    with (
        suppress(OSError),
        os.fdopen(open_log(Path(directory), run, os.O_RDWR | os.O_APPEND), "r+b") as file,
    ):
        lines = [*story, *untold_ends(file, ends)]
        head = f"{time_stamp(utc_now())} WARNING  alpy.recovery  "
        text = "".join(f"{head} {line}\n" for line in lines)
        file.write(text.encode(errors="backslashreplace"))


def _cut_short(why: str) -> str:
    return f"This run was cut short: {why}"


def _account(removed: Sequence[str], faults: Sequence[str]) -> list[str]:
    return [
        *(f"Removed after its end: {what}" for what in removed),
        *(f"Still there: {fault}" for fault in faults),
    ]
