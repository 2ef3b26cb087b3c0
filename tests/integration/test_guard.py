# SPDX-License-Identifier: GPL-3.0-or-later
"""The guard as a process, and its contract."""

from __future__ import annotations

import gc
import os
import secrets
import signal
import socket
from collections.abc import Collection, Iterator
from pathlib import Path

import pytest
from attrs import evolve

from alpy.adapters.clock import SystemClock
from alpy.adapters.docker.engine import LATE_SECONDS, DockerEngine, full_name
from alpy.adapters.recovery import guard
from alpy.adapters.recovery.guard import ProcessGuard
from alpy.adapters.recovery.owner import this_process
from alpy.adapters.recovery.run_notes import notes_folder
from alpy.core.errors import HostError
from alpy.core.waiting import Limits, wait_until
from tests.contracts.guard import DEAD, OTHER, OWN, GuardContract
from tests.integration.docker_rigs import BUSYBOX

pytestmark = pytest.mark.docker

PATIENCE = 30.0
WORDS = {OWN: "own", DEAD: "dead", OTHER: "other"}
CLOCK = SystemClock()


class ProcessGuardRig:
    def __init__(self, folder: Path) -> None:
        token = secrets.token_hex(4)
        self.folder = folder
        self.runs = {which: f"{word}-{token}" for which, word in WORDS.items()}
        self.engine = DockerEngine(
            run_id=self.runs[OWN], clock=CLOCK, limits=Limits(), directory=lambda: folder
        )
        self.guard = ProcessGuard(engine=self.engine)
        (folder / "debug.log").write_text(f"now run {self.runs[OWN]}\n")
        for run in self.runs.values():
            owner = this_process(run, None)
            if run == self.runs[DEAD]:
                owner = evolve(owner, start=owner.start - 1)
            self.create(run, owner.labels())

    def create(self, run: str, labels: dict[str, str]) -> None:
        name = full_name(run, secrets.token_hex(4))
        self.engine.client.containers.create(BUSYBOX, ["true"], name=name, labels=labels)

    def there(self) -> Collection[str]:
        return [
            which for which, run in self.runs.items() if self.engine.containers(f"alpy.run={run}")
        ]

    @property
    def pid(self) -> int:
        assert self.guard._process is not None
        return self.guard._process.pid

    def kill_guard(self) -> None:
        os.kill(self.pid, signal.SIGKILL)

    def process_dies(self) -> None:
        process = self.guard._process
        assert process is not None
        assert process.stdin is not None
        process.stdin.close()
        wait_until(
            lambda: process.poll() is not None or "cut short" in self.story,
            awaited="the guard's account",
            timeout=PATIENCE,
            clock=CLOCK,
        )

    @property
    def story(self) -> str:
        return (self.folder / "debug.log").read_text()

    @property
    def note(self) -> Path:
        return notes_folder(os.environ) / self.runs[OWN]

    def close(self) -> None:
        process = self.guard._process
        if process and process.stdin and process.stdin.closed:
            process.kill()  # it looks on for what may come late
        self.guard.dismiss()
        for run in self.runs.values():
            for found in self.engine.containers(f"alpy.run={run}"):
                self.engine.remove_by(found["Id"], name=run)
        self.engine.close()


@pytest.fixture
def rig(tmp_path: Path) -> Iterator[ProcessGuardRig]:
    rig = ProcessGuardRig(tmp_path)
    yield rig
    rig.close()


class TestProcessGuard(GuardContract):
    @pytest.fixture
    def rig(self, tmp_path: Path) -> Iterator[ProcessGuardRig]:
        rig = ProcessGuardRig(tmp_path)
        yield rig
        rig.close()


def status(pid: int, fact: str) -> str:
    return Path(f"/proc/{pid}/status").read_text().partition(f"{fact}:")[2].splitlines()[0].strip()


