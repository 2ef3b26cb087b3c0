# SPDX-License-Identifier: GPL-3.0-or-later
"""How long state machines are tried."""

from __future__ import annotations

from hypothesis import HealthCheck, settings
from hypothesis.stateful import RuleBasedStateMachine, run_state_machine_as_test

_STEPS = 30


def try_machine(machine: type[RuleBasedStateMachine], *, examples: int) -> None:
    """Try *machine* in so many *examples*, of 30 steps each."""
    run_state_machine_as_test(
        machine,
        settings=settings(
            max_examples=examples,
            stateful_step_count=_STEPS,
            deadline=None,
            suppress_health_check=list(HealthCheck),
        ),
    )
