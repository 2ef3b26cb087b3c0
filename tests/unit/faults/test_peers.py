# SPDX-License-Identifier: GPL-3.0-or-later
"""Appliances and apps that behave as none should: each ends the life in order, and is told."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from alpy import fakes
from alpy.core.errors import (
    AlpyError,
    AppFailedError,
    ConsoleLostError,
    ConsoleTimeoutError,
    RunDirectoryError,
)
from alpy.core.exit_status import ExitStatus
from alpy.core.node import Node
from alpy.fakes import Script, World
from alpy.fakes.script import Guest
from tests.unit.faults.invariants import INVARIANTS
from tests.unit.faults.lives import LIVES, RABBIT, SMALLEST, Life
from tests.unit.faults.outcome import Outcome, live
from tests.unit.faults.tally import Tally

GARBAGE = bytes(range(256)) * 20


def _chatter(guest: Guest) -> None:
    guest.put(b"[    1.000000] eth0: link is up\r\n")
    guest.after(0.05, lambda: _chatter(guest))


def _hang_up(world: World) -> None:
    world.clock.after(1, world.console.hang_up)


SILENT = Script()
PEERS: dict[str, tuple[Script, Callable[[World], None], type[AlpyError] | None]] = {
    "no prompt": (SILENT, lambda _world: None, ConsoleTimeoutError),
    "endless output": (Script().does(_chatter), lambda _world: None, ConsoleTimeoutError),
    "garbage": (Script().prints(GARBAGE, after=1), lambda _world: None, ConsoleTimeoutError),
    "garbage, and then a prompt": (
        Script().prints(GARBAGE, after=1).prints("login: "), lambda _world: None, None,
    ),
    "half a character at the prompt": (
        Script().prints(b"\xe2\x82login: \xe2"), lambda _world: None, None,
    ),
    "connection reset": (SILENT, _hang_up, ConsoleLostError),
    "connection reset in endless output": (Script().does(_chatter), _hang_up, ConsoleLostError),
}  # fmt: skip


def _check(outcome: Outcome, tally: Tally, what: str) -> None:
    tally.cases[what] += 1
    wrong = [each.__name__ for each in INVARIANTS if each(outcome)]
    tally.violations += len(wrong)
    assert (wrong, outcome.world.alive) == ([], ())


@pytest.mark.parametrize("peer", PEERS)
@pytest.mark.parametrize("life", LIVES, ids=str)
def test_a_console_may_do_what_it_likes(life: Life, peer: str, tally: Tally) -> None:
    script, disturb, error = PEERS[peer]
    world = life.world(script)
    disturb(world)
    outcome = live(life, world)
    assert isinstance(outcome.raised, error or type(None)), outcome.told
    _check(outcome, tally, "console")


STATUSES = [ExitStatus(code=code) for code in range(256)]
STATUSES += [ExitStatus(signal=number) for number in range(1, 65)]


def _run(node: Node) -> None:
    node.run(["app"], image="tools")


def _start(node: Node) -> None:
    node.start(["app"], image="tools")


def _live_with_app(
    status: ExitStatus, act: Callable[[Node], object], *, seconds: float | None = 0.1
) -> tuple[AlpyError | None, World]:
    world = World()
    if status.signal is None:
        code = status.code or 0
        world.apps.plan(["app"], exit_code=code, stop_code=code, seconds=seconds)
    else:
        world.apps.plan(["app"], killed_by=status.signal, seconds=seconds)
    error = None
    try:
        with fakes.testbed(RABBIT, 1, world=world) as bed:
            act(bed.nodes[0])
            world.clock.advance(1)
    except AlpyError as raised:
        error = raised
    return error, world


@pytest.mark.parametrize("act", [_run, _start])
def test_each_way_in_which_an_app_can_end_is_told_and_leaves_nothing(
    act: Callable[[Node], None], tally: Tally
) -> None:
    for status in STATUSES:
        error, world = _live_with_app(status, act)
        tally.cases["app ends"] += 1
        assert world.alive == ()
        assert f"App ended app='node0-1-app' status='{status}'" in "\n".join(
            world.run_directory.lines
        )
        if status.ok:
            assert error is None
        else:
            assert isinstance(error, AppFailedError)
            assert (error.status, str(status) in str(error)) == (status, True)


def test_each_code_can_be_accepted(tally: Tally) -> None:
    for status in STATUSES[:256]:
        code = status.code or 0
        error, world = _live_with_app(
            status,
            lambda node, code=code: node.run(["app"], image="tools", exit_codes=[code]),  # type: ignore[misc]
        )
        tally.cases["app ends"] += 1
        assert (error, world.alive) == (None, ())


def test_an_app_that_is_stopped_may_end_with_any_code(tally: Tally) -> None:
    for status in STATUSES[:256]:
        error, world = _live_with_app(status, _start, seconds=None)
        tally.cases["app ends"] += 1
        assert (error, world.alive) == (None, ())


def test_a_run_directory_that_holds_a_file_is_refused_and_left_as_it_is() -> None:
    world = SMALLEST.world()
    notes = world.run_directory.file("notes.txt")
    world._ledger.append(notes, b"mine")
    outcome = live(SMALLEST, world)
    assert isinstance(outcome.raised, RunDirectoryError)
    assert (world.files, world.alive) == ({notes: b"mine"}, ())
