# SPDX-License-Identifier: GPL-3.0-or-later
"""The audit finds each kind of thing that alpy makes when it is left, and nothing of others."""

from __future__ import annotations

import os
import secrets
import socket
import subprocess
import threading
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from pathlib import Path

import pytest

import alpy
from alpy.adapters.audit import RunAudit
from alpy.adapters.clock import SystemClock
from alpy.adapters.docker.apps import DockerApps
from alpy.adapters.docker.engine import DockerEngine
from alpy.adapters.docker.skeleton import DockerSkeleton
from alpy.adapters.holdings import Holdings
from alpy.adapters.qemu.machine import QemuMachine
from alpy.adapters.recovery.guard import ProcessGuard
from alpy.adapters.run_directory import DiskRunDirectory
from alpy.core.app import AppSpec
from alpy.core.link import Link
from alpy.core.ports import Leftover
from alpy.core.topology import Topology
from alpy.core.waiting import Limits
from tests.contracts.audit import AuditContract, AuditRig
from tests.integration import remains, tiny_guest
from tests.integration.docker_rigs import BUSYBOX, IPROUTE2

pytestmark = [pytest.mark.docker, pytest.mark.qemu]

CLOCK = SystemClock()
PATIENCE = 30.0


class Run:
    """The adapters of one run, as they are composed for a testbed; each release is the test's."""

    def __init__(self, folder: Path) -> None:
        self.id = f"audit{secrets.token_hex(4)}"
        self.holdings = Holdings(self.id)
        self.directory = DiskRunDirectory(folder / self.id, run_id=self.id, holdings=self.holdings)
        self.directory.take()
        self.engine = DockerEngine(
            run_id=self.id, clock=CLOCK, limits=Limits(), holdings=self.holdings
        )
        # Long enough for what is just going on a busy host, for each test here waits so long.
        self.audit = RunAudit(
            engine=self.engine, directory=lambda: self.directory.path, patience=0.3
        )
        self.skeleton = DockerSkeleton(engine=self.engine, image=IPROUTE2)
        self.apps = DockerApps(engine=self.engine)
        self.guard = ProcessGuard(engine=self.engine)
        self.machine = QemuMachine(
            clock=CLOCK, run_id=self.id, holdings=self.holdings, console_tcp_port=0
        )

    def launch(self, folder: Path) -> None:
        """A machine up to its console; its disks are still covered by overlays with names."""
        disk = alpy.Disk(path=tiny_guest.write_disk(folder / "disk"), format=alpy.DiskFormat.RAW)
        appliance = alpy.Appliance(
            name="tiny", disks=(disk,), acceleration=alpy.Acceleration.TCG, memory_mib=32
        )
        self.machine.launch(Topology.of(appliance, 0), [], self.directory)
        self.machine.open_console()

    def release_in_process(self) -> None:
        """Close what every test here has opened, to see only what it is about."""
        self.directory.release()
        self.engine.close()

    def close(self) -> None:
        for release in (
            self.machine.kill,
            lambda: self.apps.remove("web"),
            lambda: self.engine.remove("web"),
            self.skeleton.remove_nodes,
            self.skeleton.remove_taps,
            self.guard.dismiss,
            self.release_in_process,
        ):
            release()


@pytest.fixture
def run(tmp_path: Path) -> Iterator[Run]:
    run = Run(tmp_path)
    yield run
    run.close()


@pytest.fixture
def stack() -> Iterator[ExitStack]:
    with ExitStack() as stack:
        yield stack


def made_by(maker: str, leftovers: Sequence[Leftover]) -> list[str]:
    return [leftover.what for leftover in leftovers if leftover.maker == maker]


class RunRig:
    """Beside the run another one has a node too, and the process has an own socket."""

    def __init__(self, folder: Path) -> None:
        self._run, self._other = Run(folder), Run(folder)
        self._other.skeleton.create_nodes([Link(number=0)])
        self._other.launch(folder)
        self._strangers = socket.socketpair()
        self._run.release_in_process()
        self._console: list[socket.socket] = []

    @property
    def audit(self) -> RunAudit:
        return self._run.audit

    def leave_on_host(self) -> str:
        self._run.skeleton.create_nodes([Link(number=0)])
        return f"alpy-{self._run.id}-node0"

    def leave_in_process(self) -> str:
        self._console += self._run.holdings.socketpair("console")
        self._console.pop().close()
        return f"open as descriptor {self._console[0].fileno()}"

    def clear(self) -> None:
        for end in self._console:
            end.close()
        self._run.skeleton.remove_nodes()
        self._run.engine.close()

    def close(self) -> None:
        self.clear()
        for run in (self._run, self._other):
            run.close()
        for end in self._strangers:
            end.close()


