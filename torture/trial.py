# SPDX-License-Identifier: GPL-3.0-or-later
"""One trial: a fault is inflicted, and then it is looked at what is left."""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from enum import Enum
from signal import SIGKILL
from typing import Final

import docker
from attrs import frozen

from torture.arena import ROOT, Arena
from torture.checker import Leftover, connect, leftovers
from torture.evidence import faults_of
from torture.faults import Fault
from torture.notes import Truth, judge_blow, judge_refusal, notes_in
from torture.parts import kill
from torture.states import (
    entries,
    faults_of_cache,
    is_ruled_out,
    made_in,
    processes_with,
    times_of,
)
from torture.victim import Victim

# A life that was stopped or starved gives up at its own deadlines; they add up to less than this.
_LIFE_SECONDS: Final = 120.0
_CLEAN_SECONDS: Final = 5.0
# A guard whose test has died looks on, when nothing is left any more, for what may come late.
_GUARD_SECONDS: Final = 30.0
_LOOK: Final = 0.1
# As a shell tells the end by SIGINT; one that was interrupted, and no more, dies by that itself.
_GAVE_UP: Final = 130
_NOT_RUNNING: Final = frozenset({"created", "exited", "dead"})


class Outcome(Enum):
    CLEAN = "clean"
    LEFT = "left something"
    BROKEN = "evidence broken"
    FAILED = "failed"
    """It hung, did not pass though nothing was done to it, was not told the truth in time, or
    something of others was touched."""


@frozen(kw_only=True)
class Verdict:
    outcome: Outcome
    moment: str
    struck: bool
    told: float | None
    """How many seconds after the blow the test that ran then was told."""
    lived_on: float
    """How many seconds after the blow the last life that suffered one was over."""
    codes: tuple[int, ...]
    seconds: float
    cleared: float
    """How many seconds after its end nothing was left."""
    details: tuple[str, ...]


def inflict(fault: Fault, arena: Arena, *, patient: bool = True) -> Verdict:
    """Inflict *fault* in *arena*, and judge what is left.

    *patient*: once more when all guards have ended, which look on when nothing is left.
    """
    began = time.monotonic()
    found = times_of(arena.cache)
    fault.inflict(arena)
    for victim in arena.victims:
        if not victim.wait(_LIFE_SECONDS):
            arena.complaints.append(f"it hung; where is in {victim.output}")
    ended = time.monotonic()
    left = _wait_for_nothing(arena, lambda: fault.guarded or not _may_wait(arena))
    sweepable = not fault.guarded or _is_killed_beside_its_guard(arena, left)
    notes = [f"left until the next sweep: {each}" for each in left if sweepable]
    if left and sweepable:
        left = [each for each in left if not _is_for_the_sweep(each)] or _sweep(arena)
    cleared = time.monotonic() - ended
    if patient:
        left = left or _wait_for_guards(arena)
    if arena.prepared and not fault.daemon:
        if not fault.blames_state:
            _check_states_stay(arena, found)
        _check_cache(arena)
        left = left or _wait_for_nothing(arena)
    broken = _wait_for_record(fault, arena)
    truths = [_judge(fault, victim) for victim in arena.victims if fault.raises]
    failed = [*arena.complaints, *filter(None, (truth.complaint for truth in truths))]
    failed += _not_passed(fault, arena)
    _scrap(left, arena.docker_host)
    return Verdict(
        outcome=_outcome(left, broken, failed),
        moment=str(arena.moment or "-"),
        struck=any(victim.struck_at for victim in arena.victims),
        told=max((each.seconds for each in truths if each.seconds is not None), default=None),
        lived_on=max((victim.lived_on for victim in arena.victims), default=0),
        codes=tuple(victim.process.returncode for victim in arena.victims),
        seconds=time.monotonic() - began,
        cleared=cleared,
        details=(*map(str, left), *broken, *failed, *notes),
    )


def _outcome(left: Sequence[object], broken: Sequence[str], failed: Sequence[str]) -> Outcome:
    if left:
        return Outcome.LEFT
    if broken:
        return Outcome.BROKEN
    return Outcome.FAILED if failed else Outcome.CLEAN


def _left(arena: Arena) -> list[Leftover]:
    """What is left, but for guards that look on."""
    return [each for each in _all_left(arena) if each.kind != "guard"]


def _wait_for_guards(arena: Arena) -> list[Leftover]:
    """What is left when they have ended: they may have missed what came late."""
    deadline = time.monotonic() + _GUARD_SECONDS
    while (left := _all_left(arena)) and time.monotonic() < deadline:
        if all(each.kind != "guard" for each in left):
            break
        time.sleep(_LOOK)
    return left


def _all_left(arena: Arena) -> list[Leftover]:
    found = leftovers([*arena.runs(), *arena.planted], docker_host=arena.docker_host)
    if any(victim.alive for victim in arena.victims):
        return found
    known = {each.name for each in found}
    return found + [each for each in processes_with(arena.cache) if each.name not in known]


