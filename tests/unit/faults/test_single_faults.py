# SPDX-License-Identifier: GPL-3.0-or-later
"""Whatever one call of a whole life does, nothing stays behind unnamed and nothing is hidden.

A life is lived again and again with a fault at its first call, its second and so on, until the
fault comes after the last one; and that for each life and each way in which a call can go wrong.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable
from itertools import pairwise
from typing import Final

import pytest
from attrs import define, evolve, field

from alpy.core.appliance import Firmware
from alpy.core.errors import AlpyError
from alpy.core.testbed import Testbed
from alpy.fakes import World
from tests.unit.faults import invariants
from tests.unit.faults.invariants import INVARIANTS, Invariant, violated
from tests.unit.faults.kinds import ERRORS, GONE, INTERRUPTS, KINDS, LOSSES, REFUSALS
from tests.unit.faults.lives import LIVES, PREPARED_LIVES, Apps, Life
from tests.unit.faults.outcome import every_outcome, good, is_named, live, ports_of
from tests.unit.faults.tally import Tally

# One fault alone leaves nothing for the next run, wherever it is.
ALONE = (
    invariants.nothing_is_left_for_the_next_run,
    invariants.trouble_with_the_cache_fails_no_test,
)
ALL = (*INVARIANTS, *ALONE)
OF_ERRORS = (*ALL, invariants.things_of_a_kind_go_newest_first)
OF_GONE = (*ALL, invariants.nothing_that_is_gone_is_called_left)
CHECKED = {kind: OF_GONE if kind in GONE else OF_ERRORS for kind in KINDS}


# What not every life has; and what the largest have as others do.
TRIED_IN: Final[dict[str, Callable[[Life], bool]]] = {
    "SIGTERM before": lambda life: life.links < 2,
    "SIGTERM after": lambda life: life.links < 2,
    "slow": lambda life: life.links < 3,
    "guard killed": lambda life: life.links < 3,
    "node gone": lambda life: life.links > 0,
    "apps gone": lambda life: life.apps is not Apps.NONE,
    "state of no use": lambda life: life in PREPARED_LIVES,
    "saved states gone": lambda life: life in PREPARED_LIVES,
}

# Of thousands of violations, a few tell the story.
SHOWN = 5


@define
class Tried:
    """All outcomes of one kind of fault, in all lives."""

    cases: int = 0
    violations: dict[Invariant, list[str]] = field(factory=lambda: defaultdict(list))
    struck: Counter[str] = field(factory=Counter)


@pytest.fixture(scope="module")
def tried(tally: Tally) -> Callable[[str], Tried]:
    done: dict[str, Tried] = {}

    def try_once(kind: str) -> Tried:
        if kind not in done:
            done[kind] = _try(kind)
            tally.cases[f"one fault: {kind}"] += done[kind].cases
            tally.violations += sum(map(len, done[kind].violations.values()))
        return done[kind]

    return try_once


def _try(kind: str) -> Tried:
    tried = Tried()
    for life in filter(TRIED_IN.get(kind), (*LIVES, *PREPARED_LIVES)):
        for number, outcome in every_outcome(life, KINDS[kind]):
            struck = [strike.call for strike in outcome.strikes[:1]]
            if kind in ERRORS | REFUSALS | INTERRUPTS and not struck:
                continue  # a call that declares no error, or can't hang
            tried.cases += 1
            tried.struck.update(struck or [life.struck(outcome.world).calls[number]])
            for invariant, what in violated(outcome, *CHECKED[kind]):
                tried.violations[invariant].append(f"call {number} of {what}")
    return tried


@pytest.mark.parametrize(
    ("invariant", "kind"),
    [(invariant, kind) for kind in KINDS for invariant in CHECKED[kind]],
    ids=lambda of: of if isinstance(of, str) else of.__name__,
)
def test_one_fault_at_any_call(
    tried: Callable[[str], Tried], kind: str, invariant: Invariant
) -> None:
    violations = tried(kind).violations[invariant]
    assert violations[:SHOWN] == [], f"{len(violations)} in all"


@pytest.mark.parametrize("life", [*LIVES, *PREPARED_LIVES], ids=str)
def test_a_life_without_a_fault_releases_newest_first_and_leaves_nothing(life: Life) -> None:
    outcome = live(life, life.world())
    assert not invariants.releases_are_called_newest_first(outcome)
    assert not invariants.things_of_a_kind_go_newest_first(outcome)
    assert (outcome.raised, outcome.alive) == (None, [])


def test_these_are_many_cases(tried: Callable[[str], Tried]) -> None:
    assert sum(tried(kind).cases for kind in KINDS) > 15_000


def test_every_port_was_struck_in_every_way_that_it_declares(
    tried: Callable[[str], Tried],
) -> None:
    docker = {"apps", "audit", "guard", "skeleton"}
    can_hang = docker | {"console", "machine", "monitor", "run_directory", "saved_states", "slots"}
    all_ports = can_hang | {"clock"}
    struck = {kind: ports_of(tuple(tried(kind).struck)) for kind in KINDS}
    assert {struck[kind] == can_hang for kind in ERRORS} == {True}
    assert {struck[kind] == all_ports for kind in INTERRUPTS} == {True}
    # Where there are no apps or no saved states, nothing of them can go.
    assert {struck[kind] | {"apps", "clock", "saved_states"} == all_ports for kind in GONE} == {
        True
    }
    makes = {"machine", "run_directory", "saved_states"}
    assert struck["there already"] == makes | {"apps", "skeleton"}
    assert struck["disk full"] == makes | {"apps", "console", "monitor"}
    assert struck["state of no use"] == {"machine"}


def test_the_variables_of_uefi_have_a_file_until_qemu_has_it_open() -> None:
    for life in LIVES:
        history = [entry.thing for entry in good(life).history]
        files = [thing for thing in history if thing.startswith("file ")]
        uefi = life.firmware is Firmware.UEFI
        assert files == (["file uefi-variables.fd"] * 2 if uefi else [])
        assert not uefi or history[history.index("monitor") + 1] == files[0]


def test_the_firmware_changes_no_call() -> None:
    for life in LIVES:
        assert good(evolve(life, firmware=Firmware.BIOS)).calls == good(life).calls


SET_UP = [
    "machine.check",
    "skeleton.check",
    "run_directory.take",
    "slots.take",
    "guard.stand_by",
    "guard.clear_dead_runs",
    "skeleton.create_taps",
    "machine.launch",
    "machine.connect_monitor",
    "skeleton.create_nodes",
    "skeleton.connect",
]


@pytest.mark.parametrize("links", [0, 1, 2])
@pytest.mark.parametrize("call", SET_UP)
def test_a_failing_step_of_the_set_up_is_raised_and_the_test_is_not_begun(
    links: int, call: str
) -> None:
    life = Life(links, Apps.NONE, power_down=True)
    world = life.world()
    world.faults.fail(call)
    outcome = live(life, world)
    assert outcome.raised is outcome.injected[0]
    assert world.alive == ()
    assert "console.expect" not in world.calls


def _owed(bed: Testbed) -> str:
    """What the testbed owes now, in the words of an error that names it all as left behind."""
    return "\n".join(f"possibly left behind: {debt}" for debt in bed._teardown.plan)


@pytest.mark.parametrize("life", LIVES, ids=str)
def test_a_release_is_owed_before_its_thing_is_there(life: Life) -> None:
    world = life.world()
    bed = life.testbed(world)
    looks: list[tuple[tuple[str, ...], str]] = []
    world.faults.meanwhile("*", lambda: looks.append((world.alive, _owed(bed))), lasting=True)
    life.live(bed)
    for (alive, owed), (alive_after, _) in pairwise(looks):
        new = set(alive_after) - set(alive)
        assert {thing for thing in new if not is_named(thing, owed)} == set()
    assert {entry.thing for entry in world.history} >= {
        "machine",
        "guard",
        "room",
        "console",
        "monitor",
    }


def _must_be_noticed(kind: str, world: World) -> bool:
    """Whether what is taken away now is something that the life still needs."""
    if kind == "QEMU killed":
        return "machine" in world.alive and not world.guest.has_shut_down
    if kind == "node gone":
        return "node 0" in world.alive and "skeleton.counters" not in world.calls[:-1]
    return any(app.runs for app in world.apps.made.values())


@pytest.mark.parametrize("kind", ["QEMU killed", "node gone", "apps gone"])
def test_what_is_taken_away_while_it_is_needed_is_noticed(kind: str) -> None:
    life = LIVES[-1]
    unnoticed = []
    for number in range(len(good(life).calls)):
        world = life.world()
        needed: list[bool] = []

        def lose(world: World = world, needed: list[bool] = needed) -> None:
            needed.append(_must_be_noticed(kind, world))
            LOSSES[kind](world)

        world.faults.meanwhile(number, lose)
        raised = live(life, world).raised
        if needed[0] and not isinstance(raised, AlpyError):
            unnoticed.append((number, world.calls[number]))
    assert unnoticed == []
