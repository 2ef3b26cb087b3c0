# SPDX-License-Identifier: GPL-3.0-or-later
"""The ways in which one call can go wrong, as plans for a world."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Final, TypeAlias

from alpy.core.errors import (
    AlpyError,
    ConsoleTimeoutError,
    DockerError,
    HostError,
    MonitorTimeoutError,
    RunDirectoryError,
)
from alpy.core.waiting import Limits
from alpy.fakes import World
from tests.unit.faults.lives import LOGIN

Kind: TypeAlias = Callable[[World, int], None]
"""Plans a fault in the world for its call with this number."""

LIMITS: Final = Limits()
# Longer than an app runs, or the appliance takes to boot and to shut down; shorter than any limit.
SLOW: Final = 4.0


_COMMANDS: Final = ("start", "pause", "press_power_button", "quit")


class ProcessDeath(BaseException):
    """SIGKILL: from here on this process does nothing."""


def unanswered(call: str) -> tuple[AlpyError, float] | None:
    """What *call* raises when its deadline passes, and that; None if it can't hang."""
    port, _, method = call.partition(".")
    refusal = {"asked": call, "found": "no answer in time", "remedy": "Look whether it hangs."}
    if port in {"skeleton", "apps", "guard"} and method != "close":
        return DockerError(**refusal), LIMITS.container
    if call in {"machine.launch", "machine.kill"}:
        return HostError(**refusal), LIMITS.launch
    if call in {"run_directory.take", "run_directory.release"}:
        return RunDirectoryError(**refusal), LIMITS.container
    if call == "console.expect":
        return ConsoleTimeoutError(awaited=call, seconds=LOGIN, seen=""), LOGIN
    if call == "machine.connect_monitor" or (port == "monitor" and method in _COMMANDS):
        return MonitorTimeoutError(command=call, seconds=LIMITS.monitor), LIMITS.monitor
    return None


def _hang(world: World) -> AlpyError | None:
    """Let the call that is being made hang until its deadline."""
    if silence := unanswered(world.calls[-1]):
        error, seconds = silence
        world.clock.advance(seconds)
        return error
    return None


def _fail(world: World, number: int, *, after_effect: bool = False, lasting: bool = False) -> None:
    world.faults.fail(number, after_effect=after_effect, lasting=lasting)


def _silence(
    world: World, number: int, *, after_effect: bool = False, lasting: bool = False
) -> None:
    error = partial(_hang, world)
    world.faults.fail(number, error=error, after_effect=after_effect, lasting=lasting)


def _slow(world: World, number: int) -> None:
    world.faults.meanwhile(number, partial(world.clock.advance, SLOW))


def _press(world: World, number: int, *, after_effect: bool) -> None:
    world.faults.interrupt(number, after_effect=after_effect)


def _cut(world: World, number: int, *, after_effect: bool) -> None:
    def cut() -> KeyboardInterrupt | None:
        # Where signals are deferred, an interrupt can't come out of a log line.
        return None if world.calls[-1] == "run_directory.write_debug" else KeyboardInterrupt()

    # Comes also where signals are deferred: as if nothing could hold it back.
    world.faults.fail(number, after_effect=after_effect, error=cut)


def _die(world: World, number: int) -> None:
    world.faults.fail("*", nth=number + 1, error=ProcessDeath, lasting=True)


ERRORS: Final[dict[str, Kind]] = {
    "refused": _fail,
    "reply lost": partial(_fail, after_effect=True),
    "hangs": _silence,
    "done too late": partial(_silence, after_effect=True),
    "port gone": partial(_fail, lasting=True),
    "port silent": partial(_silence, lasting=True),
}
INTERRUPTS: Final[dict[str, Kind]] = {
    "Ctrl-C before": partial(_press, after_effect=False),
    "Ctrl-C after": partial(_press, after_effect=True),
    "cut short before": partial(_cut, after_effect=False),
    "cut short after": partial(_cut, after_effect=True),
}
SLOWNESS: Final[dict[str, Kind]] = {"slow": _slow}
DEATH: Final[dict[str, Kind]] = {"process killed": _die}


def _lose_node(world: World) -> None:
    if "node 0" in world.alive:
        world.skeleton.node_dies(0)


def _lose_apps(world: World) -> None:
    for thing in world.alive:
        if thing.startswith("app "):
            world.apps.vanish(thing.removeprefix("app "))


def _lose_machine(world: World) -> None:
    world.machine.crash(signal=9)


def _lose_guard(world: World) -> None:
    world.guard.die()


LOSSES: Final[dict[str, Callable[[World], None]]] = {
    "node gone": _lose_node,
    "apps gone": _lose_apps,
    "QEMU killed": _lose_machine,
    "guard killed": _lose_guard,
}
"""What somebody else can take away: a release of it then finds nothing."""


def _take_away(world: World, number: int, *, lose: Callable[[World], None]) -> None:
    world.faults.meanwhile(number, lambda: lose(world))


GONE: Final[dict[str, Kind]] = {
    name: partial(_take_away, lose=lose) for name, lose in LOSSES.items()
}
KINDS: Final = {**ERRORS, **INTERRUPTS, **SLOWNESS, **GONE}
