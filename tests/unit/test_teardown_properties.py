# SPDX-License-Identifier: GPL-3.0-or-later
"""What holds of every teardown, whatever was owed and whatever its releases raise.

A case is a list of debts. Each has a name, is a release or a check, and does something when it is
paid for the first time and the times after.
"""

from __future__ import annotations

from collections.abc import Sequence
from enum import Enum
from functools import partial

from attrs import define, evolve, field, frozen
from hypothesis import given
from hypothesis import strategies as st

from alpy.core.teardown import Fault, Teardown


class Does(Enum):
    WELL = "returns"
    FAILS = "raises an error"
    INTERRUPTED = "raises KeyboardInterrupt"


@frozen
class Plan:
    """What one debt does: when it is paid first, and each time after that."""

    name: str
    is_check: bool
    first: Does
    again: Does


@define
class Case:
    """A teardown that owes *plans*, and what came of its settlement."""

    plans: Sequence[Plan]
    runs: list[str] = field(factory=list)
    errors: dict[str, BaseException] = field(factory=dict)
    """What each debt raised last."""
    reported: list[Fault] = field(factory=list)
    raised: BaseException | None = None
    faults: tuple[Fault, ...] = ()
    teardown: Teardown = field(init=False)

    def __attrs_post_init__(self) -> None:
        self.teardown = Teardown(report=self.reported.append)
        self.owe(self.plans)

    def owe(self, plans: Sequence[Plan]) -> None:
        for plan in plans:
            owe = self.teardown.owe_check if plan.is_check else self.teardown.owe
            owe(plan.name, partial(self._pay, plan))

    def settle(self, body_fault: BaseException | None = None) -> Case:
        try:
            self.faults = self.teardown.settle(body_fault)
        except BaseException as error:  # noqa: BLE001  the whole point is to look at it
            self.raised = error
        return self

    @property
    def newest_first(self) -> list[str]:
        return [plan.name for plan in reversed(self.plans)]

    @property
    def headline(self) -> BaseException | None:
        """What was raised, or what an interrupt was raised from."""
        if isinstance(self.raised, KeyboardInterrupt):
            return self.raised.__cause__
        return self.raised

    def _pay(self, plan: Plan) -> None:
        does = plan.again if plan.name in self.runs else plan.first
        self.runs.append(plan.name)
        if does is not Does.WELL:
            kind = OSError if does is Does.FAILS else KeyboardInterrupt
            self.errors[plan.name] = kind(f"{plan.name} is stuck")
            raise self.errors[plan.name]


def notes(error: BaseException | None) -> list[str]:
    return list(getattr(error, "__notes__", []))


def once_each(values: Sequence[str]) -> list[str]:
    return list(dict.fromkeys(values))


def named(first: list[tuple[bool, Does, Does]]) -> list[Plan]:
    return [Plan(f"<{number}>", *facts) for number, facts in enumerate(first)]


def plans(*outcomes: Does, least: int = 0) -> st.SearchStrategy[list[Plan]]:
    does = st.sampled_from(outcomes)
    return st.lists(st.tuples(st.booleans(), does, does), min_size=least, max_size=8).map(named)


@st.composite
def interrupted_once(draw: st.DrawFn) -> tuple[list[Plan], str]:
    """Plans of which exactly one is interrupted when it is paid first, and which one."""
    drawn = draw(plans(Does.WELL, Does.FAILS, least=1))
    place = draw(st.integers(0, len(drawn) - 1))
    victim = drawn[place]
    drawn[place] = Plan(victim.name, victim.is_check, Does.INTERRUPTED, victim.again)
    return drawn, victim.name


any_faults = plans(Does.WELL, Does.FAILS)
anything = plans(*Does)


@given(any_faults)
def test_everything_owed_is_paid_exactly_once_newest_first_whatever_raises(
    owed: list[Plan],
) -> None:
    case = Case(owed).settle()
    assert case.runs == case.newest_first
    assert case.teardown.plan == ()


@given(any_faults)
def test_each_fault_is_reported_exactly_once_and_at_its_time(owed: list[Plan]) -> None:
    case = Case(owed).settle()
    failing = [plan.name for plan in reversed(owed) if plan.first is Does.FAILS]
    assert [fault.during for fault in case.reported] == failing
    assert [fault.error for fault in case.reported] == [case.errors[name] for name in failing]


@given(any_faults)
def test_the_first_fault_is_raised_and_every_fault_is_one_note_on_it(owed: list[Plan]) -> None:
    case = Case(owed).settle()
    if not case.reported:
        assert case.raised is None
        return
    assert case.raised is case.reported[0].error
    assert len(notes(case.raised)) == len(case.reported)
    headline, *others = notes(case.raised)
    assert headline == f"raised in teardown, {case.reported[0].place}"
    for fault, note in zip(case.reported[1:], others, strict=True):
        assert str(fault) in note


