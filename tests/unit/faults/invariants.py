# SPDX-License-Identifier: GPL-3.0-or-later
"""The invariants of ARCHITECTURE.md, as far as one life in memory can show them."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from typing import Final, TypeAlias

from alpy.core import narrative, room
from alpy.core.errors import AlpyError
from alpy.core.preparation import RESTORE_FAULTS
from alpy.fakes import World
from alpy.fakes.ledger import DOUBT_SECONDS
from tests.unit.faults.kinds import INTERRUPTIONS, LATE, SLOW, unanswered
from tests.unit.faults.lives import LOGIN, PORT, SHUTDOWN, Start
from tests.unit.faults.outcome import OF_CACHE, OF_RESTORE, Outcome, good

Invariant: TypeAlias = Callable[[Outcome], object]
"""Says what is violated; nothing, or what counts as false, if it holds."""

# Seconds that a life may wait in vain, once each: for a port, the login, the shutdown, and at its
# end for an app to stop and for QEMU to quit.
PATIENCE: Final = PORT + LOGIN + SHUTDOWN + 10 + 5
# More than it takes to boot, where a saved state turns out to be of no use.
BOOT: Final = 2.0

# What can outlive this process. A guard that stands by removes it when a release could not.
OUTLIVES: Final = ("app ", "file ", "machine", "node ", "tap ")

RELEASE_OF: Final = {
    "run_directory.take": ("run_directory.release",),
    "slots.take": ("slots.release",),
    "guard.stand_by": ("guard.dismiss", "guard.hand_over"),
    "saved_states.find": ("saved_states.release",),
    "skeleton.create_taps": ("skeleton.remove_taps",),
    "machine.launch": ("machine.kill",),
    "machine.open_console": ("console.close", "machine.kill"),
    "machine.connect_monitor": ("monitor.close", "machine.kill"),
    "skeleton.create_nodes": ("skeleton.remove_nodes",),
    "apps.create": ("apps.remove",),
}
RELEASES_NEWEST_FIRST: Final = (
    "apps.remove",
    "skeleton.remove_nodes",
    "monitor.close",
    "console.close",
    "machine.kill",
    "skeleton.remove_taps",
    "saved_states.release",
    "guard.hand_over",
    "guard.dismiss",
    "slots.release",
    "run_directory.release",
    "skeleton.close",
)


def nothing_is_alive_that_no_error_names(outcome: Outcome) -> object:
    return outcome.unnamed


def nothing_is_left_for_the_next_run(outcome: Outcome) -> object:
    return [thing for thing in outcome.alive if thing.startswith(OUTLIVES)]


def nobody_waits_any_more_for_a_state_from_this_run(outcome: Outcome) -> object:
    makers = list(outcome.world.shelf.makers.values())
    return any(world.saved_states in makers for world in outcome.worlds)


def no_sink_is_left(outcome: Outcome) -> object:
    return outcome.context.run(narrative._sinks.get)


def no_room_is_left(outcome: Outcome) -> object:
    """Or the next testbed of this test would not wait in the line."""
    return outcome.context.run(room._taken.get)


def each_fault_is_raised_or_hangs_on_what_is(outcome: Outcome) -> object:
    """But for trouble with the cache, of which the log warns."""
    strikes = [strike for strike in outcome.strikes if not outcome.is_warned_of(strike)]
    if strikes and outcome.raised is None:
        return "it passed"
    return outcome.untold


def trouble_with_the_cache_fails_no_test(outcome: Outcome) -> object:
    strikes = [strike for strike in outcome.strikes if strike.call != "run_directory.write_debug"]
    of_cache = [each.call in OF_CACHE and isinstance(each.error, AlpyError) for each in strikes]
    return bool(strikes) and len(strikes) == len(outcome.strikes) and all(of_cache) and outcome.told


def an_interrupt_is_what_is_raised(outcome: Outcome) -> object:
    ends = [type(error) for error in outcome.injected if isinstance(error, INTERRUPTIONS)]
    if isinstance(outcome.raised, INTERRUPTIONS):
        return type(outcome.raised) not in ends
    return bool(ends)


def nothing_but_errors_of_alpy_is_raised(outcome: Outcome) -> object:
    right = (AlpyError, *INTERRUPTIONS, type(None))
    return not isinstance(outcome.raised, right) and repr(outcome.raised)


def the_time_spent_is_bounded(outcome: Outcome) -> object:
    hung = sum((unanswered(strike.call) or ("", 0.0))[1] for strike in outcome.strikes)
    budget = good(outcome.life).clock.now() + PATIENCE + SLOW + DOUBT_SECONDS + BOOT + hung
    spent = max(outcome.ended, *(world.clock.now() - LATE for world in outcome.worlds))
    return spent > budget and f"{spent} s of {budget} s"


def releases_are_called_newest_first(outcome: Outcome) -> object:
    return [calls for world in outcome.worlds if (calls := _wrong_order(outcome, world))]


def _wrong_order(outcome: Outcome, world: World) -> list[str]:
    releases = [call for call in world.calls if call in RELEASES_NEWEST_FIRST]
    # A machine that could not do with its saved state is killed before there is another one; and
    # the state itself is released as soon as it has served.
    given_up = any(
        isinstance(strike.error, RESTORE_FAULTS) and strike.call in OF_RESTORE
        for strike in world.faults.struck
    )
    restored = outcome.life.start is not Start.POWER_ON
    # The log would tell too, but for one that can't be written.
    again = world.calls.count("machine.launch") > 1
    if again or outcome.life.start is Start.OF_NO_USE or (given_up and restored):
        _drop(releases, "machine.kill", 1)
    _drop(releases, "saved_states.release", releases.count("saved_states.release") - 1)
    places = [RELEASES_NEWEST_FIRST.index(call) for call in releases]
    return releases if places != sorted(places) else []


def _drop(calls: list[str], call: str, times: int) -> None:
    for _ in range(min(times, calls.count(call))):
        calls.remove(call)


def things_of_a_kind_go_newest_first(outcome: Outcome) -> object:
    """Those that stayed till the teardown; what a release could not remove goes later."""
    wrong: list[list[str]] = []
    if "possibly left behind" in outcome.told:
        return wrong
    for kind in ("tap ", "node ", "app node"):
        names = [thing for thing in outcome.world.gone if thing.startswith(kind)]
        servers = [name for name in names if not name.endswith("ping")]
        wrong += [servers] if servers != sorted(servers, reverse=True) else []
    return wrong


def what_was_taken_has_its_release_called(outcome: Outcome) -> object:
    return [
        take
        for calls in (world.calls for world in outcome.worlds)
        for take, releases in RELEASE_OF.items()
        if calls.count(take) > sum(calls.count(release) for release in releases)
    ]


def the_record_tells_how_each_app_ended(outcome: Outcome) -> object:
    """But for one whose container may be left: then it is the guard that tells it."""
    if any(strike.call == "run_directory.write_debug" for strike in outcome.strikes):
        return []  # a line is missing, which is told as a fault
    lines = "\n".join(outcome.world.run_directory.lines)
    begun = set(re.findall(r" App starts app='(.*?)'", lines))
    ended = set(re.findall(r" App ended app='(.*?)' status='\S", lines))
    return [app for app in begun - ended if f"possibly left behind: app {app}" not in outcome.told]


INVARIANTS: Final[tuple[Invariant, ...]] = (
    nothing_is_alive_that_no_error_names,
    nobody_waits_any_more_for_a_state_from_this_run,
    no_sink_is_left,
    no_room_is_left,
    each_fault_is_raised_or_hangs_on_what_is,
    an_interrupt_is_what_is_raised,
    nothing_but_errors_of_alpy_is_raised,
    the_time_spent_is_bounded,
    releases_are_called_newest_first,
    what_was_taken_has_its_release_called,
    the_record_tells_how_each_app_ended,
)


def nothing_that_is_gone_is_called_left(outcome: Outcome) -> object:
    return "possibly left behind" in outcome.told


def violated(outcome: Outcome, *invariants: Invariant) -> Iterator[tuple[Invariant, str]]:
    for invariant in invariants:
        if what := invariant(outcome):
            yield invariant, f"{outcome.life}: {what}; struck {outcome.strikes}"
