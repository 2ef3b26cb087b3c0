# SPDX-License-Identifier: GPL-3.0-or-later
"""The same step for several things at once, where the time goes to waiting for the daemon."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from contextvars import copy_context
from queue import Empty, SimpleQueue
from threading import Thread
from typing import Final, Generic, TypeVar

from attrs import define, field

from alpy.core.errors import described

T = TypeVar("T")
R = TypeVar("R")

# Docker's client keeps ten connections by default; more threads would open and drop new ones.
WORKERS: Final = 8
# How often it is looked whether all is over, should an interrupt have swallowed the word of it.
_LOOK: Final = 0.1


def side_by_side(step: Callable[[T], R], things: Iterable[T], *, thread_prefix: str) -> list[R]:
    """Do *step* for each of *things*, in threads, and return the answers in their order.

    Every step is tried. Then the first error is raised, the others as notes on it. An interrupt is
    raised when the steps that have begun are over, however often it comes. A thread logs to the
    same run as the caller; its name begins with *thread_prefix*.
    """
    work = _Work(step, deque(enumerate(things)))
    names = [f"{thread_prefix}_{number}" for number in range(min(WORKERS, len(work.todo)))]
    threads = [
        Thread(target=copy_context().run, args=(work.do,), name=name, daemon=True) for name in names
    ]
    try:
        for thread in threads:
            thread.start()
        work.wait(threads)
    finally:
        work.end()
    for thread in threads:
        thread.join()
    return work.result()


@define(eq=False)
class _Work(Generic[T, R]):
    """What the threads share.

    Each use of it is a single step of the interpreter: an interrupt at the wrong moment leaves the
    locks of futures taken, and makes `Thread.join` take a thread for ended.
    """

    step: Callable[[T], R]
    todo: deque[tuple[int, T]]
    begun: list[object] = field(factory=list, init=False)
    """Something for each thread that may have taken what is to do."""
    over: list[object] = field(factory=list, init=False)
    """Something for each that takes nothing any more."""
    answers: dict[int, R] = field(factory=dict, init=False)
    errors: dict[int, BaseException] = field(factory=dict, init=False)
    _word: SimpleQueue[None] = field(factory=SimpleQueue, init=False)

    def do(self) -> None:
        """The part of one thread."""
        self.begun.append(None)
        while taken := _pop(self.todo):
            number, thing = taken
            try:
                self.answers[number] = self.step(thing)
            except BaseException as error:  # noqa: BLE001  raised in the caller's thread
                self.errors[number] = error
        self.over.append(None)
        self._word.put(None)

    def wait(self, threads: Sequence[object]) -> None:
        """Wait until all of *threads* are done."""
        while len(self.over) < len(threads):
            with suppress(Empty):
                self._word.get(timeout=_LOOK)

    def end(self) -> None:
        """Let nothing begin any more, and wait for what has.

        What a step still made would be made after the release of all that it makes.
        """
        try:
            self.todo.clear()
            self.wait(self.begun)
        except BaseException:
            self.end()
            raise

    def result(self) -> list[R]:
        if self.errors:
            first, *others = (self.errors[number] for number in sorted(self.errors))
            for other in others:
                first.add_note(f"at the same time, {described(other)}")
            raise first
        return [self.answers[number] for number in sorted(self.answers)]


def _pop(todo: deque[T]) -> T | None:
    try:
        return todo.popleft()
    except IndexError:
        return None
