# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import pytest

from alpy.adapters.clock import SystemClock
from tests.contracts.clock import ClockContract


class TestSystemClock(ClockContract):
    @pytest.fixture
    def clock(self) -> SystemClock:
        return SystemClock()
