# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

from collections.abc import Callable

import pytest

from alpy import fakes
from alpy.core.appliance import Appliance, Kernel
from alpy.core.errors import NoRoomError
from alpy.fakes import FakeHost, FakeSlots, Ledger, World
from tests.contracts.slots import CPUS, MEMORY_MIB, SlotsContract

RABBIT = Appliance(name="rabbit", kernel=Kernel(image="vmlinuz"))


class FakeRig:
    def __init__(self) -> None:
        self._ledger = Ledger()
        self._host = FakeHost(cpus=CPUS, memory_mib=MEMORY_MIB)

    def run(self) -> FakeSlots:
        return FakeSlots(self._ledger, self._host)

    def later(self, action: Callable[[], object]) -> None:
        def happen() -> None:
            action()

        self._ledger.clock.after(0.1, happen)

    def take_in_process(self) -> FakeSlots:
        doomed = self.run()
        doomed.take(cpus=CPUS, memory_mib=MEMORY_MIB, timeout=0)
        return doomed

    def kill(self, run: FakeSlots) -> None:
        run.process_dies()


class TestFakeSlots(SlotsContract):
    @pytest.fixture
    def rig(self) -> FakeRig:
        return FakeRig()


def test_a_testbed_waits_for_room_with_nothing_in_its_hands_but_its_run_directory() -> None:
    world = World()
    world.slots.occupy(cpus=4, memory_mib=0, seconds=90)
    alive: list[tuple[str, ...]] = []
    world.clock.after(60, lambda: alive.append(world.alive))
    with fakes.testbed(RABBIT, 1, world=world):
        assert world.clock.now() >= 90
        assert "room" in world.alive
    assert alive == [("run directory",)]
    assert world.alive == ()


def test_a_testbed_that_finds_no_room_is_not_begun() -> None:
    world = World()
    world.slots.occupy(cpus=4, memory_mib=0, seconds=10_000)
    with pytest.raises(NoRoomError), fakes.testbed(RABBIT, 1, world=world):
        pass
    assert world.clock.now() == 3600
    assert "skeleton.create_taps" not in world.calls
    assert world.alive == ()


def test_a_testbed_inside_of_another_one_does_not_wait_for_it() -> None:
    outer, inner, after = World(), World(), World()
    inner.slots.occupy(cpus=4, memory_mib=0, seconds=90)
    after.slots.occupy(cpus=4, memory_mib=0, seconds=90)
    with fakes.testbed(RABBIT, 1, world=outer), fakes.testbed(RABBIT, 1, world=inner):
        assert inner.clock.now() == 0
    with fakes.testbed(RABBIT, 1, world=after):
        assert after.clock.now() >= 90


def test_room_is_given_back_when_nothing_of_the_machine_is_left() -> None:
    world = World()
    with fakes.testbed(RABBIT, 1, world=world):
        pass
    assert world.gone.index("machine") < world.gone.index("room")
    assert world.gone.index("guard") < world.gone.index("room") < world.gone.index("run directory")
