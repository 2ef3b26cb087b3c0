# SPDX-License-Identifier: GPL-3.0-or-later
"""What all fakes of one world share: what is alive, what happened, the time, and the faults."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from enum import StrEnum
from pathlib import PurePath

from attrs import define, field, frozen

from alpy.fakes.clock import FakeClock
from alpy.fakes.faults import ErrorMaker, Faults, PlannedFault, Strike
from alpy.fakes.signals import FakeSignals

# So long the release of a thing waits, in seconds, whose making was cut short.
DOUBT_SECONDS = 5.0


class Change(StrEnum):
    CAME = "came"
    WENT = "went"


@frozen
class Entry:
    """A line of the history: *thing* came or went at *moment*, in seconds."""

    change: Change
    thing: str
    moment: float


@define
class Ledger:
    """One world's book. Things are called by words: "tap 0", "node 1", "machine", "app web"."""

    faults: Faults = field(factory=Faults, init=False)
    signals: FakeSignals = field(factory=FakeSignals, init=False)
    clock: FakeClock = field(init=False)
    calls: list[str] = field(factory=list, init=False)
    """The name of every call so far, in order."""
    history: list[Entry] = field(factory=list, init=False)
    files: dict[PurePath, bytes] = field(factory=dict, init=False)
    """What would be on the disk: the content of each evidence file, by its path."""
    missing_files: set[PurePath] = field(factory=set, init=False)
    """Files of the user's that are not on this host; every other one is."""
    missing_images: set[str] = field(factory=set, init=False)
    """Container images that are not on this host; every other one is."""
    listeners: dict[str, tuple[int, frozenset[int]]] = field(factory=dict, init=False)
    """For each app that runs and listens, its node and its TCP ports."""
    _alive: dict[str, str] = field(factory=dict, init=False)
    _lying: int = field(default=0, init=False)
    """How many calls are under way that say they did what they did not."""
    _late: float = field(default=0.0, init=False)
    """Seconds from a change by the call that is under way to its effect."""
    _under_way: set[str] = field(factory=set, init=False)
    """What was asked for by a call that failed, and is not there yet."""
    _mark: int = field(default=0, init=False)
    """How long the history was when the last call began."""

    def __attrs_post_init__(self) -> None:
        self.clock = FakeClock(self.call)

    @property
    def alive(self) -> tuple[str, ...]:
        """What is there now, oldest first."""
        return tuple(self._alive)

    @property
    def gone(self) -> tuple[str, ...]:
        """What came and went, in the order in which it went."""
        return tuple(entry.thing for entry in self.history if entry.change is Change.WENT)

    def came(self, thing: str) -> None:
        maker = self.calls[-1] if self.calls else "nobody"
        self._under_way.add(thing)
        self._happen(lambda: self._arrive(thing, maker))

    def went(self, thing: str) -> None:
        """Note that *thing* is gone. One that was not there is no error, and no entry.

        One that is about to come is waited for: an adapter that asked for a thing and got no answer
        must not take it for gone, but need not wait for ever.
        """
        self.clock.wait(lambda: thing not in self._under_way, timeout=DOUBT_SECONDS)
        if not self._lying:
            self._happen(lambda: self._leave(thing))

    def _happen(self, effect: Callable[[], None]) -> None:
        if self._late:
            self.clock.after(self._late, effect)
        else:
            effect()

    def _arrive(self, thing: str, maker: str) -> None:
        self._under_way.discard(thing)
        self._alive[thing] = maker
        self.history.append(Entry(Change.CAME, thing, self.clock.now()))

    def _leave(self, thing: str) -> None:
        if thing in self._alive:
            del self._alive[thing]
            self.history.append(Entry(Change.WENT, thing, self.clock.now()))

    @property
    def unfinished(self) -> frozenset[str]:
        """What came by the last call, as if that had not been done with it."""
        latest = self.history[self._mark :]
        return frozenset(entry.thing for entry in latest if entry.change is Change.CAME)

    def is_alive(self, thing: str) -> bool:
        return thing in self._alive

    def maker_of(self, thing: str) -> str:
        """The call by which *thing* came, which is alive."""
        return self._alive[thing]

    def append(self, path: PurePath, data: bytes) -> None:
        """Write *data* at the end of the evidence file *path*."""
        self.files[path] = self.files.get(path, b"") + data

    @contextmanager
    def call(
        self,
        name: str,
        error: ErrorMaker | None = None,
        *,
        in_any_case: Callable[[], None] = lambda: None,
    ) -> Iterator[None]:
        """Every call of a fake port runs in here, so that the fault plan can reach it.

        *error* makes the error that the port declares for the call. *in_any_case* is what the port
        promises to have done also when it raises that.
        """
        fault = self.faults.at(len(self.calls), name)
        self.calls.append(name)
        self._mark = len(self.history)
        lies = fault is not None and fault.lies
        if fault and not fault.after_effect:
            try:
                self._strike(name, fault, error)
            except Exception:
                in_any_case()
                raise
        before = self._late
        self._lying += lies
        self._late = fault.late if fault else before
        try:
            yield
        finally:
            self._lying -= lies
            self._late = before
        if fault and fault.after_effect:
            self._strike(name, fault, error)

    def _strike(self, call: str, fault: PlannedFault, declared: ErrorMaker | None) -> None:
        if fault.happening:
            fault.happening()
        elif fault.interrupt:
            self.faults.struck.append(Strike(call, fault.interrupt))
            self.signals.arrive(fault.interrupt)
        elif not fault.lies and (error := fault.make_error(declared)):
            self.faults.struck.append(Strike(call, error))
            raise error
