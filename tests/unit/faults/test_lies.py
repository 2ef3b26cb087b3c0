# SPDX-License-Identifier: GPL-3.0-or-later
"""A call says that it did what it is there for, and did not: the audit of the run is not fooled."""

from __future__ import annotations

import re

import pytest
from attrs import frozen

from alpy.core.errors import LeakError
from alpy.fakes import World
from tests.unit.faults.invariants import INVARIANTS, OUTLIVES, violated
from tests.unit.faults.kinds import LIES
from tests.unit.faults.lives import LIVES, PREPARED_LIVES, Life
from tests.unit.faults.outcome import Outcome, calls_to_strike, good_calls, live
from tests.unit.faults.tally import Tally

EVERY_LIFE = (*LIVES, *PREPARED_LIVES)

# What is left by a lie of these, no later release removes: console and monitor go with QEMU at the
# latest, and taps with their node.
LEAVES = {
    "apps.remove",
    "guard.dismiss",
    "monitor.quit",
    "run_directory.release",
    "skeleton.remove_nodes",
    "slots.release",
}


@frozen
class Lie:
    """A life in which *call* has lied, and what was *there* for each of the two audits to find."""

    call: str
    outcome: Outcome
    there: frozenset[str]

    @property
    def named(self) -> list[str]:
        """What errors say that it was left behind."""
        return sorted(re.findall(r"[:,] ([^:,]+) \(made by ", self.outcome.told))


def _tell_lie(life: Life, number: int) -> Lie:
    world = life.world()
    there: set[str] = set()

    def look(world: World) -> None:
        on_host = world.calls[-1] == "audit.of_host"
        there.update(thing for thing in world.alive if thing.startswith(OUTLIVES) == on_host)

    def lie(world: World, number: int) -> None:
        for kind in LIES.values():
            kind(world, number)
        world.faults.meanwhile("audit.*", lambda: look(world), lasting=True)

    life.plan(world, lie, number)
    return Lie(good_calls(life)[number], live(life, world), frozenset(there))


@pytest.fixture(scope="module")
def lies(tally: Tally) -> list[Lie]:
    told = [_tell_lie(life, number) for life in EVERY_LIFE for number in calls_to_strike(life)]
    tally.cases["done in word only"] += len(told)
    return told


def test_the_audit_names_exactly_what_was_left(lies: list[Lie]) -> None:
    wrong = [lie for lie in lies if lie.named != sorted(lie.there)]
    assert [(lie.call, lie.there, lie.outcome.told) for lie in wrong][:5] == []


def test_what_is_left_fails_the_run(lies: list[Lie]) -> None:
    for lie in lies:
        assert isinstance(lie.outcome.raised, LeakError) == bool(lie.there), lie.call


def test_it_is_the_releases_whose_lies_leave_something(lies: list[Lie]) -> None:
    assert {lie.call for lie in lies if lie.there} == LEAVES


def test_nothing_is_left_for_the_next_run_and_no_promise_is_broken(
    lies: list[Lie], tally: Tally
) -> None:
    wrong = [what for lie in lies for what in violated(lie.outcome, *INVARIANTS)]
    tally.violations += len(wrong)
    assert wrong[:5] == []
    left = [thing for lie in lies for thing in lie.outcome.alive]
    assert [thing for thing in left if thing.startswith(OUTLIVES)] == []
