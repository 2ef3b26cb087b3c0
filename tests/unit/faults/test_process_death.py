# SPDX-License-Identifier: GPL-3.0-or-later
"""The process of a run is killed at each of its calls; then only the guard, or the next run, acts.

The worst is assumed: nothing goes by itself when the process dies, though on Linux most does.
"""

from __future__ import annotations

import pytest
from attrs import frozen

from alpy.fakes import World
from tests.unit.faults.invariants import OUTLIVES
from tests.unit.faults.kinds import DEATH, ProcessDeath
from tests.unit.faults.lives import LIVES, SMALLEST
from tests.unit.faults.outcome import Outcome, every_outcome, live
from tests.unit.faults.tally import Tally


@frozen
class Death:
    """What was alive after it: all that could outlive the process, and that less what the guard
    removed."""

    left: tuple[str, ...]
    after_guard: tuple[str, ...]


@pytest.fixture(scope="module", params=LIVES, ids=str)
def deaths(request: pytest.FixtureRequest, tally: Tally) -> list[Death]:
    every = list(map(_death, every_outcome(request.param, DEATH["process killed"])))
    tally.cases["process killed"] += len(every)
    tally.violations += sum(bool(death.after_guard) for death in every)
    return every


def _death(outcome: Outcome) -> Death:
    assert isinstance(outcome.raised, ProcessDeath)
    world = outcome.world
    left = _outliving(world)
    world.guard.process_dies()
    return Death(left, _outliving(world))


def _outliving(world: World) -> tuple[str, ...]:
    return tuple(thing for thing in world.alive if thing.startswith(OUTLIVES))


def test_the_guard_removes_what_a_killed_process_had(deaths: list[Death]) -> None:
    assert {death.after_guard for death in deaths} == {()}


def test_the_next_run_removes_what_is_left_when_the_guard_is_killed_too(
    deaths: list[Death], tally: Tally
) -> None:
    remains = {death.left for death in deaths}
    assert len(remains) > 1
    for left in remains:
        world = SMALLEST.world()
        for thing in left:
            world.guard.leave_behind(f"{thing} of a dead run")
        after = live(SMALLEST, world)
        tally.cases["process and guard killed"] += 1
        assert (after.raised, world.alive) == (None, ())


def test_a_dead_runs_remains_are_removed_before_anything_is_taken() -> None:
    world = SMALLEST.world()
    world.guard.leave_behind("tap 0 of a dead run")
    live(SMALLEST, world)
    assert world.gone[0] == "tap 0 of a dead run"
