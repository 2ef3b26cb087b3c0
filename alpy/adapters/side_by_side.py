# SPDX-License-Identifier: GPL-3.0-or-later
"""The same step for several things at once, where the time goes to waiting for the daemon."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from contextvars import copy_context
from typing import Final, TypeVar

T = TypeVar("T")
R = TypeVar("R")

# Docker's client keeps ten connections by default; more threads would open and drop new ones.
WORKERS: Final = 8


def side_by_side(step: Callable[[T], R], things: Iterable[T]) -> list[R]:
    """Do *step* for each of *things*, in threads, and return the answers in their order.

    Every step is tried. Then the first error is raised, the others as notes on it. A thread logs to
    the same run as the caller.
    """
    with ThreadPoolExecutor(max_workers=WORKERS, thread_name_prefix="alpy-docker") as pool:
        futures = [pool.submit(copy_context().run, step, thing) for thing in things]
    errors = [error for future in futures if (error := future.exception())]
    if errors:
        first, *others = errors
        for other in others:
            first.add_note(f"at the same time, {type(other).__name__}: {other}")
        raise first
    return [future.result() for future in futures]
