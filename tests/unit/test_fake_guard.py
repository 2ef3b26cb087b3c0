# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

from collections.abc import Collection

import pytest
from attrs import define, field

from alpy import fakes
from alpy.core.appliance import Appliance, Kernel
from alpy.core.errors import DockerError
from alpy.fakes import FakeGuard, World
from tests.contracts.guard import DEAD, OTHER, OWN, GuardContract, GuardRig

RABBIT = Appliance(name="rabbit", kernel=Kernel(image="vmlinuz"))


@define
class FakeGuardRig:
    world: World = field(factory=World)

    def __attrs_post_init__(self) -> None:
        self.world._ledger.came("node 0")
        self.world._ledger.came(OTHER)
        self.world.guard.leave_behind(DEAD)

    @property
    def guard(self) -> FakeGuard:
        return self.world.guard

    def there(self) -> Collection[str]:
        return [OWN if thing == "node 0" else thing for thing in self.world.alive]

    def kill_guard(self) -> None:
        self.guard.die()

    def process_dies(self) -> None:
        self.guard.process_dies()


class TestFakeGuard(GuardContract):
    @pytest.fixture
    def rig(self) -> GuardRig:
        return FakeGuardRig()


def test_a_testbed_clears_up_after_dead_runs_before_it_takes_a_tap() -> None:
    world = World()
    world.guard.leave_behind("somebody's container")
    with fakes.testbed(RABBIT, 1, world=world):
        assert world.gone[0] == "somebody's container"
        assert "guard" in world.alive
    assert world.alive == ()


def test_what_a_testbed_could_not_remove_is_handed_to_the_guard() -> None:
    world = World()
    world.faults.fail("skeleton.remove_nodes", lasting=True)
    with (
        pytest.raises(DockerError, match="left behind: nodes"),
        fakes.testbed(RABBIT, 1, world=world),
    ):
        pass
    assert world.alive == ()
    assert "guard.dismiss" not in world.calls


def test_after_a_good_run_the_guard_is_dismissed() -> None:
    world = World()
    with fakes.testbed(RABBIT, 1, world=world):
        pass
    assert "guard.dismiss" in world.calls
    assert "guard.hand_over" not in world.calls


def test_files_are_found_by_the_note_of_their_run_or_by_something_else_that_is_left_of_it() -> None:
    world = World()
    world.guard.leave_behind("node of a", "file of a", noted=False)
    world.guard.leave_behind("file of b", noted=False)
    world.guard.leave_behind("file of c")
    world.guard.clear_dead_runs()
    assert world.alive == world.guard.of_dead_runs == ("file of b",)


def test_a_run_is_noted_until_it_has_ended_or_its_guard_has_cleared_up() -> None:
    dismissed, died = World(), World()
    for world in (dismissed, died):
        assert not world.guard.noted
        world.guard.stand_by()
        assert world.guard.noted
    dismissed.guard.dismiss()
    died.guard.process_dies()
    assert not dismissed.guard.noted
    assert not died.guard.noted
