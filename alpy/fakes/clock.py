# SPDX-License-Identifier: GPL-3.0-or-later
"""A clock that is moved by hand, and by whoever waits on it."""

from __future__ import annotations

import heapq
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from itertools import count
from typing import TypeAlias

from attrs import define, field

Happening: TypeAlias = Callable[[], None]
Hook: TypeAlias = Callable[[str], AbstractContextManager[object]]


@define
class FakeClock:
    """Time in memory: a sleep takes none, and what was due meanwhile happens on the way.

    With a *scale*, what the test says by `advance` and `after` is in seconds of the host.
    """

    _call: Hook = nullcontext
    scale: float = 1.0
    _now: float = field(default=0.0, init=False)
    _agenda: list[tuple[float, int, Happening]] = field(factory=list, init=False)
    _order: count[int] = field(factory=count, init=False)

    def now(self) -> float:
        return self._now / self.scale

    def sleep(self, seconds: float, /) -> None:
        with self._call("clock.sleep"):
            self.wait(lambda: False, timeout=seconds)

    def advance(self, seconds: float) -> None:
        """Let *seconds* pass. What was due happens in its order, each at its own moment."""
        self.wait(lambda: False, timeout=seconds / self.scale)

    def after(self, seconds: float, happening: Happening) -> None:
        """Let *happening* happen *seconds* from now, once the clock gets there."""
        heapq.heappush(self._agenda, (self._now + seconds, next(self._order), happening))

    def wait(
        self,
        condition: Callable[[], bool],
        *,
        timeout: float,
        watch: Callable[[], None] = lambda: None,
    ) -> bool:
        """Advance until *condition* holds, *timeout* seconds at most; whether it holds then.

        This is how a fake waits: from one happening to the next, with no steps between. While the
        condition does not hold, *watch* is called behind each.
        """
        end = self._now + max(0.0, timeout) * self.scale
        while not condition():
            watch()
            if not self._agenda or self._agenda[0][0] > end:
                self._now = max(self._now, end)
                return condition()
            moment, _, happening = heapq.heappop(self._agenda)
            self._now = max(self._now, moment)
            happening()
        return True
