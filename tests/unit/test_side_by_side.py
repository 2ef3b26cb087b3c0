# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import signal
import threading
import time
from contextvars import ContextVar
from functools import partial

import pytest

from alpy.adapters import side_by_side as module
from alpy.adapters.holdings import Holdings

side_by_side = partial(module.side_by_side, thread_prefix="alpy-docker")

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


def interrupt_main_thread() -> None:
    signal.pthread_kill(threading.main_thread().ident or 0, signal.SIGINT)


def test_its_threads_are_known_as_those_of_the_run() -> None:
    mine, others = Holdings("0123abcd"), Holdings("4567cdef")
    prefix = mine.thread_prefix("docker")
    (found,) = module.side_by_side(lambda _: mine.live_threads(), [0], thread_prefix=prefix)
    assert [thread.maker for thread in found] == ["docker"]
    (found,) = module.side_by_side(lambda _: others.live_threads(), [0], thread_prefix=prefix)
    assert found == []
    assert mine.live_threads() == []


def test_an_interrupt_is_raised_when_what_has_begun_is_over() -> None:
    begun: list[int] = []
    over: list[int] = []

    def step(number: int) -> None:
        begun.append(number)
        if number == 0:
            interrupt_main_thread()
        time.sleep(0.1)
        over.append(number)

    with pytest.raises(KeyboardInterrupt):
        side_by_side(step, range(100))
    assert sorted(over) == sorted(begun)
    assert len(begun) < 100


def test_however_often_the_interrupt_comes_nothing_is_made_after_it_is_raised() -> None:
    over: list[int] = []
    interrupts: list[int] = []
    heard = threading.Event()
    before = signal.getsignal(signal.SIGINT)

    def interrupt(number: int, _frame: object) -> None:
        interrupts.append(number)
        heard.set()
        raise KeyboardInterrupt

    def step(number: int) -> None:
        for _ in range(3 if number == 0 else 0):
            heard.clear()
            # One that comes just before the main thread goes to sleep wakes nobody.
            while not heard.wait(0.1):
                interrupt_main_thread()
        over.append(number)

    signal.signal(signal.SIGINT, interrupt)
    try:
        with pytest.raises(KeyboardInterrupt):
            side_by_side(step, range(100))
        assert len(interrupts) >= 3
        assert 0 in over
    finally:
        signal.signal(signal.SIGINT, before)


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
