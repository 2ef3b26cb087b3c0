# SPDX-License-Identifier: GPL-3.0-or-later
"""A guard in memory, and the runs that died before this one."""

from __future__ import annotations

from attrs import define, field, frozen

from alpy.core.errors import HostError
from alpy.fakes.ledger import Ledger
from alpy.fakes.skeleton import docker_refused

_THING = "guard"
# What of a run can outlive its process.
OUTLIVES = ("app ", "file ", "machine", "node ", "tap ")
# Between two looks, in seconds; so many that find nothing are enough.
_INTERVAL = 0.3
_EMPTY_LOOKS = 3


def _dead() -> HostError:
    return HostError(asked="the guard", found="it has died", remedy="Clear up: alpy clean")


@frozen
class _DeadRun:
    things: tuple[str, ...]
    noted: bool

    @property
    def is_found(self) -> bool:
        """By its note, or by what is no file and has its name."""
        return self.noted or not all(thing.startswith("file ") for thing in self.things)


@define
class FakeGuard:
    """`leave_behind`, `process_dies` and `die` are the test's levers."""

    _ledger: Ledger
    _dead_runs: list[_DeadRun] = field(factory=list, init=False)
    _stands: bool = field(default=False, init=False)
    noted: bool = field(default=False, init=False)
    """Whether there is a note of this run, which tells the next one where its files are."""

    @property
    def of_dead_runs(self) -> tuple[str, ...]:
        """What earlier runs have left that is still there."""
        return tuple(thing for run in self._dead_runs for thing in run.things)

    def leave_behind(self, *things: str, noted: bool = True) -> None:
        """An earlier run died and left *things* in this world.

        If these are only files and it was not *noted*, nobody will find them.
        """
        self._dead_runs.append(_DeadRun(things, noted))
        for thing in things:
            self._ledger.came(thing)

    def die(self) -> None:
        """Somebody kills the guard."""
        self._ledger.went(_THING)

    def process_dies(self) -> None:
        """The process of this run dies now; a guard that stands by clears up after it."""
        if self._ledger.is_alive(_THING):
            self._clear()
            self.die()

    def clear_dead_runs(self) -> None:
        with self._ledger.call("guard.clear_dead_runs", docker_refused):
            for run in list(self._dead_runs):
                if run.is_found:
                    for thing in run.things:
                        self._ledger.went(thing)
                    self._dead_runs.remove(run)

    def stand_by(self) -> None:
        with self._ledger.call("guard.stand_by", _dead):
            self._stands = self.noted = True
            self._ledger.came(_THING)

    def hand_over(self) -> None:
        with self._ledger.call("guard.hand_over", _dead):
            stood, self._stands = self._stands, False
            if not stood:
                return
            if not self._ledger.is_alive(_THING):
                raise _dead()
            self._clear()
            self.die()

    def dismiss(self) -> None:
        with self._ledger.call("guard.dismiss", _dead):
            self._stands = False
            self.die()
            self.noted = False

    def _clear(self) -> None:
        empty = 0
        while empty < _EMPTY_LOOKS:
            found = [thing for thing in reversed(self._ledger.alive) if thing.startswith(OUTLIVES)]
            for thing in found:
                self._ledger.went(thing)
            empty = 0 if found else empty + 1
            self._ledger.clock.advance(_INTERVAL)
        self.noted = False
