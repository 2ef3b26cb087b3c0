# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import signal
import threading
import time
from contextvars import ContextVar

import pytest

from alpy.adapters.side_by_side import side_by_side

run_name: ContextVar[str] = ContextVar("run_name", default="none")


def test_answers_come_in_the_order_of_the_things() -> None:
    assert side_by_side(lambda number: number * number, range(20)) == [n * n for n in range(20)]


def test_nothing_to_do_is_done() -> None:
    assert side_by_side(str, []) == []


def test_steps_run_at_the_same_time() -> None:
    meeting = threading.Barrier(4, timeout=30)
    assert side_by_side(lambda _: meeting.wait() >= 0, range(4)) == [True] * 4


def test_a_step_belongs_to_the_caller_s_run() -> None:
    token = run_name.set("mine")
    try:
        assert side_by_side(lambda _: run_name.get(), range(2)) == ["mine", "mine"]
    finally:
        run_name.reset(token)


def test_an_interrupt_is_raised_when_what_has_begun_is_over() -> None:
    begun: list[int] = []
    over: list[int] = []

    def step(number: int) -> None:
        begun.append(number)
        if number == 0:
            signal.pthread_kill(threading.main_thread().ident or 0, signal.SIGINT)
        time.sleep(0.1)
        over.append(number)

    with pytest.raises(KeyboardInterrupt):
        side_by_side(step, range(100))
    assert sorted(over) == sorted(begun)
    assert len(begun) < 100


def test_after_an_error_the_others_are_tried_and_told_too() -> None:
    tried = []

    def step(number: int) -> None:
        tried.append(number)
        if number in {1, 3}:
            raise ValueError(f"number {number}")

    with pytest.raises(ValueError, match="number 1") as raised:
        side_by_side(step, range(5))
    assert sorted(tried) == [0, 1, 2, 3, 4]
    assert raised.value.__notes__ == ["at the same time, ValueError: number 3"]
