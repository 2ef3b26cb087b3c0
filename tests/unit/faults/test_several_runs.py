# SPDX-License-Identifier: GPL-3.0-or-later
"""Several runs on one host, in any order of what a test, a fault or somebody else can do to them.

Each run has a world of its own, as each process has; what outlives a killed one is in the next.
Their saved states are in one cache, and some want the same one while another run makes it.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import ExitStack
from contextvars import Context, copy_context
from typing import ClassVar

from attrs import define, field
from hypothesis import strategies as st
from hypothesis.stateful import (
    Bundle,
    RuleBasedStateMachine,
    consumes,
    invariant,
    multiple,
    rule,
)

from alpy.core.errors import AlpyError
from alpy.core.node import Node
from alpy.core.running_app import RunningApp
from alpy.core.testbed import Testbed
from alpy.fakes import FakeShelf, World
from tests.unit.faults.invariants import (
    OUTLIVES,
    Invariant,
    an_interrupt_is_what_is_raised,
    no_room_is_left,
    no_sink_is_left,
    nothing_but_errors_of_alpy_is_raised,
    releases_are_called_newest_first,
    what_was_taken_has_its_release_called,
)
from tests.unit.faults.kinds import (
    ERRORS,
    INTERRUPTIONS,
    INTERRUPTS,
    LATE,
    LOSSES,
    SLOW,
    SLOWNESS,
    ProcessDeath,
    unanswered,
)
from tests.unit.faults.lives import Apps, Life, Start
from tests.unit.faults.machines import try_machine
from tests.unit.faults.outcome import Outcome, is_named, told
from tests.unit.faults.tally import Tally

FAULTS = ERRORS | INTERRUPTS | SLOWNESS
DEAD = "of a dead run"

AT_THE_END: tuple[Invariant, ...] = (
    an_interrupt_is_what_is_raised,
    no_room_is_left,
    no_sink_is_left,
    nothing_but_errors_of_alpy_is_raised,
    releases_are_called_newest_first,
    what_was_taken_has_its_release_called,
)


class TestFailedError(Exception):
    """The user's test found something wrong with the appliance."""

    __test__ = False


@define(eq=False)
class Run:
    """One testbed in its world, acted upon in a context of its own."""

    life: Life
    shelf: FakeShelf
    world: World = field(init=False)
    bed: Testbed = field(init=False)
    context: Context = field(factory=copy_context)
    apps: list[RunningApp] = field(factory=list)
    caught: list[BaseException] = field(factory=list)
    """Errors that the test caught; it was told of them."""
    seen: tuple[tuple[str, ...], int] = ((), 0)
    """What was alive, and how many calls there were, when it was acted upon last."""
    begun: int = 0
    """How many calls there were when its test began."""

    def __attrs_post_init__(self) -> None:
        self.world = self.life.world(shelf=self.shelf)
        self.bed = self.life.testbed(self.world)

    def act(self, act: Callable[[], object]) -> BaseException | None:
        """What *act* raised."""
        try:
            self.context.run(act)
        except (AlpyError, *INTERRUPTIONS, TestFailedError, ProcessDeath) as error:
            return error
        finally:
            self.seen = self.looks
        return None

    @property
    def looks(self) -> tuple[tuple[str, ...], int]:
        return self.world.alive, len(self.world.calls)

    @property
    def hung(self) -> float:
        """Seconds that the faults may have cost."""
        faults = self.world.faults
        slow = [fault for fault in faults._planned if fault.happening]
        silences = [unanswered(strike.call) for strike in faults.struck]
        return SLOW * len(slow) + sum(silence[1] for silence in silences if silence)

    def leave(self, fault: BaseException | None) -> None:
        """Leave the testbed's block, with *fault* or without."""
        with ExitStack() as block:
            block.push(self.bed)
            if fault is not None:
                raise fault

    def start_app(self, node: Node, program: str) -> None:
        if program == "ping":
            node.run([program], image="tools")
        else:
            self.apps.append(node.start([program], image="tools"))


