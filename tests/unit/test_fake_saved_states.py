# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

from pathlib import Path

import pytest
from attrs import define, field

from alpy.core.errors import HostError
from alpy.fakes.clock import FakeClock
from alpy.fakes.ledger import Ledger
from alpy.fakes.saved_states import FakeSavedStates, FakeShelf
from tests.contracts.saved_states import ONE, PATIENCE, SavedStatesContract, SavedStatesRig, made


@define
class FakeStatesRig:
    ledger: Ledger = field(factory=Ledger)
    shelf: FakeShelf = field(factory=FakeShelf)

    @property
    def clock(self) -> FakeClock:
        return self.ledger.clock

    def states(self) -> FakeSavedStates:
        return FakeSavedStates(self.ledger, self.shelf)

    def save(self, folder: Path) -> None:
        """Nothing: there is no machine here."""


class TestFakeSavedStates(SavedStatesContract):
    @pytest.fixture
    def rig(self) -> SavedStatesRig:
        return FakeStatesRig()


def test_who_waits_for_a_maker_finds_what_it_has_made() -> None:
    rig = FakeStatesRig()
    maker, waiter = rig.states(), rig.states()
    maker.find(ONE, timeout=0)
    maker.begin()

    def finish() -> None:
        maker.keep()

    rig.clock.after(3, finish)
    assert waiter.find(ONE, timeout=PATIENCE) is not None
    assert rig.clock.now() == 3


def test_a_state_whose_maker_is_killed_is_made_by_the_next() -> None:
    rig = FakeStatesRig()
    maker = rig.states()
    maker.find(ONE, timeout=0)
    maker.begin()
    maker.process_dies()
    assert not rig.ledger.alive
    made(rig)


def test_it_fails_as_planned_and_lets_go_all_the_same() -> None:
    rig = FakeStatesRig()
    states = made(rig)
    rig.ledger.faults.fail("saved_states.release")
    with pytest.raises(HostError):
        states.release()
    assert not rig.ledger.alive