class TestRunAudit(AuditContract):
    @pytest.fixture
    def rig(self, tmp_path: Path) -> Iterator[AuditRig]:
        rig = RunRig(tmp_path)
        yield rig
        rig.close()


def test_a_container_is_found(run: Run) -> None:
    run.engine.create("web", image=BUSYBOX, role="app", command=["true"])
    (what,) = made_by("app", run.audit.of_host())
    assert what == f"container alpy-{run.id}-web (Created)"


def test_a_tap_is_found_on_the_host_and_in_the_process(run: Run) -> None:
    run.skeleton.create_taps([Link(number=0)])
    (name,) = made_by("skeleton", run.audit.of_host())
    assert name.startswith("tap alpy")
    run.release_in_process()
    (descriptor,) = run.audit.of_process()
    assert descriptor.maker == "skeleton"
    run.skeleton.remove_taps()
    run.engine.close()
    assert run.audit.of_process() == []


def test_qemu_and_all_that_belongs_to_it_is_found(run: Run, tmp_path: Path) -> None:
    run.launch(tmp_path)
    host = made_by("machine", run.audit.of_host())
    assert [what.partition(" ")[0] for what in host] == ["process", "file", "file"]
    assert any("working-disk0.qcow2" in what for what in host)
    # Its debug.log stays locked: somebody else's run would take this one for dead, and clear it up.
    found = run.audit.of_process()
    logs = [what for what in made_by("console", found) if "console." in what]
    assert len(logs) == 2
    assert f"thread 'alpy-console {run.id}'" in made_by("console", found)
    assert f"thread 'alpy-qemu {run.id}'" in made_by("qemu", found)
    assert len(made_by("monitor", found)) == 1
    assert len(made_by("console-server", found)) == 4
    run.machine.kill()
    run.release_in_process()
    assert run.audit.of_process() == []


def test_a_node_is_found_in_all_that_it_consists_of(run: Run) -> None:
    run.skeleton.create_nodes([Link(number=0)])
    assert len(made_by("node", run.audit.of_host())) == 1
    assert len(made_by("node0", run.audit.of_host())) == 1
    run.release_in_process()
    kinds = [what.partition(":")[0] for what in made_by("node0", run.audit.of_process())]
    assert sorted(kind.partition("/proc/")[0] for kind in kinds) == ["", "socket"]


def test_a_process_that_survives_its_container_is_found(run: Run, stack: ExitStack) -> None:
    process = stack.enter_context(subprocess.Popen(["sleep", "1000"]))
    run.holdings.note_process(process.pid, "node0")
    assert made_by("node0", run.audit.of_host()) == [f"process {process.pid}"]
    process.kill()
    process.wait(PATIENCE)
    assert run.audit.of_host() == []


def test_an_app_is_found_in_all_that_it_consists_of(run: Run) -> None:
    run.skeleton.create_nodes([Link(number=0)])
    spec = AppSpec(image=BUSYBOX, command=("sleep", "1000"))
    run.apps.create(spec, name="web", node=0, log=run.directory.file("web.log"))
    run.apps.start("web")
    assert any("-web" in what for what in made_by("app", run.audit.of_host()))
    run.release_in_process()
    found = run.audit.of_process()
    assert any("web.log" in what for what in made_by("web", found))
    assert any("socket" in what for what in made_by("web", found))
    assert made_by("app", found) == [f"thread 'alpy-app {run.id}'"]


def test_the_guard_and_the_debug_log_are_found_in_the_process_only(run: Run) -> None:
    run.guard.stand_by()
    assert run.audit.of_host() == []
    run.engine.close()
    found = run.audit.of_process()
    assert [leftover.maker for leftover in found] == ["run directory", "guard"]
    assert "debug.log" in found[0].what
    assert "pipe" in found[1].what


def test_open_connections_to_docker_are_found(run: Run) -> None:
    run.engine.check_images(BUSYBOX)
    run.directory.release()
    assert run.audit.of_process() == [Leftover("connections to Docker", "engine")]


