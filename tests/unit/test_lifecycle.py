# SPDX-License-Identifier: GPL-3.0-or-later
"""The table of the VM's life, looked at from outside."""

from __future__ import annotations

from itertools import product

import pytest
from hypothesis import given
from hypothesis import strategies as st

from alpy.core.errors import LifecycleError
from alpy.core.lifecycle import TRANSITIONS, VmState, VmStep, next_state

ENDS = {VmState.GONE, VmState.CRASHED}


def _reachable_from(start: VmState) -> set[VmState]:
    seen, frontier = {start}, [start]
    while frontier:
        for state in TRANSITIONS[frontier.pop()].values():
            if state not in seen:
                seen.add(state)
                frontier.append(state)
    return seen


def test_every_state_has_its_row() -> None:
    assert set(TRANSITIONS) == set(VmState)


def test_every_state_can_be_reached() -> None:
    assert _reachable_from(VmState.DEFINED) == set(VmState)


def test_every_step_is_allowed_somewhere() -> None:
    assert {step for row in TRANSITIONS.values() for step in row} == set(VmStep)


@pytest.mark.parametrize("state", list(VmState))
def test_every_state_can_end(state: VmState) -> None:
    assert _reachable_from(state) & ENDS


@pytest.mark.parametrize("state", list(VmState))
def test_quit_is_allowed_in_every_state_and_ends_it(state: VmState) -> None:
    assert next_state(state, VmStep.QUIT) in ENDS


@pytest.mark.parametrize("state", sorted(ENDS))
def test_nothing_comes_after_the_end(state: VmState) -> None:
    assert _reachable_from(state) == {state}


@pytest.mark.parametrize("state", [VmState.PRELAUNCH, VmState.RUNNING, VmState.PAUSED])
def test_an_exit_that_nobody_asked_for_is_a_crash(state: VmState) -> None:
    assert next_state(state, VmStep.EXIT) is VmState.CRASHED


def test_an_exit_after_a_shutdown_is_no_crash() -> None:
    assert next_state(VmState.POWERED_DOWN, VmStep.EXIT) is VmState.GONE


def test_the_first_instruction_is_run_by_start_alone() -> None:
    into_running = {
        step
        for state, row in TRANSITIONS.items()
        if state is not VmState.RUNNING
        for step, after in row.items()
        if after is VmState.RUNNING
    }
    assert into_running == {VmStep.START}


@pytest.mark.parametrize(("state", "step"), list(product(VmState, VmStep)))
def test_a_step_follows_the_table_or_is_refused_and_changes_nothing(
    state: VmState, step: VmStep
) -> None:
    before = {each: dict(row) for each, row in TRANSITIONS.items()}
    if step in TRANSITIONS[state]:
        assert next_state(state, step) is TRANSITIONS[state][step]
    else:
        with pytest.raises(LifecycleError) as refused:
            next_state(state, step)
        assert (refused.value.step, refused.value.state) == (step, state)
        learnt = {VmStep.SHUT_DOWN, VmStep.EXIT}
        assert set(refused.value.allowed) == set(TRANSITIONS[state]) - learnt
    assert {each: dict(row) for each, row in TRANSITIONS.items()} == before


@given(st.lists(st.sampled_from(VmStep), max_size=30))
def test_no_way_leads_back_to_before_the_launch(steps: list[VmStep]) -> None:
    state, launches = VmState.DEFINED, 0
    for step in steps:
        if step in TRANSITIONS[state]:
            state = next_state(state, step)
            launches += step is VmStep.LAUNCH
    assert launches <= 1


def test_a_refusal_tells_what_is_possible() -> None:
    with pytest.raises(
        LifecycleError,
        match=r"^cannot start a VM that is powered down; possible: quit$",
    ):
        next_state(VmState.POWERED_DOWN, VmStep.START)
