# SPDX-License-Identifier: GPL-3.0-or-later
"""The guard as a process, and its contract."""

from __future__ import annotations

import os
import secrets
import signal
import socket
from collections.abc import Collection, Iterator
from pathlib import Path

import pytest
from attrs import evolve

from alpy.adapters.clock import SystemClock
from alpy.adapters.docker.engine import DockerEngine
from alpy.adapters.recovery.guard import ProcessGuard
from alpy.adapters.recovery.owner import this_process
from alpy.core.errors import HostError
from alpy.core.waiting import Limits, wait_until
from tests.contracts.guard import DEAD, OTHER, OWN, GuardContract
from tests.integration.docker_rigs import BUSYBOX

pytestmark = pytest.mark.docker

PATIENCE = 30.0
CLOCK = SystemClock()


class ProcessGuardRig:
    def __init__(self, folder: Path) -> None:
        token = secrets.token_hex(4)
        self.folder = folder
        self.runs = {which: f"{which.split()[1]}-{token}" for which in (OWN, DEAD, OTHER)}
        self.engine = DockerEngine(
            run_id=self.runs[OWN], clock=CLOCK, limits=Limits(), directory=lambda: folder
        )
        self.guard = ProcessGuard(engine=self.engine)
        (folder / "debug.log").write_text(f"now run {self.runs[OWN]}\n")
        for run in self.runs.values():
            owner = this_process(run, None)
            if run == self.runs[DEAD]:
                owner = evolve(owner, start=owner.start - 1)
            self.engine.client.containers.create(BUSYBOX, ["true"], labels=owner.labels())

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
        assert process.wait(PATIENCE) == 0

    def close(self) -> None:
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
    story = (rig.folder / "debug.log").read_text()
    assert f"cut short: its process {os.getpid()} died" in story
    assert "Removed after its end: container" in story


def test_a_guard_that_cannot_start_is_told(rig: ProcessGuardRig) -> None:
    guard = ProcessGuard(engine=rig.engine, python="/no/such/python")
    with pytest.raises(HostError, match="/no/such/python"):
        guard.stand_by()
    guard.dismiss()


def test_a_guard_that_died_is_told_as_a_warning(
    rig: ProcessGuardRig, caplog: pytest.LogCaptureFixture
) -> None:
    rig.guard.stand_by()
    rig.kill_guard()
    rig.guard.dismiss()
    assert "The guard died" in caplog.text