def test_a_copy_of_a_descriptor_is_found_when_the_first_is_closed(
    run: Run, stack: ExitStack
) -> None:
    ours, theirs = run.holdings.socketpair("monitor")
    copy = os.dup(ours.fileno())
    stack.callback(os.close, copy)
    ours.close()
    theirs.close()
    run.release_in_process()
    (what,) = made_by("monitor", run.audit.of_process())
    assert what.endswith(f"open as descriptor {copy}")


def test_what_is_just_going_is_waited_for_and_no_leak(run: Run) -> None:
    run.release_in_process()
    looked = threading.Event()

    def wait() -> None:
        looked.wait(PATIENCE)

    run.holdings.thread(wait, "monitor").start()
    threading.Timer(0.05, looked.set).start()
    assert run.audit.of_process() == []


def test_nothing_of_a_stranger_is_ever_found(run: Run, tmp_path: Path, stack: ExitStack) -> None:
    for end in socket.socketpair():
        stack.enter_context(end)
    run.launch(tmp_path)
    # Others of the same kinds, with the numbers that ours had, of our very files, in our folder.
    run.machine.kill()
    for name in ("console.log", "console.txt", "debug.log"):
        stack.enter_context(run.directory.file(name).open("rb"))
    stack.enter_context(run.directory.file("my.log").open("w"))
    for end in (*socket.socketpair(), *socket.socketpair(), *socket.socketpair()):
        stack.enter_context(end)
    over = threading.Event()
    stack.callback(over.set)
    for name in ("alpy-monitor", f"alpy-monitor {run.id}x", f"mine {run.id}"):
        threading.Thread(target=over.wait, name=name, daemon=True).start()
    other = stack.enter_context(subprocess.Popen(["sleep", "1000"]))
    stack.callback(other.kill)
    another = Run(tmp_path)
    stack.callback(another.close)
    another.engine.create("web", image=BUSYBOX, role="app", command=["true"])
    assert run.audit.of_host() == []
    run.release_in_process()
    assert run.audit.of_process() == []


@pytest.fixture
def appliance(tmp_path: Path) -> alpy.Appliance:
    kernel = alpy.Kernel(image=tiny_guest.write_kernel(tmp_path / "kernel"))
    return alpy.Appliance(name="tiny", kernel=kernel, acceleration=alpy.Acceleration.TCG)


def test_many_testbeds_in_threads_do_not_report_each_other(
    appliance: alpy.Appliance, tmp_path: Path
) -> None:
    def live(number: int) -> None:
        # Some end while others begin, and others are in full use.
        for life in range(3):
            name = tmp_path / f"run{number}-{life}"
            with alpy.testbed(appliance, links=number % 2, run_dir=name) as bed:
                bed.dut.start()
                bed.console.expect("Hi", timeout=PATIENCE)

    with ThreadPoolExecutor(4) as pool:
        assert list(pool.map(live, range(4))) == [None] * 4


def test_a_node_whose_removal_did_nothing_fails_the_run_and_the_guard_removes_it(
    appliance: alpy.Appliance, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(DockerSkeleton, "remove_nodes", lambda _self: None)
    with (
        pytest.raises(alpy.errors.LeakError) as raised,
        alpy.testbed(appliance, links=1, run_dir=tmp_path / "run") as bed,
    ):
        bed.dut.start()
    monkeypatch.undo()
    bed.ports.skeleton.remove_nodes()
    bed.ports.skeleton.close()
    whats = [(left.what.partition(" ")[0], left.maker) for left in raised.value.leftovers]
    assert whats == [("container", "node"), ("process", "node0")]
    (note,) = [note for note in raised.value.__notes__ if "audit of this process" in note]
    assert "(made by node0)" in note
    log = (bed.run_dir / "debug.log").read_text()
    assert "left behind by this run: container" in log
    assert not remains.of_run(log.partition(" run ")[2].partition("\n")[0])


def test_connections_that_were_not_closed_fail_the_run(
    appliance: alpy.Appliance, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(DockerSkeleton, "close", lambda _self: None)
    with (
        pytest.raises(alpy.errors.LeakError, match="connections to Docker"),
        alpy.testbed(appliance, links=0, run_dir=tmp_path / "run") as bed,
    ):
        pass
    monkeypatch.undo()
    bed.ports.skeleton.close()
