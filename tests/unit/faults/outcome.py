# SPDX-License-Identifier: GPL-3.0-or-later
"""One life with faults in it, and what came of it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextvars import Context, copy_context
from functools import cache
from typing import Final

from attrs import field, frozen

from alpy.core.appliance import Firmware
from alpy.fakes import World
from tests.unit.faults.kinds import INTERRUPTIONS, LATE, Kind
from tests.unit.faults.lives import Life

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
}


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
        return [strike.error for strike in self.world.faults.struck]

    @property
    def unnamed(self) -> list[str]:
        """What is still alive, though nothing names it as left behind."""
        return [thing for thing in self.world.alive if not is_named(thing, self.told)]

    @property
    def untold(self) -> list[str]:
        """The injected errors that what was raised does not tell."""
        return self.untold_by(self.told)

    def untold_by(self, text: str) -> list[str]:
        """The injected errors that are not in *text*."""
        strikes = self.world.faults.struck
        # A line that can't be written is told by the release, which has only one error to raise.
        written = "run_directory.write_debug"
        if any(strike.call == "run_directory.release" for strike in strikes):
            strikes = [strike for strike in strikes if strike.call != written]
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
    world.clock.advance(LATE)
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
        kind(world, number)
    return live(life, world)


def every_outcome(life: Life, kind: Kind) -> Iterator[Outcome]:
    """One for each call, until the fault comes after the last of them."""
    number, enough = 0, calls_to_strike(life)
    while len((outcome := live_with(life, (kind, number))).world.calls) > number:
        yield outcome
        number += 1
        if number == enough < len(good(life).calls):
            return
    assert number == enough


def calls_to_strike(life: Life) -> int:
    """How many of its calls, from the first on, are worth a fault.

    From its greeting on, the hypervisor works on no file, and one firmware is like the other: so
    there those of a life with UEFI end.
    """
    calls = good(life).calls
    if life.firmware is Firmware.UEFI:
        return calls.index("machine.connect_monitor") + 1
    return len(calls)


def ports_of(calls: Sequence[str]) -> set[str]:
    return {call.partition(".")[0] for call in calls}
