# SPDX-License-Identifier: GPL-3.0-or-later
"""The process of a run is killed before, and within, each of its calls.

Then only the kernel, the daemon and the guard act; and where the guard was killed too, the next
run.
"""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from attrs import frozen

from alpy.fakes import World
from tests.unit.faults import invariants
from tests.unit.faults.kinds import DEATH, LATE, ProcessDeath
from tests.unit.faults.lives import LIVES, PREPARED_LIVES, SMALLEST, Start
from tests.unit.faults.outcome import Outcome, every_outcome, live
from tests.unit.faults.tally import Tally

OF_PROCESS = ("console", "monitor", "room", "run directory")


@frozen
class Death:
    """What was there after it: when the kernel and the daemon were done, and when the guard was."""

    kind: str
    call: str
    guarded: bool
    noted: bool
    came_last: frozenset[str]
    left: tuple[str, ...]
    running: tuple[str, ...]
    after_guard: tuple[str, ...]


@pytest.fixture(scope="module", params=DEATH)
def deaths(request: pytest.FixtureRequest, tally: Tally) -> list[Death]:
    kind = DEATH[request.param]
    name = str(request.param)
    every = [
        death
        for life in (*LIVES, *PREPARED_LIVES)
        for _, outcome in every_outcome(life, kind)
        for death in _deaths(name, outcome)
    ]
    tally.cases[name] += len(every)
    tally.violations += sum(bool(death.after_guard) for death in every if death.guarded)
    return every


def _deaths(kind: str, outcome: Outcome) -> Iterator[Death]:
    """One for each testbed of the process."""
    assert isinstance(outcome.raised, ProcessDeath)
    world = outcome.life.struck(outcome.world)
    call = world.faults.struck[0].call
    assert not invariants.nobody_waits_any_more_for_a_state_from_this_run(outcome)
    _check_that_the_next_run_need_not_wait(outcome)
    return (_death(kind, call, each) for each in outcome.worlds)


def _check_that_the_next_run_need_not_wait(outcome: Outcome) -> None:
    if outcome.life.start in {Start.FOUND, Start.MADE}:
        next_run = outcome.life.world(shelf=outcome.world.shelf)
        after = live(outcome.life, next_run)
        assert after.raised is None
        assert after.ended < 1


def _death(kind: str, struck: str, world: World) -> Death:
    left = tuple(thing for thing in world.alive if thing != "guard")
    running = tuple(name for name, app in world.apps.made.items() if app.runs)
    guarded, noted = "guard" in world.alive, world.guard.noted
    came = frozenset(thing for thing in left if world._ledger.maker_of(thing) == struck)
    world.guard.process_dies()
    return Death(kind, struck, guarded, noted, came, left, running, world.alive)


def test_what_is_tied_to_the_process_goes_with_it(deaths: list[Death]) -> None:
    for death in deaths:
        assert "machine" not in death.left
        assert not death.running
        assert not [thing for thing in death.left if thing.startswith(OF_PROCESS)]
        # As a container that was created and never started, or a tap that nobody opened.
        tied = [thing for thing in death.left if thing.startswith(("node ", "tap "))]
        assert set(tied) <= death.came_last, death


def test_each_kind_that_can_outlive_the_process_does_so_somewhere(deaths: list[Death]) -> None:
    left = {thing.split()[0] for death in deaths for thing in death.left}
    unfinished = {"node", "tap"} if deaths[0].kind == "process killed within a call" else set()
    assert left == {"app", "file"} | unfinished


def test_the_guard_removes_what_a_killed_process_had(deaths: list[Death]) -> None:
    assert {death.after_guard for death in deaths if death.guarded} == {()}
    assert {death.left for death in deaths if not death.guarded} == {()}


def test_the_next_run_removes_what_is_left_when_the_guard_is_killed_too(
    deaths: list[Death], tally: Tally
) -> None:
    remains = {(death.left, death.noted) for death in deaths if death.left}
    assert len(remains) > 1
    for left, noted in remains:
        world = SMALLEST.world()
        world.guard.leave_behind(*(f"{thing} of a dead run" for thing in left), noted=noted)
        after = live(SMALLEST, world)
        tally.cases["process and guard killed"] += 1
        assert after.raised is None
        assert world.alive == ()


def test_a_dead_runs_remains_are_removed_before_anything_is_taken() -> None:
    world = SMALLEST.world()
    world.guard.leave_behind("tap 0 of a dead run")
    live(SMALLEST, world)
    assert world.gone[0] == "tap 0 of a dead run"


CREATING = ["skeleton.create_taps", "machine.launch", "skeleton.create_nodes", "apps.create"]


@pytest.mark.parametrize("call", CREATING)
def test_what_comes_after_all_waiting_is_left_for_the_next_run_which_removes_it(call: str) -> None:
    world = SMALLEST.world()
    world.faults.fail(call, late=20 * LATE)
    outcome = live(SMALLEST, world)
    assert outcome.raised is outcome.injected[0]
    world.clock.advance(20 * LATE)
    assert world.alive
    after = SMALLEST.world()
    after.guard.leave_behind(*(f"{thing} of a dead run" for thing in world.alive))
    assert (live(SMALLEST, after).raised, after.alive) == (None, ())


def test_what_comes_late_is_awaited_by_its_release() -> None:
    world = World()
    world.faults.fail("skeleton.create_nodes", late=LATE)
    outcome = live(SMALLEST, world)
    assert outcome.raised is outcome.injected[0]
    assert "node 0" in world.gone
    assert world.alive == ()
