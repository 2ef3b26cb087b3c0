# SPDX-License-Identifier: GPL-3.0-or-later
"""The ways in which one call can go wrong, as plans for a world."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Final, TypeAlias

from alpy.core.errors import (
    AlpyError,
    CaptureError,
    ConsoleTimeoutError,
    DeadlineError,
    DockerError,
    HostError,
    MonitorTimeoutError,
    NoRoomError,
    RunDirectoryError,
    SavedStateError,
)
from alpy.core.waiting import Limits
from alpy.fakes import World
from tests.unit.faults.lives import LOGIN

Kind: TypeAlias = Callable[[World, int], None]
"""Plans a fault in the world for its call with this number."""

LIMITS: Final = Limits()
# Longer than an app runs, or the appliance takes to boot and to shut down; shorter than any limit.
SLOW: Final = 4.0
# What a call asked for comes or goes so long after it has failed; a release waits longer.
LATE: Final = 3.0
# Ctrl-C, and SIGTERM as the handler of it raises it.
INTERRUPTIONS: Final = (KeyboardInterrupt, SystemExit)
_OF_HOST: Final[dict[str, tuple[type[HostError], float]]] = {
    "machine.launch": (HostError, LIMITS.launch),
    "machine.kill": (HostError, LIMITS.launch),
    "machine.save": (HostError, LIMITS.launch),
    "run_directory.take": (RunDirectoryError, LIMITS.container),
    "run_directory.release": (RunDirectoryError, LIMITS.container),
    "slots.take": (NoRoomError, LIMITS.room),
    "saved_states.begin": (HostError, LIMITS.container),
    "saved_states.keep": (HostError, LIMITS.container),
    "saved_states.release": (HostError, LIMITS.container),
}
_COMMANDS: Final = ("start", "pause", "press_power_button", "quit")


class ProcessDeath(BaseException):
    """SIGKILL: from here on this process does nothing."""


def unanswered(call: str) -> tuple[AlpyError, float] | None:
    """What *call* raises when its deadline passes, and that; None if it can't hang."""
    port, _, method = call.partition(".")
    refusal = {"asked": call, "found": "no answer in time", "remedy": "Look whether it hangs."}
    if call == "audit.of_host" or (port in {"skeleton", "apps", "guard"} and method != "close"):
        return DockerError(**refusal), LIMITS.container
    if call in _OF_HOST:
        kind, seconds = _OF_HOST[call]
        return kind(**refusal), seconds
    if call == "saved_states.find":
        return DeadlineError(awaited="another run's work", seconds=LIMITS.prepare), LIMITS.prepare
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


def _delay(world: World, number: int) -> None:
    def silence() -> AlpyError | None:
        answer = unanswered(world.calls[-1])
        return answer and answer[0]

    world.faults.fail(number, error=silence, late=LATE)


def _there_already(call: str) -> AlpyError | None:
    """What *call* raises when what it is to make is there already."""
    remedy = "Look whose it is."
    if call == "skeleton.create_taps":
        found = "ioctl(TUNSETIFF): Device or resource busy"
        return DockerError(asked="make tap 0", found=found, remedy=remedy)
    if call in {"skeleton.create_nodes", "apps.create"}:
        return DockerError(asked=call, found="409 Conflict: the name is in use", remedy=remedy)
    if call == "machine.launch":
        return HostError(asked="disk overlay", found="File exists", remedy=remedy)
    if call == "run_directory.take":
        return RunDirectoryError(asked=call, found="it holds files already", remedy=remedy)
    if call in {"machine.save", "saved_states.begin"}:
        return HostError(asked=call, found="File exists", remedy=remedy)
    return None


def _find_there(world: World, number: int) -> None:
    # By its name it is ours: made by a request whose answer was lost, and which was sent again.
    error = lambda: _there_already(world.calls[-1])  # noqa: E731
    world.faults.fail(number, after_effect=True, error=error)


def _no_room(call: str) -> AlpyError | None:
    """What *call* raises when the disk is full; None if it writes nothing."""
    port = call.partition(".")[0]
    full = {"asked": f"write for {call}", "found": "No space left on device", "remedy": "Make room"}
    if call in {"machine.launch", "machine.save", "saved_states.begin", "saved_states.keep"}:
        return HostError(**full)
    if call == "machine.check_capture":
        return CaptureError(file="link0.pcap", reason="it is torn: no space left on device")
    if port == "run_directory" or call in {"apps.create", "console.close", "monitor.close"}:
        return RunDirectoryError(**full)
    return None


