# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import time
from collections.abc import Callable

import pytest

from alpy.adapters.clock import SystemClock, clock_of
from alpy.core.errors import InvalidValueError
from tests.contracts.clock import ClockContract


class TestSystemClock(ClockContract):
    @pytest.fixture(params=[1, 3])
    def clock(self, request: pytest.FixtureRequest) -> SystemClock:
        return SystemClock(request.param)

    @pytest.fixture
    def host_now(self) -> Callable[[], float]:
        return time.monotonic


@pytest.mark.parametrize(
    ("environment", "scale"),
    [({}, 1), ({"ALPY_TIME_SCALE": ""}, 1), ({"ALPY_TIME_SCALE": "2.5"}, 2.5)],
)
def test_the_environment_says_how_slow_the_host_is(
    environment: dict[str, str], scale: float
) -> None:
    assert clock_of(environment).scale == scale


@pytest.mark.parametrize("word", ["slow", "0", "-1", "nan", "inf"])
def test_a_scale_that_can_not_be_is_refused(word: str) -> None:
    with pytest.raises(InvalidValueError, match=f"ALPY_TIME_SCALE = '{word}': a number above 0"):
        clock_of({"ALPY_TIME_SCALE": word})
