# SPDX-License-Identifier: GPL-3.0-or-later
"""The same step for several things at once, where the time goes to waiting for the daemon."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor, wait
from contextvars import copy_context
from typing import Final, TypeVar

T = TypeVar("T")
R = TypeVar("R")

# Docker's client keeps ten connections by default; more threads would open and drop new ones.
WORKERS: Final = 8


def side_by_side(step: Callable[[T], R], things: Iterable[T]) -> list[R]:
    """Do *step* for each of *things*, in threads, and return the answers in their order.

    Every step is tried. Then the first error is raised, the others as notes on it. An interrupt is
    raised when the steps that have begun are over. A thread logs to the same run as the caller.
    """
    # Ours, and there before any thread: the pool loses one that it starts when it is interrupted.
    tasks: list[tuple[Future[R], T]] = [(Future(), thing) for thing in things]
    pool = ThreadPoolExecutor(max_workers=WORKERS, thread_name_prefix="alpy-docker")
    try:
        for future, thing in tasks:
            pool.submit(copy_context().run, _do, step, future, thing)
        wait([future for future, _ in tasks])
    finally:
        # What a step still made would be made after the release of all that it makes.
        wait([future for future, _ in tasks if not future.cancel()])
        pool.shutdown()
    return _answers([future for future, _ in tasks])


def _do(step: Callable[[T], R], future: Future[R], thing: T) -> None:
    if not future.set_running_or_notify_cancel():
        return
    try:
        future.set_result(step(thing))
    except BaseException as error:  # noqa: BLE001  raised in the caller's thread
        future.set_exception(error)


def _answers(futures: Sequence[Future[R]]) -> list[R]:
    errors = [error for future in futures if (error := future.exception())]
    if errors:
        first, *others = errors
        for other in others:
            first.add_note(f"at the same time, {type(other).__name__}: {other}")
        raise first
    return [future.result() for future in futures]