def _fill_disk(world: World, number: int) -> None:
    error = lambda: _no_room(world.calls[-1])  # noqa: E731
    world.faults.fail("*", nth=number + 1, lasting=True, error=error)


def _no_use(call: str) -> AlpyError | None:
    """What *call* raises when QEMU can't do with the state; None if that is nothing to it."""
    if call in {"machine.launch", "machine.connect_monitor", "machine.save"}:
        return SavedStateError(state="it", reason=f"{call}: not this version")
    return None


def _spoil(world: World, number: int) -> None:
    world.faults.fail(number, error=lambda: _no_use(world.calls[-1]))


def _slow(world: World, number: int) -> None:
    world.faults.meanwhile(number, partial(world.clock.advance, SLOW))


def _press(world: World, number: int, *, after_effect: bool) -> None:
    world.faults.interrupt(number, after_effect=after_effect)


def _terminate(world: World, number: int, *, after_effect: bool) -> None:
    world.faults.terminate(number, after_effect=after_effect)


def _cut(world: World, number: int, *, after_effect: bool) -> None:
    def cut() -> KeyboardInterrupt | None:
        # Where signals are deferred, an interrupt can't come out of a log line.
        return None if world.calls[-1] == "run_directory.write_debug" else KeyboardInterrupt()

    # Comes also where signals are deferred: as if nothing could hold it back.
    world.faults.fail(number, after_effect=after_effect, error=cut)


def _die(world: World, number: int, *, within: bool) -> None:
    def die() -> ProcessDeath:
        if not world.faults.struck:
            world.process_dies()
            for other in world.of_process:
                other.faults.fail("*", error=ProcessDeath, lasting=True)
        return ProcessDeath()

    world.faults.fail(number, error=die, after_effect=within)
    world.faults.fail("*", nth=number + 2, error=die, lasting=True)


ERRORS: Final[dict[str, Kind]] = {
    "refused": _fail,
    "reply lost": partial(_fail, after_effect=True),
    "hangs": _silence,
    "done too late": partial(_silence, after_effect=True),
    "done later": _delay,
    "port gone": partial(_fail, lasting=True),
    "port silent": partial(_silence, lasting=True),
}
INTERRUPTS: Final[dict[str, Kind]] = {
    "Ctrl-C before": partial(_press, after_effect=False),
    "Ctrl-C after": partial(_press, after_effect=True),
    "SIGTERM before": partial(_terminate, after_effect=False),
    "SIGTERM after": partial(_terminate, after_effect=True),
    "cut short before": partial(_cut, after_effect=False),
    "cut short after": partial(_cut, after_effect=True),
}
SLOWNESS: Final[dict[str, Kind]] = {"slow": _slow}
REFUSALS: Final[dict[str, Kind]] = {
    "there already": _find_there,
    "disk full": _fill_disk,
    "state of no use": _spoil,
}
"""What only some calls meet: those that make something, that write, that save or restore."""
DEATH: Final[dict[str, Kind]] = {
    "process killed before a call": partial(_die, within=False),
    "process killed within a call": partial(_die, within=True),
}


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


def _lose_states(world: World) -> None:
    world.shelf.machines.clear()


LOSSES: Final[dict[str, Callable[[World], None]]] = {
    "node gone": _lose_node,
    "apps gone": _lose_apps,
    "QEMU killed": _lose_machine,
    "guard killed": _lose_guard,
    "saved states gone": _lose_states,
}
"""What somebody else can take away: a release of it then finds nothing."""


def _take_away(world: World, number: int, *, lose: Callable[[World], None]) -> None:
    world.faults.meanwhile(number, lambda: lose(world))


GONE: Final[dict[str, Kind]] = {
    name: partial(_take_away, lose=lose) for name, lose in LOSSES.items()
}


def _lie(world: World, number: int) -> None:
    world.faults.lie(number)


# Not among the others: nothing is raised but by the audit, which is what is tried by it.
LIES: Final[dict[str, Kind]] = {"done in word only": _lie}
KINDS: Final = {**ERRORS, **REFUSALS, **INTERRUPTS, **SLOWNESS, **GONE}
