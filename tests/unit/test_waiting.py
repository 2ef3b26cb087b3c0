# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

from typing import Any

import pytest
from attrs import fields
from hypothesis import given
from hypothesis import strategies as st

from alpy.core.errors import DeadlineError, InvalidValueError
from alpy.core.waiting import Deadline, Limits, wait_until
from alpy.fakes import FakeClock


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock()


def test_an_answer_that_is_there_is_returned_without_waiting(clock: FakeClock) -> None:
    assert wait_until(lambda: "yes", awaited="it", timeout=0, clock=clock) == "yes"
    assert clock.now() == 0


@pytest.mark.parametrize("answer", [0, "", [], b""])
def test_only_none_and_false_are_no_answers(clock: FakeClock, answer: Any) -> None:
    assert wait_until(lambda: answer, awaited="it", timeout=0, clock=clock) == answer


@pytest.mark.parametrize("no_answer", [None, False])
def test_a_wait_in_vain_ends_at_its_deadline_and_says_what_it_waited_for(
    clock: FakeClock, no_answer: bool | None
) -> None:
    with pytest.raises(
        DeadlineError, match=r"^the appliance's shutdown did not happen within 2\.5 s$"
    ) as late:
        wait_until(lambda: no_answer, awaited="the appliance's shutdown", timeout=2.5, clock=clock)
    assert (late.value.awaited, late.value.seconds) == ("the appliance's shutdown", 2.5)
    assert clock.now() == pytest.approx(2.5)


@pytest.mark.parametrize("timeout", [0, -1])
def test_without_time_it_is_asked_once(clock: FakeClock, timeout: float) -> None:
    asked: list[int] = []
    with pytest.raises(DeadlineError):
        wait_until(lambda: asked.append(1), awaited="it", timeout=timeout, clock=clock)
    assert asked == [1]


def test_what_the_probe_raises_ends_the_wait_at_once(clock: FakeClock) -> None:
    def die() -> None:
        raise OSError("gone")

    with pytest.raises(OSError, match="gone"):
        wait_until(die, awaited="it", timeout=5, clock=clock)
    assert clock.now() == 0


@given(st.floats(0, 100), st.floats(0, 100))
def test_an_answer_is_found_within_an_interval_if_it_comes_in_time(
    comes: float, timeout: float
) -> None:
    clock = FakeClock()
    answers: list[bool] = []
    clock.after(comes, lambda: answers.append(True))
    try:
        wait_until(lambda: bool(answers), awaited="it", timeout=timeout, clock=clock)
    except DeadlineError:
        assert comes > timeout or comes == pytest.approx(timeout)
        assert clock.now() == pytest.approx(timeout)
    else:
        assert clock.now() <= comes + 0.1 + 1e-6


def test_a_last_look_is_taken_at_the_deadline(clock: FakeClock) -> None:
    answers: list[bool] = []
    clock.after(1, lambda: answers.append(True))
    assert wait_until(lambda: bool(answers), awaited="it", timeout=1, clock=clock)


def test_a_deadline_counts_down_to_nothing_and_stays_there(clock: FakeClock) -> None:
    deadline = Deadline.after(2, clock=clock)
    seen = [(deadline.remaining, deadline.passed)]
    for _ in range(3):
        clock.sleep(1)
        seen.append((deadline.remaining, deadline.passed))
    assert seen == [(2, False), (1, False), (0, True), (0, True)]


@pytest.mark.parametrize("name", [each.name for each in fields(Limits)])
@pytest.mark.parametrize("seconds", [0, -1])
def test_a_limit_without_time_is_refused_by_its_name(name: str, seconds: float) -> None:
    with pytest.raises(InvalidValueError, match=f"{name} = {seconds}: more than 0 s are wanted"):
        Limits(**{name: seconds})


def test_a_limit_may_be_short() -> None:
    assert Limits(quit=0.001).quit == 0.001


def test_on_a_slow_clock_a_limit_lasts_longer_and_is_told_as_it_was_given() -> None:
    slow = FakeClock(scale=3)
    with pytest.raises(DeadlineError, match="within 2 s"):
        wait_until(lambda: False, awaited="it", timeout=2, clock=slow)
    assert slow._now == pytest.approx(6)


def test_on_a_slow_clock_looks_are_as_frequent_as_ever() -> None:
    looks: dict[float, int] = {}
    for scale in (1, 30):
        clock = FakeClock(scale=scale)
        asked: list[int] = []
        answers: list[bool] = []
        clock.after(5, lambda answers=answers: answers.append(True))  # type: ignore[misc]

        def probe(asked: list[int] = asked, answers: list[bool] = answers) -> bool:
            asked.append(1)
            return bool(answers)

        wait_until(probe, awaited="it", timeout=10, clock=clock)
        looks[scale] = len(asked)
    assert looks[30] == looks[1]


def test_a_deadline_on_a_slow_clock_tells_the_seconds_of_the_host() -> None:
    slow = FakeClock(scale=3)
    deadline = Deadline.after(2, clock=slow)
    assert (deadline.seconds, deadline.remaining, deadline.host_remaining) == (2, 2, 6)
    assert deadline.turn(0.3) == pytest.approx(0.1)
    slow.advance(5.7)
    assert deadline.turn(0.9) == pytest.approx(0.1)
