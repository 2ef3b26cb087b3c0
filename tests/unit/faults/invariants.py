# SPDX-License-Identifier: GPL-3.0-or-later
"""The invariants of ARCHITECTURE.md, as far as one life in memory can show them."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from typing import Final, TypeAlias

from alpy.core import narrative, room
from alpy.core.errors import AlpyError
from alpy.fakes.ledger import DOUBT_SECONDS
from tests.unit.faults.kinds import INTERRUPTIONS, SLOW, unanswered
from tests.unit.faults.lives import LOGIN, PORT, SHUTDOWN
from tests.unit.faults.outcome import Outcome, good

Invariant: TypeAlias = Callable[[Outcome], object]
"""Says what is violated; nothing, or what counts as false, if it holds."""

# Seconds that a life may wait in vain, once each: for a port, the login, the shutdown, and at its
# end for an app to stop and for QEMU to quit.
PATIENCE: Final = PORT + LOGIN + SHUTDOWN + 10 + 5

# What can outlive this process. A guard that stands by removes it when a release could not.
OUTLIVES: Final = ("app ", "file ", "machine", "node ", "tap ")

RELEASE_OF: Final = {
    "run_directory.take": ("run_directory.release",),
    "slots.take": ("slots.release",),
    "guard.stand_by": ("guard.dismiss", "guard.hand_over"),
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
    "guard.hand_over",
    "guard.dismiss",
    "slots.release",
    "run_directory.release",
    "skeleton.close",
)


def nothing_is_alive_that_no_error_names(outcome: Outcome) -> object:
    return outcome.unnamed


def nothing_is_left_for_the_next_run(outcome: Outcome) -> object:
    return [thing for thing in outcome.world.alive if thing.startswith(OUTLIVES)]


def no_sink_is_left(outcome: Outcome) -> object:
    return outcome.context.run(narrative._sinks.get)


def no_room_is_left(outcome: Outcome) -> object:
    """Or the next testbed of this test would not wait in the line."""
    return outcome.context.run(room._taken.get)


def each_fault_is_raised_or_hangs_on_what_is(outcome: Outcome) -> object:
    if outcome.injected and outcome.raised is None:
        return "it passed"
    return outcome.untold


def an_interrupt_is_what_is_raised(outcome: Outcome) -> object:
    ends = [type(error) for error in outcome.injected if isinstance(error, INTERRUPTIONS)]
    if isinstance(outcome.raised, INTERRUPTIONS):
        return type(outcome.raised) not in ends
    return bool(ends)


def nothing_but_errors_of_alpy_is_raised(outcome: Outcome) -> object:
    right = (AlpyError, *INTERRUPTIONS, type(None))
    return not isinstance(outcome.raised, right) and repr(outcome.raised)


def the_time_spent_is_bounded(outcome: Outcome) -> object:
    hung = sum((unanswered(strike.call) or ("", 0.0))[1] for strike in outcome.world.faults.struck)
    budget = good(outcome.life).clock.now() + PATIENCE + SLOW + DOUBT_SECONDS + hung
    spent = outcome.ended
    return spent > budget and f"{spent} s of {budget} s"


def releases_are_called_newest_first(outcome: Outcome) -> object:
    releases = [call for call in outcome.world.calls if call in RELEASES_NEWEST_FIRST]
    places = [RELEASES_NEWEST_FIRST.index(call) for call in releases]
    return places != sorted(places) and releases


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
    calls = outcome.world.calls
    return [
        take
        for take, releases in RELEASE_OF.items()
        if calls.count(take) > sum(calls.count(release) for release in releases)
    ]


def the_record_tells_how_each_app_ended(outcome: Outcome) -> object:
    """But for one whose container may be left: then it is the guard that tells it."""
    if any(strike.call == "run_directory.write_debug" for strike in outcome.world.faults.struck):
        return []  # a line is missing, which is told as a fault
    lines = "\n".join(outcome.world.run_directory.lines)
    begun = set(re.findall(r" App starts app='(.*?)'", lines))
    ended = set(re.findall(r" App ended app='(.*?)' status='\S", lines))
    return [app for app in begun - ended if f"possibly left behind: app {app}" not in outcome.told]


INVARIANTS: Final[tuple[Invariant, ...]] = (
    nothing_is_alive_that_no_error_names,
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
            yield invariant, f"{outcome.life}: {what}; struck {outcome.world.faults.struck}"
