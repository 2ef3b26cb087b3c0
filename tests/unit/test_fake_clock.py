# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

from collections.abc import Callable

import pytest

from alpy.fakes import FakeClock
from tests.contracts.clock import ClockContract


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock()


class TestFakeClock(ClockContract):
    @pytest.fixture(params=[1, 3])
    def clock(self, request: pytest.FixtureRequest) -> FakeClock:
        return FakeClock(scale=request.param)

    @pytest.fixture
    def host_now(self, clock: FakeClock) -> Callable[[], float]:
        return lambda: clock._now


def test_what_is_due_happens_in_its_order_and_at_its_moment(clock: FakeClock) -> None:
    seen: list[tuple[str, float]] = []
    clock.after(2, lambda: seen.append(("second", clock.now())))
    clock.after(1, lambda: seen.append(("first", clock.now())))
    clock.sleep(5)
    assert seen == [("first", 1), ("second", 2)]
    assert clock.now() == 5


def test_of_two_things_due_together_the_older_plan_happens_first(clock: FakeClock) -> None:
    seen: list[int] = []
    for number in range(3):
        clock.after(1, lambda number=number: seen.append(number))  # type: ignore[misc]
    clock.sleep(1)
    assert seen == [0, 1, 2]


def test_a_happening_can_plan_another_one_in_the_same_sleep(clock: FakeClock) -> None:
    moments: list[float] = []
    clock.after(1, lambda: clock.after(1, lambda: moments.append(clock.now())))
    clock.sleep(3)
    assert moments == [2]


def test_what_is_not_due_yet_does_not_happen(clock: FakeClock) -> None:
    clock.after(1, pytest.fail)
    clock.sleep(0.5)


def test_a_wait_ends_when_its_condition_comes_true(clock: FakeClock) -> None:
    seen: list[int] = []
    clock.after(1, lambda: seen.append(1))
    assert clock.wait(lambda: bool(seen), timeout=10)
    assert clock.now() == 1


def test_a_wait_in_vain_takes_its_whole_time(clock: FakeClock) -> None:
    assert not clock.wait(lambda: False, timeout=10)
    assert clock.now() == 10


def test_an_interrupt_can_come_during_a_sleep(clock: FakeClock) -> None:
    def press() -> None:
        raise KeyboardInterrupt

    clock.after(1, press)
    with pytest.raises(KeyboardInterrupt):
        clock.sleep(5)
    assert clock.now() == 1


def test_a_slow_clock_has_its_happenings_by_the_time_of_the_host() -> None:
    slow = FakeClock(scale=3)
    moments: list[float] = []
    slow.after(6, lambda: moments.append(slow.now()))
    slow.advance(5)
    assert moments == []
    slow.advance(1)
    assert moments == [2]
