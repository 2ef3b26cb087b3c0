# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import pytest
from attrs import define, field

from alpy.fakes import FakeSignals
from tests.contracts.signals import SignalsContract, SignalsRig


@define
class FakeSignalsRig:
    signals: FakeSignals = field(factory=FakeSignals)

    def interrupt(self) -> None:
        self.signals.interrupt()


class TestFakeSignals(SignalsContract):
    @pytest.fixture
    def rig(self) -> SignalsRig:
        return FakeSignalsRig()


@pytest.fixture
def signals() -> FakeSignals:
    return FakeSignals()


def test_a_termination_ends_the_test_with_the_code_that_a_shell_would_tell(
    signals: FakeSignals,
) -> None:
    signals.take()
    with pytest.raises(SystemExit) as caught:
        signals.terminate()
    assert caught.value.code == 143


def test_a_termination_that_is_not_taken_is_none_of_ours(signals: FakeSignals) -> None:
    signals.terminate()


def test_of_several_that_come_inside_of_a_block_the_first_counts(signals: FakeSignals) -> None:
    signals.take()
    with pytest.raises(SystemExit), signals.deferred():
        signals.terminate()
        signals.interrupt()
    with signals.deferred():
        pass
