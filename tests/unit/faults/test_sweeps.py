# SPDX-License-Identifier: GPL-3.0-or-later
"""Runs of several users in one world, and sweeps that come at any moment, are cut short or refused.

The sweep and its judgement are the real ones; only the places are in memory. They know the truth,
and so whether what they are told to remove might go.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from functools import partial
from typing import ClassVar

from attrs import define, field
from hypothesis import strategies as st
from hypothesis.stateful import (
    Bundle,
    RuleBasedStateMachine,
    invariant,
    rule,
)

from alpy.adapters.recovery.liveness import Here, Lock, Verdict, judge
from alpy.adapters.recovery.owner import Owner
from alpy.adapters.recovery.sweep import sweep
from alpy.adapters.recovery.traces import Trace
from alpy.core.errors import HostError
from alpy.core.waiting import Deadline
from alpy.fakes import World
from tests.unit.faults.machines import try_machine
from tests.unit.faults.tally import Tally

USERS = st.sampled_from([1000, 1001])
NAMESPACES = st.sampled_from(["the host's", "a container's"])
HERE, ELSEWHERE = "this machine", "another one"
THINGS = st.sets(st.sampled_from(["container", "file", "process", "tap"]))
# The rest of it, such as a tap whose alias was cut off, tells its run, and no more.
TELLING = st.sets(st.sampled_from(["container", "process", "tap"]))
NEVER = 1000


class CutShortError(Exception):
    """The process that sweeps is killed."""


def refusal() -> HostError:
    return HostError(asked="remove it", found="it is stuck", remedy="Wait")


@define(eq=False)
class Run:
    owner: Owner
    alive: bool = True
    lock: Lock = Lock.HELD


@define(eq=False)
class Shelf:
    """A place, with things of any run by their names."""

    world: Sweeps = field(repr=False)
    things: dict[str, Trace] = field(factory=dict)

    def put(self, kind: str, run: Run, *, told: bool) -> None:
        name = run.owner.run
        what = f"{kind} of {name}"
        owner = run.owner if told else None
        self.things[what] = Trace(run=name, what=what, maker=kind, handle=what, owner=owner)

    def of(self, run: Run) -> list[Trace]:
        return [thing for thing in self.things.values() if thing.run == run.owner.run]

    def find(self) -> Sequence[Trace]:
        self.world.is_asked()
        return list(self.things.values())

    def find_of(self, run: str) -> Sequence[Trace]:
        return [thing for thing in self.find() if thing.run == run]

    def remove(self, trace: Trace, _within: Deadline, /) -> None:
        self.world.is_asked()
        self.world.check_removal(trace)
        self.things.pop(trace.handle, None)


class Sweeps(RuleBasedStateMachine):
    runs = Bundle("runs")

    tally: ClassVar[Tally]

    def __init__(self) -> None:
        super().__init__()
        self.boots = self.processes_begun = 0
        self.processes: dict[tuple[str, int], int] = {}
        """When each began, by its namespace and number."""
        self.all: dict[str, Run] = {}
        self.shelf, self.folders, self.notes = Shelf(self), Shelf(self), Shelf(self)
        self.sweeper = 0
        self.patience, self.fault = NEVER, Exception()
        self.stuck: set[str] = set()

    @rule(target=runs, uid=USERS, pidns=NAMESPACES, things=THINGS, telling=TELLING)
    def begin(self, uid: int, pidns: str, things: set[str], telling: set[str]) -> Run:
        run = self._begin(uid, pidns)
        for thing in sorted(things - {"file"}):
            self.shelf.put(thing, run, told=thing in telling)
        if "file" in things:
            self.folders.put("file", run, told=False)
        self.processes[pidns, run.owner.pid] = run.owner.start
        return run

    @rule(target=runs, uid=USERS, lock=st.sampled_from([Lock.HELD, Lock.FREE, Lock.UNKNOWN]))
    def begin_elsewhere(self, uid: int, lock: Lock) -> Run:
        """On a machine that has the home in common with this one, and locks perhaps."""
        run = self._begin(uid, "the host's", boot="theirs", host=ELSEWHERE)
        run.lock = lock
        self.folders.put("file", run, told=False)
        return run

    def _begin(self, uid: int, pidns: str, boot: str = "", host: str = HERE) -> Run:
        self.processes_begun += 1
        number, name = self.processes_begun, f"run {len(self.all)}"
        owner = Owner(
            run=name, pid=number, start=number, boot=boot or str(self.boots), pidns=pidns, uid=uid,
            host=host, dir=f"/runs/{name}",
        )  # fmt: skip
        self.all[name] = run = Run(owner)
        self.notes.put("note", run, told=True)
        return run

    @rule(run=runs, survives=THINGS, child=st.booleans(), number_again=st.booleans())
    def die(self, run: Run, survives: set[str], child: bool, number_again: bool) -> None:
        """Its process is killed, and most goes with it.

        A *child* of it may hold on to the lock, and another process get its number.
        """
        if run.alive and run.owner.host == HERE:
            run.alive, run.lock = False, Lock.HELD if child else Lock.FREE
            del self.processes[run.owner.pidns, run.owner.pid]
            if number_again:
                self.processes_begun += 1
                self.processes[run.owner.pidns, run.owner.pid] = self.processes_begun
            self._lose(run, survives)

    @rule(run=runs, remains=THINGS)
    def end(self, run: Run, remains: set[str]) -> None:
        """It could not remove all; its process runs on."""
        if run.alive and run.owner.host == HERE:
            run.alive, run.lock = False, Lock.FREE
            self._lose(run, remains)

    @rule(run=runs)
    def lose_folder(self, run: Run) -> None:
        """Somebody removes the run directory."""
        run.lock = Lock.UNKNOWN
        self.folders.things.pop(f"file of {run.owner.run}", None)

    @rule()
    def reboot(self) -> None:
        self.boots += 1
        self.processes.clear()
        for run in self.all.values():
            if run.owner.host == HERE:
                run.alive, run.lock = False, Lock.UNKNOWN if run.lock is Lock.UNKNOWN else Lock.FREE
                self._lose(run, {"container", "file"})

    def _lose(self, run: Run, remains: Collection[str]) -> None:
        for place in (self.shelf, self.folders):
            for thing in place.of(run):
                if thing.maker not in remains:
                    del place.things[thing.handle]

    @rule(
        uid=USERS,
        pidns=NAMESPACES,
        after=st.none() | st.integers(1, 20),
        killed=st.booleans(),
        stuck=THINGS,
    )
    def sweep_in_trouble(
        self, uid: int, pidns: str, after: int | None, killed: bool, stuck: set[str]
    ) -> None:
        """A call of a place fails, or is the last one; and what is *stuck* can't be removed."""
        self.patience, self.fault = after or NEVER, CutShortError() if killed else refusal()
        self.stuck = stuck
        self._sweep(uid, pidns)

    @rule(uid=USERS, pidns=NAMESPACES)
    def look(self, uid: int, pidns: str) -> None:
        before = self._known()
        self._sweep(uid, pidns, dry_run=True)
        assert self._known() == before

    @rule(uid=USERS, pidns=NAMESPACES)
    def sweep(self, uid: int, pidns: str) -> None:
        here = self._sweep(uid, pidns)
        assert self._left(here, uid) == []

    def _sweep(self, uid: int, pidns: str, *, dry_run: bool = False) -> Here:
        self.tally.cases["sweeps"] += 1
        self.sweeper = uid
        here = Here(
            boot=str(self.boots), host=HERE, pidns=pidns, start_of=partial(self._start, pidns)
        )
        try:
            sweep(
                [self.shelf],
                notes=self.notes,
                place_in=lambda _path: self.folders,
                judge=partial(self._judge, here),
                uid=uid,
                clock=World().clock,
                timeout=5,
                dry_run=dry_run,
            )
        except (HostError, CutShortError) as error:
            assert error is self.fault  # noqa: PT017  what else comes is raised
        self.patience, self.stuck = NEVER, set()
        return here

    def is_asked(self) -> None:
        self.patience -= 1
        if self.patience == 0:
            raise self.fault

    def check_removal(self, trace: Trace) -> None:
        if trace.maker in self.stuck:
            raise refusal()
        run = self.all[trace.run]
        assert not run.alive, f"{trace.what} is of a run that is alive: {run}"
        assert run.owner.uid == self.sweeper, f"{trace.what} is another user's: {run}"

    def _known(self) -> list[str]:
        return [what for place in (self.shelf, self.folders, self.notes) for what in place.things]

    def _start(self, pidns: str, pid: int) -> int | None:
        return self.processes.get((pidns, pid))

    def _judge(self, here: Here, owner: Owner) -> Verdict:
        return judge(owner, self.all[owner.run].lock, here)

    def _left(self, here: Here, uid: int) -> list[str]:
        """What is there of runs that user *uid* can know to be dead *here*."""
        gone = [
            run
            for run in self.all.values()
            if not run.alive
            and (run.owner.uid, run.owner.host) == (uid, HERE)
            and self._shows_its_end(run, here)
        ]
        places = (self.shelf, self.folders, self.notes)
        return [thing.what for run in gone for place in places for thing in place.of(run)]

    def _shows_its_end(self, run: Run, here: Here) -> bool:
        owner = run.owner
        if owner.boot != here.boot:
            return run.lock is not Lock.HELD
        process_is_gone = self._start(owner.pidns, owner.pid) != owner.start
        return run.lock is Lock.FREE or (owner.pidns == here.pidns and process_is_gone)

    @invariant()
    def what_is_left_can_be_found(self) -> None:
        for run in self.all.values():
            left = [*self.shelf.of(run), *self.folders.of(run)]
            assert not left or self.notes.of(run), (run, left)


def test_sweeps_remove_all_that_is_of_the_dead_and_nothing_else(tally: Tally) -> None:
    Sweeps.tally = tally
    try_machine(Sweeps, examples=300)