class SeveralRuns(RuleBasedStateMachine):
    runs = Bundle("runs")

    tally: ClassVar[Tally]

    def __init__(self) -> None:
        super().__init__()
        self.open: list[Run] = []
        self.remains: list[str] = []
        self.shelf = FakeShelf()

    @rule(
        target=runs,
        links=st.integers(0, 2),
        fault=st.none() | st.tuples(st.sampled_from(sorted(FAULTS)), st.integers(0, 40)),
    )
    def begin(self, links: int, fault: tuple[str, int] | None) -> object:
        run = Run(Life(links, Apps.NONE, power_down=False), self.shelf)
        if fault:
            run.life.plan(run.world, FAULTS[fault[0]], fault[1])
        return multiple(*self._enter(run))

    @rule(
        target=runs,
        fault=st.none() | st.tuples(st.sampled_from(sorted(FAULTS)), st.integers(0, 60)),
        in_workshop=st.booleans(),
        crowd=st.integers(0, 2),
    )
    def begin_prepared(
        self, fault: tuple[str, int] | None, in_workshop: bool, crowd: int
    ) -> object:
        """While it makes the state, if it does, so many others want it too."""
        life = Life(1, Apps.NONE, power_down=False, start=Start.MADE, in_workshop=in_workshop)
        run, *others = (Run(life, self.shelf) for _ in range(1 + crowd))
        if fault:
            life.plan(run.world, FAULTS[fault[0]], fault[1])
        entered: list[Run] = []
        furnish = run.world.on_workshop

        def furnish_and_crowd(workshop: World) -> None:
            furnish(workshop)
            for other in others:
                entered.extend(self._enter(other))

        run.world.on_workshop = furnish_and_crowd
        return multiple(*self._enter(run), *entered)

    def _enter(self, run: Run) -> list[Run]:
        """The run, if its test has begun."""
        remains, self.remains = self.remains, []
        for thing in remains:
            run.world.guard.leave_behind(thing)
        self.tally.cases["several runs"] += 1
        self.open.append(run)
        error = run.act(run.bed.__enter__)
        self.remains += [thing for thing in remains if thing in run.world.alive]
        if error is not None:
            self._check_end(run, error)
            return []
        assert self.remains == []
        run.begun = len(run.world.calls)
        return [run]

    @rule(run=runs, kind=st.sampled_from(sorted(FAULTS)), distance=st.integers(0, 30))
    def plan(self, run: Run, kind: str, distance: int) -> None:
        FAULTS[kind](run.world, len(run.world.calls) + distance)

    @rule(run=runs, what=st.sampled_from(sorted(LOSSES)))
    def lose(self, run: Run, what: str) -> None:
        run.act(lambda: LOSSES[what](run.world))

    @rule(
        run=runs,
        step=st.sampled_from(["start", "pause", "reset", "power_down"]),
        catches=st.booleans(),
    )
    def command(self, run: Run, step: str, catches: bool) -> None:
        self._try(run, getattr(run.bed.dut, step), catches=catches)

    @rule(run=runs, program=st.sampled_from(["iperf3", "ping"]), catches=st.booleans())
    def start_app(self, run: Run, program: str, catches: bool) -> None:
        for node in run.bed.nodes[:1]:
            self._try(run, lambda: run.start_app(node, program), catches=catches)  # noqa: B023

    @rule(run=runs, catches=st.booleans())
    def stop_app(self, run: Run, catches: bool) -> None:
        for app in run.apps[-1:]:
            self._try(run, app.stop, catches=catches)

    @rule(run=runs, catches=st.booleans())
    def watch_console(self, run: Run, catches: bool) -> None:
        self._try(run, lambda: run.bed.console.expect("login: ", timeout=2), catches=catches)

    @rule(run=consumes(runs), fails=st.booleans())
    def leave(self, run: Run, fails: bool) -> None:
        self._leave(run, TestFailedError("no route to server") if fails else None)

    @rule(run=consumes(runs), guard_too=st.booleans())
    def kill_process(self, run: Run, guard_too: bool) -> None:
        if run not in self.open:
            return
        run.world.faults._planned.clear()
        run.world.process_dies()
        run.world.faults.fail("*", error=ProcessDeath, lasting=True)
        assert isinstance(run.act(lambda: run.leave(None)), ProcessDeath)
        if not guard_too:
            run.world.guard.process_dies()
        left = [thing for thing in run.world.alive if thing.startswith(OUTLIVES)]
        number = self.tally.cases["several runs"]
        self.remains += [f"{thing} {DEAD} {number}" for thing in left]
        self.open.remove(run)

    def _try(self, run: Run, act: Callable[[], object], *, catches: bool) -> None:
        """The test does something. What it does not catch ends its block."""
        if run not in self.open:
            return
        error = run.act(act)
        if isinstance(error, AlpyError) and catches:
            run.caught.append(error)
        elif error is not None:
            self._leave(run, error)

    def _leave(self, run: Run, fault: BaseException | None) -> None:
        if run not in self.open:
            return
        begun = run.world.clock.now()
        error = run.act(lambda: run.leave(fault))
        limits = run.bed.limits
        patience = limits.quit + len(run.world.apps.made) * (limits.app_stop + limits.container)
        assert run.world.clock.now() - begun <= patience + run.hung
        self._check_end(run, error)

    def _check_end(self, run: Run, raised: BaseException | None) -> None:
        self.open.remove(run)
        for world in run.world.of_process:
            world.clock.advance(LATE)
        outcome = Outcome(
            life=run.life,
            world=run.world,
            raised=raised,
            context=run.context,
            ended=run.world.clock.now(),
        )
        alive = [thing for thing in outcome.alive if DEAD not in thing]
        assert [thing for thing in alive if not is_named(thing, outcome.told)] == []
        known = "\n".join([outcome.told, *(each for error in run.caught for each in told(error))])
        assert outcome.untold_by(known) == []
        if not isinstance(raised, TestFailedError):
            for holds in AT_THE_END:
                assert not holds(outcome), holds.__name__

    @invariant()
    def no_run_touches_another(self) -> None:
        assert [run.looks for run in self.open] == [run.seen for run in self.open]

    @invariant()
    def nobody_is_making_a_state(self) -> None:
        assert self.shelf.makers == {}

    @invariant()
    def an_open_run_has_released_nothing_but_apps(self) -> None:
        for run in self.open:
            ends = {
                "skeleton.remove_nodes",
                "machine.kill",
                "skeleton.remove_taps",
                "guard.dismiss",
            }
            assert ends.isdisjoint(run.world.calls[run.begun :])

    def teardown(self) -> None:
        for run in list(self.open):
            self._leave(run, None)


def test_several_runs_keep_the_promises_whatever_happens_to_them(tally: Tally) -> None:
    SeveralRuns.tally = tally
    try_machine(SeveralRuns, examples=150)
