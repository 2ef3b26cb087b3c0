# SPDX-License-Identifier: GPL-3.0-or-later
"""The sweep: what dead runs of this user left behind is found and removed.

It may be cut short anywhere, and several may run at the same time: what is gone already is no
error, and each removes only what belongs to a run that is dead for good.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from typing import TypeAlias

from attrs import define, field, frozen

from alpy.adapters.recovery.liveness import Life, Verdict
from alpy.adapters.recovery.owner import Owner
from alpy.adapters.recovery.traces import AppEnd, Place, Trace
from alpy.core.errors import AlpyError
from alpy.core.ports import Clock
from alpy.core.waiting import Deadline

Judge: TypeAlias = Callable[[Owner], Verdict]

# Between two looks at a run's traces, in seconds. A request that the dead process sent last may
# take the daemon so long.
_INTERVAL = 0.3


@frozen(kw_only=True)
class SweptRun:
    """One run whose traces were found, and what was done about them."""

    run: str
    owner: Owner | None
    dead: bool
    why: str
    traces: tuple[str, ...]
    """What was there: removed if the run is dead and no fault says otherwise, left alone if not."""
    faults: tuple[str, ...] = ()
    """What could not be removed, and why."""
    ends: tuple[AppEnd, ...] = ()
    """How those of its apps ended that left a container."""


@define
class Clearing:
    """Removes all traces of one run, and its note among the *notes* when there is no other."""

    places: Sequence[Place]
    clock: Clock
    notes: Place | None = None
    removed: list[str] = field(factory=list, init=False)
    ends: list[AppEnd] = field(factory=list, init=False)
    faults: list[str] = field(factory=list, init=False)
    """What stood in the way at the last look; empty if nothing is left."""

    def clear(self, run: str, *, looks: int, timeout: float, quiet: float = 0.0) -> None:
        """Remove what is there, again until *looks* looks in a row find nothing.

        Those have to last *quiet* seconds at least. What can't be removed is tried again. After
        *timeout* seconds it ends in any case; one removal then has a moment more.
        """
        deadline = Deadline.after(timeout, clock=self.clock)
        silence = Deadline.after(quiet, clock=self.clock)
        empty = 0
        while True:
            if self._remove_all(run, deadline):
                empty, silence = 0, Deadline.after(quiet, clock=self.clock)
            else:
                empty += 1
            if (empty >= looks and silence.passed and not self.faults) or deadline.passed:
                return
            self.clock.sleep(deadline.turn(_INTERVAL))

    def _remove_all(self, run: str, within: Deadline) -> bool:
        """Whether anything was found, or a place could not be asked."""
        self.faults = []
        found = [self._remove_in(place, run, within) for place in self.places]
        if self.notes and not self.faults:
            # What can't be removed now is found by it later.
            found.append(self._remove_in(self.notes, run, within))
        return any(found) or bool(self.faults)

    def _remove_in(self, place: Place, run: str, within: Deadline) -> bool:
        try:
            traces = place.find_of(run)
        except AlpyError as error:
            self.faults.append(str(error))
            return False
        self.ends += [trace.end for trace in traces if trace.end]
        for trace in traces:
            self._remove(place, trace, within)
        return bool(traces)

    def _remove(self, place: Place, trace: Trace, within: Deadline) -> None:
        try:
            place.remove(trace, within)
        except AlpyError as error:
            self.faults.append(str(error))
        else:
            if trace.what not in self.removed:
                self.removed.append(trace.what)


def sweep(
    places: Sequence[Place],
    *,
    notes: Place,
    place_in: Callable[[str], Place],
    judge: Judge,
    uid: int,
    clock: Clock,
    timeout: float,
    dry_run: bool,
) -> list[SweptRun]:
    """Look at every run that left traces; remove those of dead ones unless *dry_run*.

    Where a trace names its run directory, what *place_in* makes of that is looked at too. *notes*
    are what a run is known by that left nothing else: they go when nothing else is left.

    Raises:
        HostError: a place can't be asked.
    """
    runs: dict[str, list[Trace]] = {}
    for place in (*places, notes):
        for trace in place.find():
            runs.setdefault(trace.run, []).append(trace)
    swept = []
    for name, traces in sorted(runs.items()):
        folders = [place_in(path) for path in _folders(traces)]
        files = [trace for folder in folders for trace in folder.find_of(name)]
        run = _look(name, [*traces, *files], judge=judge, uid=uid)
        if run.dead and not dry_run:
            run = _clear(run, Clearing([*places, *folders], clock, notes), timeout)
        swept.append(run)
    return swept


def _folders(traces: Sequence[Trace]) -> Sequence[str]:
    return sorted({trace.owner.dir for trace in traces if trace.owner and trace.owner.dir})


def _look(run: str, traces: Sequence[Trace], *, judge: Judge, uid: int) -> SweptRun:
    owners = {trace.owner for trace in traces if trace.owner}
    verdict = _verdict(owners, judge=judge, uid=uid)
    return SweptRun(
        run=run,
        # One that knows the run directory, where the record can be completed.
        owner=max(owners, key=lambda owner: bool(owner.dir), default=None),
        dead=verdict.life is Life.DEAD,
        why=verdict.why,
        traces=tuple(trace.what for trace in traces),
    )


def _verdict(owners: Collection[Owner], *, judge: Judge, uid: int) -> Verdict:
    if not owners:
        return Verdict(Life.UNKNOWN, "its traces do not tell whose they are")
    for owner in owners:
        if owner.uid != uid:
            return Verdict(Life.UNKNOWN, f"it is of another user, with the id {owner.uid}")
    # One trace may know less of its run than another does; none takes a live run for dead.
    verdicts = [judge(owner) for owner in owners]
    dead = [verdict for verdict in verdicts if verdict.life is Life.DEAD]
    return (dead or verdicts)[0]


def _clear(run: SweptRun, clearing: Clearing, timeout: float) -> SweptRun:
    clearing.clear(run.run, looks=0, timeout=timeout)
    return SweptRun(
        run=run.run,
        owner=run.owner,
        dead=True,
        why=run.why,
        traces=tuple(clearing.removed),
        faults=tuple(clearing.faults),
        ends=tuple(clearing.ends),
    )
