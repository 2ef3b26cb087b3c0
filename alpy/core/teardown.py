# SPDX-License-Identifier: GPL-3.0-or-later
"""The teardown engine: owe the release, then take the thing.

A release must accept that its thing was never taken, and that it is gone already; so it can be owed
before the taking, and run again after an interrupt.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeAlias

from attrs import field, frozen

from alpy.core.errors import RunDirectoryError, described

Action: TypeAlias = Callable[[], None]


@frozen(eq=False)
class Debt:
    """A release or a check that is owed. *leaves*: its thing may stay when *pay* raises."""

    what: str
    pay: Action
    leaves: bool


@frozen
class Fault:
    """What went wrong while *during*; *leftover* names what may be left behind by it."""

    error: BaseException
    during: str
    leftover: str | None = None

    @property
    def place(self) -> str:
        """Where it was, without what it was."""
        return f"{self.during}{self._left}"

    @property
    def _left(self) -> str:
        return f"; possibly left behind: {self.leftover}" if self.leftover else ""

    def __str__(self) -> str:
        return f"{self.during}: {described(self.error)}{self._left}"


@frozen
class Teardown:
    """What is owed, newest last. Settling pays all of it; settling again does nothing.

    *report* hears of each fault at once, before anything is raised. What it raises itself hangs on
    the fault.
    """

    _report: Callable[[Fault], None] = field(default=lambda _fault: None, kw_only=True)
    _debts: list[Debt] = field(factory=list, init=False)

    def owe(self, resource: str, release: Action) -> Debt:
        """Owe the *release* of *resource*. Call this before the taking."""
        return self._add(Debt(resource, release, leaves=True))

    def owe_check(self, what: str, check: Action) -> Debt:
        """Owe a *check* at this place of the teardown; it raises what it finds."""
        return self._add(Debt(what, check, leaves=False))

    def pay(self, *debts: Debt) -> None:
        """Pay *debts* now, in the order given. One that raises stays owed, as do those after it."""
        for debt in debts:
            debt.pay()
            self.forgive(debt)

    def pay_after(self, fault: BaseException, *debts: Debt) -> None:
        """Pay *debts* because of *fault*; what that raises hangs on it, and stays owed."""
        try:
            self.pay(*debts)
        except Exception as error:
            fault.add_note(f"and then, {described(error)}")

    def _give_up(self, debt: Debt, error: BaseException) -> Fault:
        self.forgive(debt)
        # Evidence that could not be written is told once its thing has gone.
        leaves = debt.leaves and not isinstance(error, RunDirectoryError)
        fault = Fault(error, during=debt.what, leftover=debt.what if leaves else None)
        try:
            self._report(fault)
        except Exception as unheard:
            error.add_note(f"and its report raised {described(unheard)}")
        return fault

    def forgive(self, debt: Debt) -> None:
        """Owe *debt* no more. One that is not owed is no error."""
        if debt in self._debts:
            self._debts.remove(debt)

    def _add(self, debt: Debt) -> Debt:
        self._debts.append(debt)
        return debt

    @property
    def plan(self) -> tuple[str, ...]:
        """What a settlement would do, in its order."""
        return tuple(debt.what for debt in reversed(self._debts))

    def settle(self, body_fault: BaseException | None = None) -> tuple[Fault, ...]:
        """Pay every debt, newest first, whatever the ones before raised.

        *body_fault*, if given, is the headline: the caller raises it, and every other fault found
        here hangs on it as a note. Without it, the first fault found here is raised and the others
        hang on it. An interrupt is held back till the end, and is then what is raised.

        Returns: the faults found, which are on *body_fault* as notes too.
        """
        faults: list[Fault] = []
        interrupt: BaseException | None = None
        while self._debts:
            debt = self._debts[-1]
            try:
                self.pay(debt)
            except Exception as error:
                if error is body_fault and not debt.leaves:
                    self.forgive(debt)  # a check that the test was told of before
                else:
                    faults.append(self._give_up(debt, error))
            except BaseException as error:
                # The release was cut short: it stays owed and is run once more, but not for ever.
                if interrupt is not None:
                    faults.append(self._give_up(debt, error))
                interrupt = interrupt or error
        _raise_headline(body_fault, faults, interrupt)
        return tuple(faults)


def _raise_headline(
    body_fault: BaseException | None, faults: list[Fault], interrupt: BaseException | None
) -> None:
    headline = faults[0].error if faults and body_fault is None else body_fault
    if headline is not None and faults:
        if headline is faults[0].error:
            headline.add_note(f"raised in teardown, {faults[0].place}")
        for fault in faults:
            if fault.error is not headline:
                headline.add_note(f"teardown also failed, {fault}")
    if interrupt is not None:
        raise interrupt from headline
    if headline is not None and headline is not body_fault:
        raise headline
