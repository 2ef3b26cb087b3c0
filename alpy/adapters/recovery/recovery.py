# SPDX-License-Identifier: GPL-3.0-or-later
"""Clearing up after runs that died, on this host."""

from __future__ import annotations

import os
from collections.abc import Sequence
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import Final

from alpy.adapters.clock import SystemClock
from alpy.adapters.docker.engine import DockerEngine
from alpy.adapters.recovery.containers import LabelledContainers
from alpy.adapters.recovery.liveness import Here, look, open_log
from alpy.adapters.recovery.processes import RunProcesses
from alpy.adapters.recovery.sweep import Clearing, SweptRun, sweep
from alpy.adapters.recovery.taps import HostTaps
from alpy.adapters.recovery.traces import Place
from alpy.adapters.run_directory import time_stamp, utc_now
from alpy.core.waiting import Limits

# A dead run hinders nobody: what can't be removed so soon is left for the next sweep.
_SWEEP_SECONDS: Final = 5.0


class Recovery:
    """Finds and removes what dead runs of this user left. *engine* is only a way to the daemon."""

    def __init__(self, engine: DockerEngine) -> None:
        # QEMU goes before the namespaces that its taps are in.
        self._places: Sequence[Place] = (RunProcesses(), LabelledContainers(engine), HostTaps())
        self._clock = SystemClock()

    def sweep(self, *, dry_run: bool = False) -> list[SweptRun]:
        """Clear up after every dead run, and tell of each run that left traces.

        Raises:
            HostError: the daemon can't be asked.
        """
        swept = sweep(
            self._places,
            judge=partial(look, here=Here()),
            uid=os.geteuid(),
            clock=self._clock,
            timeout=_SWEEP_SECONDS,
            dry_run=dry_run,
        )
        for run in swept:
            if run.dead and run.owner and not dry_run:
                complete_record(run.owner.dir, run.run, _story(run.why, run.traces, run.faults))
        return swept

    def clear(self, run: str, *, directory: str, why: str, looks: int, timeout: float) -> None:
        """Clear up after *run*, which is over, and tell in its debug.log. Never raises."""
        clearing = Clearing(self._places, self._clock)
        clearing.clear(run, looks=looks, timeout=timeout)
        complete_record(directory, run, _story(why, clearing.removed, clearing.faults))


def clear_run(run: str, *, directory: str, why: str, looks: int, timeout: float) -> None:
    """Clear up after *run* from a process that has no connection to the daemon yet."""
    engine = DockerEngine(run_id=run, clock=SystemClock(), limits=Limits())
    try:
        Recovery(engine).clear(run, directory=directory, why=why, looks=looks, timeout=timeout)
    finally:
        engine.close()


def complete_record(directory: str, run: str, lines: Sequence[str]) -> None:
    """Append *lines* to the debug.log of *run*; if it is not there, they are lost."""
    text = "".join(f"{time_stamp(utc_now())} WARNING  alpy.recovery   {line}\n" for line in lines)
    with suppress(OSError):
        descriptor = open_log(Path(directory), run, os.O_RDWR | os.O_APPEND)
        try:
            os.write(descriptor, text.encode(errors="backslashreplace"))
        finally:
            os.close(descriptor)


def _story(why: str, removed: Sequence[str], faults: Sequence[str]) -> list[str]:
    return [
        f"This run was cut short: {why}",
        *(f"Removed after its end: {what}" for what in removed),
        *(f"Still there: {fault}" for fault in faults),
    ]
