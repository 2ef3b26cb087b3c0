# SPDX-License-Identifier: GPL-3.0-or-later
"""A sample of scripts/torture: each fault once, at a moment that the seed decides."""

from __future__ import annotations

import os
import random
import secrets
import signal
from pathlib import Path

import pytest

from tests.integration.tiny_guest import write_kernel
from torture.arena import Arena
from torture.campaign import Campaign
from torture.checker import Run, connect, leftovers
from torture.faults import FAULTS, Fault
from torture.one_process import OneProcess
from torture.trial import Outcome, Verdict, inflict

pytestmark = [pytest.mark.docker, pytest.mark.qemu, pytest.mark.timeout(240)]

SEED = 20261123
# An undisturbed life takes about so long here; a moment behind its end strikes nobody.
LIFE = 2.0
PATIENCE = 60.0
# A daemon of our own takes its time; scripts/torture has one.
NAMES = [name for name, fault in FAULTS.items() if not fault.daemon]


@pytest.mark.parametrize("name", NAMES)
def test_after_a_fault_nothing_is_left_and_the_evidence_can_be_read(name: str) -> None:
    if FAULTS[name].root and os.geteuid() != 0:
        pytest.skip("only root can do it")
    check(name, seed=SEED + NAMES.index(name), image="tiny.kernel")


def test_after_sigkill_no_working_file_is_left() -> None:
    check("SIGKILL", seed=SEED, image="tiny.disk", patient=True)


def test_an_interrupt_while_a_container_is_made_leaves_nothing(tmp_path: Path) -> None:
    write_kernel(tmp_path / "tiny.kernel")
    for milliseconds in (4, 8, 12, 16):
        verdict = interrupt(tmp_path / f"after{milliseconds}", milliseconds / 1000)
        assert verdict.outcome is Outcome.CLEAN, verdict.details


def interrupt(folder: Path, seconds: float) -> Verdict:
    """SIGINT *seconds* after a life has begun to make its first container."""

    def strike(arena: Arena) -> None:
        victim = arena.start()
        victim.once(lambda: any("create container" in line for line in victim.log()))
        victim.pause(seconds)
        victim.send(signal.SIGINT)

    folder.mkdir()
    chance = random.Random(1)  # noqa: S311
    with Arena(folder=folder, chance=chance, images=folder.parent, seconds=0) as arena:
        return inflict(Fault(what="", inflict=strike), arena)


SAVES = "Save the state of the appliance..."
RESTORES = "Connect to QEMU's console and monitor..."


@pytest.mark.parametrize("line", [SAVES, RESTORES])
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGKILL])
def test_a_strike_while_a_state_is_saved_or_restored_leaves_nothing_and_no_half_of_it(
    tmp_path: Path, number: signal.Signals, line: str
) -> None:
    def strike(arena: Arena) -> None:
        arena.prepare_lives()
        if line == RESTORES:
            arena.start().wait(PATIENCE)
        victim = arena.start()
        victim.once(lambda: any(line in each for each in victim.log()))
        victim.pause(arena.chance.uniform(0, 0.1))
        victim.send(number)

    write_kernel(tmp_path / "tiny.kernel")
    for seed in range(3):
        folder = tmp_path / str(seed)
        folder.mkdir()
        chance = random.Random(seed)  # noqa: S311
        with Arena(folder=folder, chance=chance, images=tmp_path, seconds=0) as arena:
            verdict = inflict(Fault(what="", inflict=strike), arena, patient=False)
        assert verdict.outcome is Outcome.CLEAN, verdict.details


def test_what_is_left_is_told_and_then_removed(tmp_path: Path) -> None:
    def plant(arena: Arena) -> None:
        directory = arena.folder / "run"
        directory.mkdir(mode=0o700)
        (directory / "debug.log").write_text(f"now run {run.id}\n")
        name = f"alpy-{run.id}-node0"
        client.containers.create("alpy-busybox", ["true"], name=name, labels={"alpy.run": run.id})

    run = Run(f"plant{secrets.token_hex(4)}")
    client = connect()
    chance = random.Random(1)  # noqa: S311
    with Arena(folder=tmp_path, chance=chance, images=tmp_path, seconds=0) as arena:
        verdict = inflict(Fault(what="", inflict=plant), arena)
    assert verdict.outcome is Outcome.LEFT
    assert run.id in verdict.details[0]
    assert leftovers([run]) == []
    client.close()


def test_lives_in_one_process_leave_it_as_it_was() -> None:
    story: list[str] = []
    process = OneProcess(lives=6, seed=SEED, warm_up=2, tell=story.append)
    process.run()
    assert len(process.lived) == 6
    assert not process.went_wrong, "\n".join(story)


def check(name: str, *, seed: int, image: str, patient: bool = False) -> None:
    story: list[str] = []
    campaign = Campaign(
        runs=1,
        seed=seed,
        only=[name],
        rabbit=False,
        images=[image],
        patient=patient,
        life_seconds=LIFE,
        tell=story.append,
    )
    campaign.run()
    assert len(campaign.verdicts) == 1
    assert not campaign.went_wrong, "\n".join(story)