def test_no_signal_that_ends_a_test_ends_the_guard(rig: ProcessGuardRig) -> None:
    rig.guard.stand_by()
    signals = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
    wanted = sum(1 << number - 1 for number in signals)
    wait_until(
        lambda: int(status(rig.pid, "SigIgn"), 16) & wanted == wanted,
        awaited="the guard's readiness",
        timeout=PATIENCE,
        clock=CLOCK,
    )
    for number in signals:
        os.kill(rig.pid, number)
    rig.process_dies()
    assert OWN not in rig.there()


def test_the_guard_is_small_and_holds_nothing_but_its_pipe(rig: ProcessGuardRig) -> None:
    ours, theirs = socket.socketpair()
    ours.set_inheritable(True)
    with ours, theirs:
        rig.guard.stand_by()
        wait_until(
            lambda: Path(f"/proc/{rig.pid}/cwd").readlink() == Path("/"),
            awaited="the guard's readiness",
            timeout=PATIENCE,
            clock=CLOCK,
        )
        held = {path.readlink().name for path in Path(f"/proc/{rig.pid}/fd").iterdir()}
    assert {name.partition(":")[0] for name in held} <= {"null", "pipe", "anon_inode"}
    assert int(status(rig.pid, "VmRSS").split()[0]) < 20_000
    assert os.getsid(rig.pid) == rig.pid


def test_the_record_of_the_dead_run_is_completed(rig: ProcessGuardRig) -> None:
    rig.guard.stand_by()
    rig.process_dies()
    assert f"cut short: its process {os.getpid()} died" in rig.story
    assert "Removed after its end: container" in rig.story


def test_what_the_daemon_makes_late_of_a_dead_run_is_removed_and_told_too(
    rig: ProcessGuardRig,
) -> None:
    rig.guard.stand_by()
    process = rig.guard._process
    assert process is not None
    rig.process_dies()
    rig.create(rig.runs[OWN], rig.engine.owner.labels())
    assert process.wait(PATIENCE) == 0
    assert OWN not in rig.there()
    assert rig.story.count("Removed after its end: container") == 2
    assert rig.story.count("cut short") == 1


def test_after_a_run_that_handed_over_the_guard_looks_on_for_no_more_than_a_moment(
    rig: ProcessGuardRig,
) -> None:
    rig.guard.stand_by()
    begun = CLOCK.now()
    rig.guard.hand_over()
    assert CLOCK.now() - begun < LATE_SECONDS
    assert "handed over" in rig.story


def test_a_run_is_noted_until_its_guard_has_ended(
    rig: ProcessGuardRig, monkeypatch: pytest.MonkeyPatch
) -> None:
    def hangs(*_: object) -> int:
        raise HostError(asked="end the guard", found="it is still there", remedy="Wait")

    rig.guard.stand_by()
    with monkeypatch.context() as patch, pytest.raises(HostError):
        patch.setattr(guard, "_wait_or_kill", hangs)
        rig.guard.dismiss()
    assert rig.note.exists()
    rig.guard.dismiss()
    assert not rig.note.exists()


def test_a_guard_that_goes_on_by_itself_is_waited_for_by_somebody(
    rig: ProcessGuardRig, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(guard, "_ACT_SECONDS", 0.1)
    rig.guard.stand_by()
    pid = rig.pid
    os.kill(pid, signal.SIGSTOP)
    rig.guard.hand_over()
    gc.collect()  # an unreaped process would warn here, which is an error
    os.kill(pid, signal.SIGCONT)
    wait_until(
        lambda: not Path(f"/proc/{pid}").exists(),
        awaited="the guard's end, and that it is collected",
        timeout=PATIENCE,
        clock=CLOCK,
    )
    assert OWN not in rig.there()


def test_a_guard_that_cannot_start_is_told(rig: ProcessGuardRig) -> None:
    helpless = ProcessGuard(engine=rig.engine, python="/no/such/python")
    with pytest.raises(HostError, match="/no/such/python"):
        helpless.stand_by()
    helpless.dismiss()


def test_a_guard_that_died_is_told_as_a_warning(
    rig: ProcessGuardRig, caplog: pytest.LogCaptureFixture
) -> None:
    rig.guard.stand_by()
    rig.kill_guard()
    rig.guard.dismiss()
    assert "The guard died" in caplog.text
