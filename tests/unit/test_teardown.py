# SPDX-License-Identifier: GPL-3.0-or-later
"""The teardown engine by example; test_teardown_properties has what always holds."""

from __future__ import annotations

import pytest

from alpy.core.teardown import Fault, Teardown


def _stuck(what: str = "stuck") -> None:
    raise OSError(what)


def _nothing() -> None:
    pass


def _settle(teardown: Teardown) -> BaseException:
    with pytest.raises(BaseException) as raised:  # noqa: PT011  any
        teardown.settle()
    return raised.value


def test_the_plan_tells_what_will_be_released_in_its_order() -> None:
    teardown = Teardown()
    teardown.owe("run directory", _nothing)
    teardown.owe("taps", _nothing)
    teardown.owe_check("captures", _nothing)
    assert teardown.plan == ("captures", "taps", "run directory")


def test_nothing_owed_is_settled_in_silence() -> None:
    assert Teardown().settle() == ()


def test_a_lone_fault_says_where_it_happened_and_what_may_be_left() -> None:
    teardown = Teardown()
    teardown.owe("node client", lambda: _stuck("device busy"))
    error = _settle(teardown)
    assert str(error) == "device busy"
    assert error.__notes__ == ["raised in teardown, node client; possibly left behind: node client"]


def test_further_faults_are_notes_on_the_first() -> None:
    teardown = Teardown()
    teardown.owe("node client", lambda: _stuck("second"))
    teardown.owe_check("captures", lambda: _stuck("first"))
    error = _settle(teardown)
    assert str(error) == "first"
    assert error.__notes__ == [
        "raised in teardown, captures",
        "teardown also failed, node client: OSError: second; possibly left behind: node client",
    ]


def test_a_fault_of_the_body_that_a_check_raises_again_is_not_told_twice() -> None:
    body_fault = OSError("QEMU died")

    def raise_again() -> None:
        raise body_fault

    teardown = Teardown()
    teardown.owe_check("end of QEMU", raise_again)
    assert not teardown.settle(body_fault)
    assert not teardown.plan
    assert not getattr(body_fault, "__notes__", [])


def test_a_fault_of_the_body_that_a_release_raises_again_names_what_is_left() -> None:
    body_fault = OSError("QEMU died")

    def raise_again() -> None:
        raise body_fault

    teardown = Teardown()
    teardown.owe("QEMU", raise_again)
    (fault,) = teardown.settle(body_fault)
    assert fault.error is body_fault
    assert body_fault.__notes__ == ["raised in teardown, QEMU; possibly left behind: QEMU"]


def test_an_interrupt_during_a_check_is_raised_though_nothing_else_failed() -> None:
    def press_once() -> None:
        if not pressed:
            pressed.append(True)
            raise KeyboardInterrupt

    pressed: list[bool] = []
    teardown = Teardown()
    teardown.owe_check("captures", press_once)
    error = _settle(teardown)
    assert isinstance(error, KeyboardInterrupt)
    assert error.__cause__ is None


def test_a_second_interrupt_is_a_fault_of_the_release_it_cut_short() -> None:
    def press() -> None:
        raise KeyboardInterrupt

    faults: list[Fault] = []
    teardown = Teardown(report=faults.append)
    teardown.owe("taps", press)
    assert isinstance(_settle(teardown), KeyboardInterrupt)
    assert [fault.leftover for fault in faults] == ["taps"]


class UntellableError(Exception):
    """Its text can't be made."""

    def __str__(self) -> str:
        raise ValueError("no text")


def test_a_report_that_raises_hangs_on_its_fault_and_the_rest_is_paid() -> None:
    def refuse(fault: Fault) -> None:
        raise RuntimeError(f"no word of {fault.during}")

    paid: list[str] = []
    teardown = Teardown(report=refuse)
    teardown.owe("first", lambda: paid.append("first"))
    teardown.owe("second", _stuck)
    error = _settle(teardown)
    assert paid == ["first"]
    assert error.__notes__[0] == "and its report raised RuntimeError: no word of second"


def test_faults_that_can_not_be_put_into_words_are_told_by_their_kind() -> None:
    def raise_untellable() -> None:
        raise UntellableError

    told: list[str] = []
    teardown = Teardown(report=lambda fault: told.append(str(fault)))
    teardown.owe("first", raise_untellable)
    teardown.owe("second", raise_untellable)
    error = _settle(teardown)
    assert isinstance(error, UntellableError)
    assert len(error.__notes__) == 2
    assert told[1] == (
        "first: UntellableError (its text can't be made: ValueError); possibly left behind: first"
    )


def test_a_debt_paid_early_is_not_paid_again() -> None:
    paid: list[str] = []
    teardown = Teardown()
    debt = teardown.owe("app", lambda: paid.append("app"))
    teardown.pay(debt)
    assert teardown.plan == ()
    teardown.settle()
    assert paid == ["app"]


def test_a_debt_that_can_not_be_paid_early_stays_owed_with_those_after_it() -> None:
    teardown = Teardown()
    first = teardown.owe("first", _stuck)
    second = teardown.owe("second", _nothing)
    with pytest.raises(OSError, match="stuck"):
        teardown.pay(first, second)
    assert teardown.plan == ("second", "first")


def test_what_an_early_payment_raises_hangs_on_the_fault_that_caused_it() -> None:
    teardown = Teardown()
    debt = teardown.owe("app", _stuck)
    fault = ValueError("no such image")
    teardown.pay_after(fault, debt)
    assert fault.__notes__ == ["and then, OSError: stuck"]
    assert teardown.plan == ("app",)


def test_an_interrupt_of_an_early_payment_goes_through_and_it_stays_owed() -> None:
    def press() -> None:
        raise KeyboardInterrupt

    teardown = Teardown()
    debt = teardown.owe("app", press)
    with pytest.raises(KeyboardInterrupt):
        teardown.pay_after(ValueError(), debt)
    assert teardown.plan == ("app",)


def test_a_forgiven_debt_is_not_paid() -> None:
    teardown = Teardown()
    teardown.forgive(teardown.owe_check("exit of app", _stuck))
    assert teardown.settle() == ()