@given(any_faults)
def test_the_fault_of_the_body_is_never_masked_and_carries_a_note_for_each_other(
    owed: list[Plan],
) -> None:
    body_fault = AssertionError("no route to server")
    case = Case(owed).settle(body_fault)
    assert case.raised is None
    assert str(body_fault) == "no route to server"
    assert list(case.faults) == case.reported
    assert len(notes(body_fault)) == len(case.reported)
    for fault, note in zip(case.reported, notes(body_fault), strict=True):
        assert str(fault) in note


@given(any_faults)
def test_settling_again_does_nothing(owed: list[Plan]) -> None:
    case = Case(owed).settle()
    runs, reported = list(case.runs), list(case.reported)
    assert case.teardown.settle() == ()
    assert (case.runs, case.reported) == (runs, reported)


@given(any_faults)
def test_a_leftover_is_named_for_a_failing_release_and_not_for_a_failing_check(
    owed: list[Plan],
) -> None:
    case = Case(owed).settle()
    checks = {plan.name for plan in owed if plan.is_check}
    for fault in case.reported:
        assert fault.leftover == (None if fault.during in checks else fault.during)
        assert ("left behind" in str(fault)) == (fault.during not in checks)


@given(interrupted_once())
def test_after_an_interrupt_everything_else_is_still_paid_once(
    drawn: tuple[list[Plan], str],
) -> None:
    owed, victim = drawn
    case = Case(owed).settle()
    assert once_each(case.runs) == case.newest_first
    assert [name for name in case.runs if name != victim] == [
        name for name in case.newest_first if name != victim
    ]
    assert case.teardown.plan == ()


@given(interrupted_once())
def test_an_interrupted_release_is_run_again_at_once(drawn: tuple[list[Plan], str]) -> None:
    owed, victim = drawn
    case = Case(owed).settle()
    place = case.runs.index(victim)
    assert case.runs[place : place + 2] == [victim, victim]
    assert case.runs.count(victim) == 2


@given(interrupted_once(), st.booleans())
def test_an_interrupt_is_raised_at_the_end_from_the_headline(
    drawn: tuple[list[Plan], str], body_fails: bool
) -> None:
    body_fault = AssertionError("no route to server") if body_fails else None
    case = Case(drawn[0]).settle(body_fault)
    assert isinstance(case.raised, KeyboardInterrupt)
    first = case.reported[0].error if case.reported else None
    assert case.raised.__cause__ is (body_fault or first)
    assert len(notes(case.headline)) == len(case.reported)


@given(anything)
def test_however_many_interrupts_come_everything_is_paid_and_the_settlement_ends(
    owed: list[Plan],
) -> None:
    case = Case(owed).settle()
    assert once_each(case.runs) == case.newest_first
    assert len(case.runs) <= len(owed) + 1
    assert case.teardown.plan == ()
    interrupted = any(isinstance(error, KeyboardInterrupt) for error in case.errors.values())
    if interrupted:
        assert isinstance(case.raised, KeyboardInterrupt)
    for fault in case.reported:
        assert any(f", {fault.during}" in note for note in notes(case.headline))


@given(any_faults, any_faults, any_faults)
def test_what_a_release_comes_to_owe_is_paid_next(
    older: list[Plan], late: list[Plan], newer: list[Plan]
) -> None:
    case = Case(renamed("older", older))

    def owe_late() -> None:
        case.runs.append("owes")
        case.owe(renamed("late", late))

    case.teardown.owe("owes", owe_late)
    case.owe(renamed("newer", newer))
    case.settle()
    in_order = [*renamed("newer", newer)[::-1], None, *renamed("late", late)[::-1]]
    in_order += renamed("older", older)[::-1]
    assert case.runs == [plan.name if plan else "owes" for plan in in_order]
    assert case.teardown.plan == ()


def renamed(word: str, owed: list[Plan]) -> list[Plan]:
    return [evolve(plan, name=f"{word} {plan.name}") for plan in owed]


@given(any_faults, st.data())
def test_what_was_paid_or_forgiven_before_is_not_paid_again(
    owed: list[Plan], data: st.DataObject
) -> None:
    settled = data.draw(st.sets(st.sampled_from(range(len(owed))))) if owed else set()
    case = Case(owed)
    debts = list(case.teardown._debts)
    for place in settled:
        case.teardown.forgive(debts[place])
    case.settle()
    kept = [plan.name for place, plan in enumerate(owed) if place not in settled]
    assert case.runs == kept[::-1]
