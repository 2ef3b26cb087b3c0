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
