# SPDX-License-Identifier: GPL-3.0-or-later
"""The life of the VM as one table."""

from __future__ import annotations

from enum import StrEnum
from typing import TYPE_CHECKING, Final

from alpy.core.errors import LifecycleError

if TYPE_CHECKING:
    from collections.abc import Mapping


class VmState(StrEnum):
    DEFINED = "not launched yet"
    PRELAUNCH = "paused before its first instruction"
    RUNNING = "running"
    PAUSED = "paused"
    POWERED_DOWN = "powered down"
    GONE = "gone"
    CRASHED = "crashed"


class VmStep(StrEnum):
    """What we ask of the VM, or learn of it."""

    LAUNCH = "launch"
    RESTORE = "restore"
    START = "start"
    PAUSE = "pause"
    RESET = "reset"
    PRESS_POWER_BUTTON = "power down"
    SHUT_DOWN = "see the shutdown of"
    QUIT = "quit"
    EXIT = "see the exit of"


# Nobody asks for these.
_LEARNT: Final = frozenset({VmStep.SHUT_DOWN, VmStep.EXIT})

TRANSITIONS: Final[Mapping[VmState, Mapping[VmStep, VmState]]] = {
    VmState.DEFINED: {
        VmStep.LAUNCH: VmState.PRELAUNCH,
        VmStep.RESTORE: VmState.PAUSED,
        VmStep.QUIT: VmState.GONE,
    },
    VmState.PRELAUNCH: {
        VmStep.START: VmState.RUNNING,
        VmStep.RESET: VmState.PRELAUNCH,
        VmStep.QUIT: VmState.GONE,
        VmStep.EXIT: VmState.CRASHED,
    },
    VmState.RUNNING: {
        VmStep.PAUSE: VmState.PAUSED,
        VmStep.RESET: VmState.RUNNING,
        VmStep.PRESS_POWER_BUTTON: VmState.RUNNING,
        VmStep.SHUT_DOWN: VmState.POWERED_DOWN,
        VmStep.QUIT: VmState.GONE,
        VmStep.EXIT: VmState.CRASHED,
    },
    VmState.PAUSED: {
        VmStep.START: VmState.RUNNING,
        VmStep.RESET: VmState.PAUSED,
        VmStep.QUIT: VmState.GONE,
        VmStep.EXIT: VmState.CRASHED,
    },
    VmState.POWERED_DOWN: {
        VmStep.QUIT: VmState.GONE,
        VmStep.EXIT: VmState.GONE,
    },
    # An exit that we asked for is reported after we asked: no news, and no crash.
    VmState.GONE: {VmStep.QUIT: VmState.GONE, VmStep.EXIT: VmState.GONE},
    VmState.CRASHED: {VmStep.QUIT: VmState.CRASHED, VmStep.EXIT: VmState.CRASHED},
}


def next_state(state: VmState, step: VmStep) -> VmState:
    """The state after *step*.

    Raises:
        LifecycleError: *state* does not allow *step*.
    """
    try:
        return TRANSITIONS[state][step]
    except KeyError:
        raise LifecycleError(step=step, state=state, allowed=possible_steps(state)) from None


def possible_steps(state: VmState) -> tuple[VmStep, ...]:
    """What can be asked of a VM in *state*."""
    return tuple(step for step in TRANSITIONS[state] if step not in _LEARNT)
