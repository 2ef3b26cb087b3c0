# SPDX-License-Identifier: GPL-3.0-or-later
"""The Slots port: a file for each user, on which runs hold locks of the kernel."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from attrs import define, field, frozen

from alpy.adapters.capacity import CPUS_VARIABLE, MEMORY_VARIABLE, Capacity
from alpy.adapters.holdings import Holdings
from alpy.adapters.private_folder import make_private
from alpy.adapters.range_locks import RangeLocks
from alpy.core.errors import AlpyError, DeadlineError, HostError, NoRoomError
from alpy.core.narrative import get_logger
from alpy.core.ports import Clock
from alpy.core.waiting import wait_until

# One position of the file stands for one CPU, for so much memory, or for a place in the line.
UNIT_MIB: Final = 256
_CPUS: Final = 1 << 20
_MEMORY: Final = 2 << 20
_LINE: Final = range(3 << 20, 1 << 62)
_FIRST_WORD_SECONDS: Final = 1.0
_NEXT_WORD_SECONDS: Final = 30.0

_log = get_logger("alpy.slots")


@frozen
class _Need:
    """So many CPUs and so many units of memory."""

    cpus: int
    units: int

    def __str__(self) -> str:
        return f"{self.cpus} CPU{'s' * (self.cpus != 1)} and {self.units * UNIT_MIB} MiB"


class FileSlots:
    """A place in the line is taken behind all others, and who is first takes what it needs at once.

    So there is no one who has half of it. *capacity* is asked for when it is needed. In a *folder*
    where the file can't be, there is no limit but a warning.
    """

    def __init__(
        self,
        *,
        folder: Path,
        capacity: Callable[[], Capacity],
        clock: Clock,
        holdings: Holdings | None = None,
    ) -> None:
        self._folder = folder
        self._capacity = capacity
        self._clock = clock
        self._locks = RangeLocks(folder / "slots")
        if holdings:
            holdings.note_holder(self._locks, "slots")

    def take(self, *, cpus: int, memory_mib: int, timeout: float) -> None:
        whole = self._whole()
        need = _need(cpus, memory_mib, whole)
        if not self._open():
            return
        with _as_host_error():
            wait = _Wait(need, whole, self._locks, self._clock, self._enter_line())
            try:
                wait_until(
                    wait.has_ended, awaited=f"room for {need}", timeout=timeout, clock=self._clock
                )
            except DeadlineError as error:
                raise self._no_room(wait, error) from error
            finally:
                self._locks.unlock(wait.place)
        _log.debug("Room taken", cpus=need.cpus, memory_mib=need.units * UNIT_MIB)

    def take_free(self, *, cpus: int, memory_mib: int) -> None:
        whole = self._whole()
        need = _need(cpus, memory_mib, whole)
        if self._open():
            with _as_host_error():
                for places in _at_most(need, whole, self._locks):
                    # One that somebody else has got meanwhile is not free.
                    self._locks.lock(places)

    def release(self) -> None:
        with _as_host_error():
            self._locks.close()

    def _whole(self) -> _Need:
        capacity = self._capacity()
        return _Need(capacity.cpus, max(1, capacity.memory_mib // UNIT_MIB))

    def _open(self) -> bool:
        fault = make_private(self._folder)
        if fault is None:
            try:
                self._locks.open()
            except OSError as error:
                fault = error.strerror
            else:
                return True
        _log.warning("Runs can't wait for each other", folder=str(self._folder), why=fault)
        return False

    def _enter_line(self) -> range:
        while True:
            last = list(self._locks.taken(_LINE))[-1:]
            start = last[0].stop if last else _LINE.start
            place = range(start, start + 1)
            if self._locks.lock(place):
                return place

    def _no_room(self, wait: _Wait, error: DeadlineError) -> NoRoomError:
        return NoRoomError(
            asked=f"room for a virtual machine with {wait.need}, of {wait.whole} in all",
            found=f"none within {error.seconds:g} s. {wait.state()}",
            remedy=f"Run fewer tests at once, or set {CPUS_VARIABLE} and {MEMORY_VARIABLE}, or a"
            " longer limit 'room'",
        )


@define
class _Wait:
    """One wait in the line, at *place*."""

    need: _Need
    whole: _Need
    locks: RangeLocks
    clock: Clock
    place: range
    _since: float = field(init=False)
    _next_word: float = field(default=_FIRST_WORD_SECONDS, init=False)

    def __attrs_post_init__(self) -> None:
        self._since = self.clock.now()

    def has_ended(self) -> bool:
        """Take the room, if it is our turn and there is enough."""
        if self._is_first() and self._take():
            return True
        seconds = self.clock.now() - self._since
        if seconds >= self._next_word:
            self._next_word = seconds + _NEXT_WORD_SECONDS
            _log.info(f"Waits for room for {self.need}", seconds=round(seconds), now=self.state())
        return False

    def state(self) -> str:
        """Who has what, and who waits before us."""
        cpus, units, words = Counter[int](), Counter[int](), list[str]()
        for pid, places in self.locks.holders():
            if places.start < _MEMORY:
                cpus[pid] += len(places)
            elif places.start < _LINE.start:
                units[pid] += len(places)
            elif places.start < self.place.start:
                words.append(f"process {pid} waits before this one")
        has = [f"process {pid} has {_Need(cpus[pid], units[pid])}" for pid in sorted(cpus | units)]
        return ", ".join([*has, *words]) or "Nobody of this user is seen to have it"

    def _is_first(self) -> bool:
        return not any(self.locks.taken(range(_LINE.start, self.place.start)))

    def _take(self) -> bool:
        parts = list(_at_most(self.need, self.whole, self.locks))
        if sum(map(len, parts)) < self.need.cpus + self.need.units:
            return False
        if all(map(self.locks.lock, parts)):
            return True
        # One inside of another has taken what was free without waiting.
        for part in parts:
            self.locks.unlock(part)
        return False


def _need(cpus: int, memory_mib: int, whole: _Need) -> _Need:
    need = _Need(cpus, -(-memory_mib // UNIT_MIB))
    most = _Need(min(cpus, whole.cpus), min(need.units, whole.units))
    if most != need:
        _log.warning(
            "The virtual machine is larger than its host is taken for: it runs alone",
            needs=str(need),
            host=str(whole),
        )
    return most


def _at_most(need: _Need, whole: _Need, locks: RangeLocks) -> Iterator[range]:
    """What is free of what is needed."""
    for start, wanted, there in (
        (_CPUS, need.cpus, whole.cpus),
        (_MEMORY, need.units, whole.units),
    ):
        for free in locks.free(range(start, start + there)):
            part = free[:wanted]
            wanted -= len(part)  # noqa: PLW2901
            if part:
                yield part


@contextmanager
def _as_host_error() -> Iterator[None]:
    try:
        yield
    except AlpyError:
        raise  # some are OSErrors too
    except OSError as error:
        raise HostError(
            asked="share the host with other runs",
            found=error.strerror or str(error),
            remedy="Its file system must have locks: set XDG_RUNTIME_DIR to a folder that has",
        ) from error
