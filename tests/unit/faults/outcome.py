# SPDX-License-Identifier: GPL-3.0-or-later
"""One life with faults in it, and what came of it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextvars import Context, copy_context
from functools import cache
from typing import Final

from attrs import field, frozen

from alpy.core.appliance import Firmware
from alpy.core.errors import SavedStateError
from alpy.fakes import World
from alpy.fakes.faults import Strike
from tests.unit.faults.kinds import INTERRUPTIONS, LATE, Kind
from tests.unit.faults.lives import Life, Start

# What may stay in the world when a release of this name fails.
LEAVES: Final = {
    "run directory": ("run directory",),
    "room on the host": ("room",),
    "guard": ("guard",),
    "tap interfaces": ("tap ",),
    "QEMU": ("machine", "tap ", "file "),
    "console": ("console",),
    "monitor": ("monitor",),
    "nodes": ("node ", "tap "),
    "saved state": ("use of a saved state", "saved state in the making"),
}
# What fails in these is a warning, and then the machine starts from power-on.
OF_CACHE: Final = frozenset(
    {
        "machine.identity",
        "machine.save",
        "saved_states.find",
        "saved_states.begin",
        "saved_states.keep",
        "saved_states.discard",
        "saved_states.rule_out",
    }
)
# What fails in these is a warning too, if the machine was to start from a saved state.
OF_RESTORE: Final = frozenset({"machine.launch", "machine.open_console", "machine.connect_monitor"})


@frozen(kw_only=True, eq=False)
class Outcome:
    """The world after a life, and what was raised."""

    life: Life
    world: World
    raised: BaseException | None
    context: Context
    ended: float
    """When, on the fake clock; what came late may have come since."""
    told: str = field(init=False)
    """Everything that was raised says, with all that hangs on it."""

    def __attrs_post_init__(self) -> None:
        object.__setattr__(self, "told", "\n".join(told(self.raised)))

    @property
    def injected(self) -> list[BaseException]:
        return [strike.error for strike in self.strikes]

    @property
    def worlds(self) -> tuple[World, ...]:
        """That of the test, and those of the testbeds in which states were made for it."""
        return self.world.of_process

    @property
    def strikes(self) -> list[Strike]:
        return [strike for world in self.worlds for strike in world.faults.struck]

    @property
    def alive(self) -> list[str]:
        return [thing for world in self.worlds for thing in world.alive]

    @property
    def unnamed(self) -> list[str]:
        """What is still alive, though nothing names it as left behind."""
        return [thing for thing in self.alive if not is_named(thing, self.told)]

    @property
    def warnings(self) -> str:
        """What debug.log says of it that was no error."""
        lines = self.world.run_directory.lines
        return "\n".join(line for line in lines if line.startswith("WARNING"))

    def is_warned_of(self, strike: Strike) -> bool:
        """Whether it was trouble with the cache, of which the log warns."""
        may_be = strike.call in {"saved_states.release", *OF_CACHE, *OF_RESTORE}
        if isinstance(strike.error, INTERRUPTIONS):
            return False
        may_be = may_be or isinstance(strike.error, SavedStateError)
        # A line that could not be written is told as a fault of its own.
        unwritten = any(each.call == "run_directory.write_debug" for each in self.strikes)
        return may_be and (unwritten or str(strike.error) in self.warnings)

    @property
    def untold(self) -> list[str]:
        """The injected errors that what was raised does not tell."""
        return self.untold_by(self.told)

    def untold_by(self, text: str) -> list[str]:
        """The injected errors that are not in *text*."""
        strikes = self.strikes
        # A line that can't be written is told by the release, which has only one error to raise.
        written = "run_directory.write_debug"
        if any(strike.call == "run_directory.release" for strike in strikes):
            strikes = [strike for strike in strikes if strike.call != written]
        strikes = [strike for strike in strikes if not self.is_warned_of(strike)]
        untold = [strike.error for strike in strikes if line(strike.error) not in text]
        # Of several orders to stop, one is raised.
        stopped = isinstance(self.raised, INTERRUPTIONS)
        return [line(each) for each in untold if not (stopped and isinstance(each, INTERRUPTIONS))]


def is_named(thing: str, told: str) -> bool:
    """Whether *told* says that *thing* may be left behind."""
    if f" {thing} (made by " in told:
        return True
    names = [name for name, things in LEAVES.items() if thing.startswith(things)]
    return any(f"possibly left behind: {name}" in told for name in (*names, thing))


def told(error: BaseException | None) -> Iterator[str]:
    """What *error* says, and everything that hangs on it."""
    while error is not None:
        yield line(error)
        yield from getattr(error, "__notes__", [])
        error = error.__cause__ or error.__context__


def line(error: BaseException) -> str:
    return f"{type(error).__name__}: {error}"


def live(life: Life, world: World) -> Outcome:
    # Where a life leaves its log sink behind, the next must not write to it.
    context = copy_context()
    raised = None
    try:
        context.run(lambda: life.live(life.testbed(world)))
    except BaseException as error:  # noqa: BLE001  looked at by the invariants
        raised = error
    ended = world.clock.now()
    for each in world.of_process:
        each.clock.advance(LATE)
    return Outcome(life=life, world=world, raised=raised, context=context, ended=ended)


@cache
def good(life: Life) -> World:
    """The world after *life* without a fault."""
    outcome = live(life, life.world())
    assert (outcome.raised, outcome.world.alive) == (None, ())
    return outcome.world


def live_with(life: Life, *faults: tuple[Kind, int]) -> Outcome:
    """*life* with each kind of fault at its call."""
    world = life.world()
    for kind, number in faults:
        life.plan(world, kind, number)
    return live(life, world)


def every_outcome(life: Life, kind: Kind) -> Iterator[tuple[int, Outcome]]:
    """One for each call that is worth a fault, with its number."""
    for number in calls_to_strike(life):
        outcome = live_with(life, (kind, number))
        assert life.struck(outcome.world).calls[: number + 1] == good_calls(life)[: number + 1]
        yield number, outcome


@cache
def good_calls(life: Life) -> Sequence[str]:
    """The calls of the testbed that faults strike, in a life without."""
    return life.struck(good(life)).calls


@cache
def calls_to_strike(life: Life) -> Sequence[int]:
    """The numbers of its calls that are worth a fault.

    From its greeting on, the hypervisor works on no file, and one firmware is like the other: so
    there those of a life with UEFI end. A line of the log is like the other too: those of small
    lives are enough, and of one that is told what goes on in its workshop. While a state is
    awaited, it is the wait that may end badly.
    """
    calls = good_calls(life)
    if life.firmware is Firmware.UEFI:
        calls = calls[: calls.index("machine.connect_monitor") + 1]
    if life.start in {Start.AWAITED, Start.ABANDONED}:
        calls = calls[: calls.index("machine.launch") + 1]
    small = life.links < 2 and life.start in {Start.POWER_ON, Start.MADE} and not life.in_workshop
    return [
        number for number, call in enumerate(calls) if small or call != "run_directory.write_debug"
    ]


def ports_of(calls: Sequence[str]) -> set[str]:
    return {call.partition(".")[0] for call in calls}