def _check_states_stay(arena: Arena, found: Mapping[str, int]) -> None:
    """Demand that no state was thrown away which the lives have *found*."""
    now = times_of(arena.cache)
    if any(now.get(name) != moment for name, moment in found.items()):
        arena.complaints.append(f"a state that was found was not kept: {found}, then {now}")


def _check_cache(arena: Arena) -> None:
    """Demand that a later life passes, and starts from the state if there is one."""
    there = bool(entries(arena.cache)) or is_ruled_out(arena.cache)
    after = arena.start(arena.folder / "after")
    after.wait(_LIFE_SECONDS)
    made = made_in(after.output.read_text(errors="replace"))
    if after.process.returncode or made != (not there):
        arena.complaints.append(
            f"a later life with{'' if there else 'out'} a saved state made {made} and ended with"
            f" {after.process.returncode}; see {after.output}"
        )
    arena.complaints += faults_of_cache(arena.cache)


def _wait_for_nothing(arena: Arena, go_on: Callable[[], bool] = lambda: True) -> list[Leftover]:
    deadline = time.monotonic() + _CLEAN_SECONDS
    while (left := _left(arena)) and time.monotonic() < deadline:
        if not go_on() and time.monotonic() > deadline - _CLEAN_SECONDS / 2:
            break
        time.sleep(_LOOK)
    return left


def _may_wait(arena: Arena) -> bool:
    return all(map(_is_for_the_sweep, _left(arena)))


def _is_killed_beside_its_guard(arena: Arena, left: Sequence[Leftover]) -> bool:
    """Whether only a note is left, of a test that was killed just before or after its guard's life.

    That is what the note is for.
    """
    killed = any(victim.process.returncode for victim in arena.victims)
    return killed and all(each.kind == "note" for each in left)


def _is_for_the_sweep(leftover: Leftover) -> bool:
    """Without a guard, nobody removes what never came to life or has ended; nor any files."""
    return (
        (leftover.kind == "container" and leftover.detail in _NOT_RUNNING)
        or (leftover.kind == "tap" and leftover.detail == "in the host")
        or leftover.kind in {"file", "note"}
    )


def _sweep(arena: Arena) -> list[Leftover]:
    """What the next run, or the command, leaves."""
    if arena.chance.random() < 1 / 2:
        arena.start(arena.folder / "next").wait(_LIFE_SECONDS)
    else:
        command = [sys.executable, "-m", "alpy", "clean"]
        subprocess.run(command, cwd=ROOT, check=False, capture_output=True, timeout=_LIFE_SECONDS)
    # Half a note tells of nobody, so it goes when it is old.
    return [each for each in _wait_for_nothing(arena) if not each.name.endswith(".half")]


def _judge(fault: Fault, victim: Victim) -> Truth:
    notes = notes_in(victim.output)
    if fault.refused is not None:
        return judge_refusal(notes, fault.raises, fault.refused)
    return judge_blow(notes, victim.blow, fault.raises) if victim.blow else Truth()


def _not_passed(fault: Fault, arena: Arena) -> list[str]:
    """Who should have passed and did not: who was not struck, or by nothing that matters."""
    if fault.refused is not None or not (fault.passes or fault.raises):
        return []
    return [
        f"exit status {victim.process.returncode}; see {victim.output}"
        for victim in arena.victims
        if victim.process.returncode
        and not (victim.blow and (fault.raises or victim.process.returncode == -SIGKILL))
    ]


def _wait_for_record(fault: Fault, arena: Arena) -> list[str]:
    """The faults of the evidence, as soon as no guard can mend them any more."""
    deadline = time.monotonic() + _CLEAN_SECONDS
    while (broken := _faults_of_evidence(fault, arena)) and time.monotonic() < deadline:
        if all(each.kind != "guard" for each in _all_left(arena)):
            return _faults_of_evidence(fault, arena)
        time.sleep(_LOOK)
    return broken


def _faults_of_evidence(fault: Fault, arena: Arena) -> list[str]:
    codes = {victim.run: victim.process.returncode for victim in arena.victims if victim.run}
    return [
        each
        for run in arena.runs()
        if run.directory and run not in arena.planted
        for each in faults_of(
            run.directory,
            whole=codes.get(run) == 0,
            killed=(fault.killed and codes.get(run) == -SIGKILL)
            or (fault.gives_up and codes.get(run) == _GAVE_UP),
        )
    ]


def _scrap(left: Sequence[Leftover], docker_host: str | None) -> None:
    """Remove what is known to be left: nobody else will, and the next trial needs its place."""
    client = connect(docker_host)
    try:
        for each in left:
            if each.kind == "container":
                with suppress(docker.errors.APIError):
                    client.api.remove_container(each.name, force=True, v=True)
            elif each.kind in {"process", "guard"}:
                kill(int(each.name))
            elif each.kind == "tap":
                words = ["ip", "link", "delete", each.name]
                subprocess.run(words, check=False, capture_output=True, timeout=30)
    finally:
        client.close()
