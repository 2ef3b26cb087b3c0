# SPDX-License-Identifier: GPL-3.0-or-later
"""What every Clock promises."""

from __future__ import annotations

from collections.abc import Callable

from alpy.core.ports import Clock


class ClockContract:
    """A subclass gives the fixtures `clock` and `host_now`, which tells the host's own time."""

    def test_time_does_not_go_back(self, clock: Clock) -> None:
        moments = [clock.now() for _ in range(10)]
        assert moments == sorted(moments)

    def test_a_sleep_lets_at_least_its_seconds_pass(self, clock: Clock) -> None:
        before = clock.now()
        clock.sleep(0.02)
        assert clock.now() - before >= 0.02

    def test_a_sleep_of_nothing_returns(self, clock: Clock) -> None:
        before = clock.now()
        clock.sleep(0)
        assert clock.now() >= before

    def test_a_second_of_it_takes_as_many_of_the_host_as_its_scale_says(
        self, clock: Clock, host_now: Callable[[], float]
    ) -> None:
        before = host_now()
        clock.sleep(0.02)
        assert host_now() - before >= 0.02 * clock.scale
