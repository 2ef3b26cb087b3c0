# SPDX-License-Identifier: GPL-3.0-or-later
"""Room on a host that is only numbers."""

from __future__ import annotations

from attrs import define, field, frozen

from alpy.core.errors import NoRoomError
from alpy.fakes.ledger import Ledger

_THING = "room"


def no_room() -> NoRoomError:
    return NoRoomError(
        asked="room on the host", found="none in time, as planned", remedy="Plan no such fault."
    )


@frozen
class _Part:
    """A part of the host, taken by one run."""

    cpus: int
    memory_mib: int


@define(eq=False)
class FakeHost:
    """What the runs of one host share."""

    cpus: int = 4
    memory_mib: int = 4096
    taken: list[_Part] = field(factory=list, init=False)
    line: list[object] = field(factory=list, init=False)

    @property
    def free_cpus(self) -> int:
        return self.cpus - sum(part.cpus for part in self.taken)

    @property
    def free_memory_mib(self) -> int:
        return self.memory_mib - sum(part.memory_mib for part in self.taken)

    def most(self, cpus: int, memory_mib: int) -> _Part:
        """So much, or as much as there is at all."""
        return _Part(min(cpus, self.cpus), min(memory_mib, self.memory_mib))

    def rest(self, cpus: int, memory_mib: int) -> _Part:
        """So much, or as much as is free now."""
        return _Part(min(cpus, self.free_cpus), min(memory_mib, self.free_memory_mib))

    def has_room(self, part: _Part) -> bool:
        return part.cpus <= self.free_cpus and part.memory_mib <= self.free_memory_mib


@define(eq=False)
class FakeSlots:
    """`occupy` and `process_dies` are the test's levers; other runs may share the `host`."""

    _ledger: Ledger
    host: FakeHost = field(factory=FakeHost)
    _part: _Part | None = field(default=None, init=False)

    def occupy(self, *, cpus: int, memory_mib: int, seconds: float) -> None:
        """Somebody else takes so much for so many *seconds*."""
        part = self.host.rest(cpus, memory_mib)
        self.host.taken.append(part)
        self._ledger.clock.after(seconds, lambda: self.host.taken.remove(part))

    def process_dies(self) -> None:
        """The process of this run is killed."""
        self._give_back()

    def take(self, *, cpus: int, memory_mib: int, timeout: float) -> None:
        with self._ledger.call("slots.take", no_room):
            part = self.host.most(cpus, memory_mib)
            line = self.host.line
            line.append(self)
            try:
                if not self._ledger.clock.wait(
                    lambda: line[0] is self and self.host.has_room(part), timeout=timeout
                ):
                    raise no_room()
            finally:
                line.remove(self)
            self._hold(part)

    def take_free(self, *, cpus: int, memory_mib: int) -> None:
        with self._ledger.call("slots.take_free", no_room):
            self._hold(self.host.rest(cpus, memory_mib))

    def release(self) -> None:
        with self._ledger.call("slots.release"):
            self._give_back()

    def _hold(self, part: _Part) -> None:
        self._part = part
        self.host.taken.append(part)
        self._ledger.came(_THING)

    def _give_back(self) -> None:
        part, self._part = self._part, None
        if part is not None:
            self.host.taken.remove(part)
        self._ledger.went(_THING)
