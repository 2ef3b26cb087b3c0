# SPDX-License-Identifier: GPL-3.0-or-later
"""Faults on purpose: which call of which fake fails, when, and how."""

from __future__ import annotations

from collections.abc import Callable
from fnmatch import fnmatchcase
from typing import TypeAlias

from attrs import define, field, frozen

from alpy.core.errors import InvalidValueError
from alpy.fakes.signals import TERMINATED

ErrorMaker: TypeAlias = Callable[[], BaseException | None]
"""Makes the error to raise; None: the call is passed over."""
Happening: TypeAlias = Callable[[], None]


@define(kw_only=True)
class PlannedFault:
    """One fault: it strikes once, or from its first call on if it is *lasting*."""

    call: str | int
    nth: int
    after_effect: bool
    lasting: bool
    error: BaseException | ErrorMaker | None
    interrupt: BaseException | None
    happening: Happening | None = None
    lies: bool = False
    late: float = 0.0
    _met: int = field(default=0, init=False)
    _strikes_on: str | None = field(default=None, init=False)

    def strikes(self, number: int, name: str) -> bool:
        """Whether it strikes at the call called *name*, the *number*-th of the world."""
        if self._strikes_on is not None:
            return self.lasting and fnmatchcase(name, self._strikes_on)
        if not self._is_first(number, name):
            return False
        by_number = isinstance(self.call, int)
        self._strikes_on = f"{name.partition('.')[0]}.*" if by_number else str(self.call)
        return True

    def _is_first(self, number: int, name: str) -> bool:
        if isinstance(self.call, int):
            return number == self.call
        self._met += fnmatchcase(name, self.call)
        return fnmatchcase(name, self.call) and self._met == self.nth

    def make_error(self, declared: ErrorMaker | None) -> BaseException | None:
        """The error to raise; None where the port declares none and the plan names none."""
        error = self.error or declared
        return error() if callable(error) else error


@frozen
class Strike:
    """A fault that came true: the *call*, and what was raised.

    For Ctrl-C that is a KeyboardInterrupt, for SIGTERM a SystemExit.
    """

    call: str
    error: BaseException


@define
class Faults:
    """The fault plan of a world. Calls are named "port.method", as "skeleton.create_nodes".

    A call is chosen by its name, in which "*" stands for anything, or by its number among all
    calls of the world, counted from 0: `World.calls` of a run without faults lists them.
    """

    _planned: list[PlannedFault] = field(factory=list, init=False)
    struck: list[Strike] = field(factory=list, init=False)
    """What was done to which call so far, in order."""

    def fail(
        self,
        call: str | int,
        *,
        nth: int = 1,
        after_effect: bool = False,
        lasting: bool = False,
        error: BaseException | ErrorMaker | None = None,
        late: float = 0.0,
    ) -> None:
        """Let *call* fail: the *nth* with such a name, before or after it had its effect.

        After its effect is what a lost reply looks like. *lasting*: every later call of that name
        fails too; where the call was chosen by number, every later call of its port. Without
        *error* it is the one that the port declares; calls that declare none are passed over.
        *late*: what comes or goes by the call does so this many seconds after it has failed.
        """
        self._plan(
            call,
            nth,
            after_effect=after_effect or bool(late),
            lasting=lasting,
            error=error,
            late=late,
        )

    def interrupt(self, call: str | int, *, nth: int = 1, after_effect: bool = False) -> None:
        """Press Ctrl-C just before or after *call*; it is held back where signals are deferred."""
        self._plan(call, nth, after_effect=after_effect, interrupt=KeyboardInterrupt())

    def terminate(self, call: str | int, *, nth: int = 1, after_effect: bool = False) -> None:
        """Send SIGTERM just before or after *call*, in the same way."""
        self._plan(call, nth, after_effect=after_effect, interrupt=SystemExit(TERMINATED))

    def meanwhile(
        self,
        call: str | int,
        happening: Happening,
        *,
        nth: int = 1,
        after_effect: bool = False,
        lasting: bool = False,
    ) -> None:
        """Let *happening* happen just before or after *call*, which goes on as if it had not.

        Time that passes, say, or somebody who removes a node. It is no strike.
        """
        self._plan(
            call,
            nth,
            after_effect=after_effect,
            lasting=lasting,
            happening=happening,
        )

    def lie(self, call: str | int, *, nth: int = 1) -> None:
        """Let *call* say that it did what it is there for, and leave all that is alive alive.

        It is no strike: nobody is told of it.
        """
        self._plan(call, nth, after_effect=False, lies=True)

    def at(self, number: int, name: str) -> PlannedFault | None:
        """What strikes at this call."""
        striking = [fault for fault in self._planned if fault.strikes(number, name)]
        return striking[0] if striking else None

    def _plan(
        self,
        call: str | int,
        nth: int,
        *,
        after_effect: bool,
        lasting: bool = False,
        error: BaseException | ErrorMaker | None = None,
        interrupt: BaseException | None = None,
        happening: Happening | None = None,
        lies: bool = False,
        late: float = 0.0,
    ) -> None:
        if nth < 1:
            raise InvalidValueError(f"nth = {nth}: calls of one name are counted from 1")
        self._planned.append(
            PlannedFault(
                call=call,
                nth=nth,
                after_effect=after_effect,
                lasting=lasting,
                error=error,
                interrupt=interrupt,
                happening=happening,
                lies=lies,
                late=late,
            )
        )
