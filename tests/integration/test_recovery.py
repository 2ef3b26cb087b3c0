# SPDX-License-Identifier: GPL-3.0-or-later
"""Whatever is killed, nothing stays: real runs, killed from outside."""

from __future__ import annotations

import os
import random
import re
import secrets
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import ExitStack
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from socketserver import ThreadingMixIn, UnixStreamServer

import docker
import pytest
from attrs import evolve

import alpy
from alpy.adapters.clock import SystemClock
from alpy.adapters.docker import ip_batch
from alpy.adapters.docker.engine import DockerEngine
from alpy.adapters.docker.ip import Ip, choose_ip
from alpy.adapters.recovery.containers import LabelledContainers
from alpy.adapters.recovery.owner import this_process
from alpy.adapters.recovery.processes import RunProcesses
from alpy.adapters.recovery.traces import Trace
from alpy.adapters.tap import interface_exists, tap_name
from alpy.core.errors import DockerError
from alpy.core.waiting import Deadline, Limits, wait_until
from alpy.wiring import clear_dead_runs
from tests.integration import cut_short, remains, tiny_guest
from tests.integration.docker_rigs import BUSYBOX, IPROUTE2

pytestmark = [pytest.mark.docker, pytest.mark.qemu]

CLOCK = SystemClock()
PATIENCE = 30.0
# Seconds from its "begins" to the end of a run of doomed.py that nobody kills, and a bit more.
LIFE = 1.6
SEED = 20240229


class Doomed:
    """A run in a process of its own."""

    def __init__(self, folder: Path, name: str, way: str) -> None:
        self.run_dir = folder / name
        kernel = tiny_guest.write_kernel(folder / f"{name}.kernel")
        self.errors = folder / f"{name}.err"
        with self.errors.open("w") as errors:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "tests.integration.doomed", kernel, self.run_dir, way],
                stdout=subprocess.PIPE,
                stderr=errors,
                text=True,
            )

    def line(self) -> str:
        assert self.process.stdout is not None
        return self.process.stdout.readline().strip()

    def wait_for(self, word: str) -> None:
        while line := self.line():
            if line == word:
                return
        raise AssertionError(self.errors.read_text())

    @property
    def log(self) -> str:
        path = self.run_dir / "debug.log"
        return path.read_text() if path.exists() else ""

    @property
    def ends(self) -> dict[str, str]:
        """How QEMU and each app ended, as the record tells it; nothing of one that never began."""
        begun = dict.fromkeys(re.findall(r" (QEMU|App) starts(?: app='(.*?)')?\n", self.log), "")
        told = re.findall(r" (QEMU|App) ended(?: app='(.*?)')? status='(.*?)'", self.log)
        ends = begun | {(kind, name): status for kind, name, status in told}
        return {name or kind: status for (kind, name), status in ends.items()}

    @property
    def run(self) -> str:
        return self.log.partition(" run ")[2].partition("\n")[0]

    def kill(self, *, guard_too: bool = False) -> None:
        if guard_too and (guard := remains.children(self.process.pid).get("guard_process")):
            # Stopped first, so that it can't see its guard die and act on it.
            os.kill(self.process.pid, signal.SIGSTOP)
            os.kill(guard, signal.SIGKILL)
        self.process.kill()
        self.process.wait(PATIENCE)

    def close(self) -> None:
        self.process.kill()
        self.process.wait(PATIENCE)
        if self.process.stdout:
            self.process.stdout.close()


@pytest.fixture
def doomed() -> Iterator[ExitStack]:
    with ExitStack() as stack:
        yield stack


def start(stack: ExitStack, folder: Path, name: str, way: str = "once") -> Doomed:
    child = Doomed(folder, name, way)
    stack.callback(child.close)
    return child


def within(seconds: float, child: Doomed, *, told: str = "") -> None:
    """Nothing of the run is there, and its record is closed, in so many seconds."""
    wait_until(
        lambda: not remains.of_run(child.run) and told in child.log,
        awaited=f"the end of all of run {child.run}, of which there is {remains.of_run(child.run)}",
        timeout=seconds,
        clock=CLOCK,
    )


@pytest.mark.parametrize("batch", range(4))
def test_after_sigkill_at_any_moment_nothing_stays_and_the_record_is_closed(
    batch: int, doomed: ExitStack, tmp_path: Path
) -> None:
    chance = random.Random(SEED + batch)  # noqa: S311  moments, not secrets
    for number in range(3):
        child = start(doomed, tmp_path, f"run{number}")
        child.wait_for("begins")
        CLOCK.sleep(LIFE * (3 * batch + number + chance.random()) / 12)
        child.kill()
        stood_by, dismissed = ("Guard stands by" in child.log, "Guard dismissed" in child.log)
        within(5, child, told="cut short" if stood_by and not dismissed else "")
        if stood_by:
            assert all(child.ends.values()), child.log


def test_one_that_is_up_is_gone_with_its_apps(doomed: ExitStack, tmp_path: Path) -> None:
    child = start(doomed, tmp_path, "run", "on")
    child.wait_for("up")
    child.kill()
    within(5, child, told="cut short")
    assert "sleep (Exited (137)" in child.log
    server, *others = (status for name, status in child.ends.items() if name != "QEMU")
    assert server == "SIGKILL"
    assert all(others)
    assert child.ends["QEMU"].startswith("unknown: its run was killed")


def test_how_a_run_that_was_not_killed_and_its_apps_ended_is_told(
    doomed: ExitStack, tmp_path: Path
) -> None:
    child = start(doomed, tmp_path, "run")
    child.wait_for("ended")
    assert child.process.wait(PATIENCE) == 0
    assert child.ends == {"QEMU": "exit code 0", "node1-1-sleep": "SIGTERM"}


WORKING = ["working-disk0.base", "working-disk0.qcow2", "working-uefi-variables.fd"]
KEPT = ["disk0.base", "disk0.qcow2", "uefi-variables.fd"]


@pytest.mark.parametrize("moment", cut_short.MOMENTS)
@pytest.mark.parametrize(("keep", "gone", "stay"), [("", WORKING, []), ("keep", [], KEPT)])
def test_a_run_that_is_killed_in_its_launch_leaves_no_file_but_those_to_be_kept(
    moment: str, keep: str, gone: list[str], stay: list[str], tmp_path: Path
) -> None:
    command = [sys.executable, "-m", "tests.integration.cut_short", str(tmp_path), moment, keep]
    assert subprocess.run(command, check=False, timeout=PATIENCE).returncode == -signal.SIGKILL
    log = tmp_path / "run" / "debug.log"
    wait_until(
        lambda: "cut short" in log.read_text(),
        awaited="the guard's account",
        timeout=PATIENCE,
        clock=CLOCK,
    )
    told = re.findall(r"Removed after its end: file .*/(.*)", log.read_text())
    left = [path.name for path in log.parent.iterdir() if re.search("disk|uefi", path.name)]
    assert (sorted(told), sorted(left)) == (gone, stay)
    assert (tmp_path / "disk").exists()


@pytest.mark.parametrize("moment", cut_short.MOMENTS)
def test_one_that_is_killed_there_with_its_guard_is_found_by_its_note_and_swept(
    moment: str, tmp_path: Path
) -> None:
    command = [sys.executable, "-m", "tests.integration.cut_short", str(tmp_path), moment, "guard"]
    assert subprocess.run(command, check=False, timeout=PATIENCE).returncode == -signal.SIGKILL
    log = tmp_path / "run" / "debug.log"
    assert sorted(path.name for path in log.parent.glob("working-*")) == WORKING
    clear_dead_runs()
    assert not list(log.parent.glob("working-*"))
    assert "cut short" in log.read_text()
    assert str(tmp_path) not in str(clear_dead_runs())


def test_a_forked_child_that_holds_everything_changes_nothing(
    doomed: ExitStack, tmp_path: Path
) -> None:
    child = start(doomed, tmp_path, "run", "forked")
    child.wait_for("begins")
    heir = int(child.line())
    try:
        child.wait_for("up")
        child.kill()
        within(5, child, told="cut short")
    finally:
        os.kill(heir, signal.SIGKILL)


def test_without_its_guard_what_stays_is_swept_later_and_a_live_run_is_left_alone(
    doomed: ExitStack, tmp_path: Path
) -> None:
    live = start(doomed, tmp_path, "live", "once")
    live.wait_for("begins")
    dead = []
    for number in range(4):
        child = start(doomed, tmp_path, f"dead{number}")
        child.wait_for("begins")
        CLOCK.sleep(LIFE * number / 5)
        child.kill(guard_too=True)
        dead.append(child)
    other = start(doomed, tmp_path, "other", "on")
    other.wait_for("up")
    clear_dead_runs()
    for child in dead:
        # What was asked of the daemon last may come only now.
        if child.run:
            within(1, child)
        # Where nothing was left to find, nobody completes the record.
        if "cut short" in child.log:
            assert all(child.ends.values()), child.log
    assert remains.of_run(other.run)
    live.wait_for("ended")
    assert live.process.wait(PATIENCE) == 0
    other.kill()
    within(5, other, told="cut short")


def test_a_run_whose_guard_was_killed_ends_well_and_says_so(
    doomed: ExitStack, tmp_path: Path
) -> None:
    child = start(doomed, tmp_path, "run")
    child.wait_for("up")
    os.kill(remains.children(child.process.pid)["guard_process"], signal.SIGKILL)
    child.wait_for("ended")
    assert child.process.wait(PATIENCE) == 0
    assert "WARNING  alpy.recovery   The guard died" in child.log
    assert not remains.of_run(child.run)


class Wreck:
    """Parts of a run whose process is dead, put there by hand."""

    def __init__(self, folder: Path) -> None:
        self.run = f"wreck-{secrets.token_hex(4)}"
        self.folder = folder / self.run
        self.folder.mkdir()
        (self.folder / "debug.log").write_text(f"then run {self.run}\n")
        ours = this_process(self.run, self.folder)
        self.owner = evolve(ours, start=ours.start - 1)
        self.engine = DockerEngine(run_id=self.run, clock=CLOCK, limits=Limits())
        self.ip: Ip = choose_ip(engine=self.engine, image=IPROUTE2)

    def container(self) -> None:
        name = self.engine.full_name(secrets.token_hex(4))
        labels = self.owner.labels()
        self.engine.client.containers.create(BUSYBOX, ["true"], name=name, labels=labels)

    def tap(self) -> str:
        name = tap_name(self.run, 0)
        batch = ip_batch.make_tap(name, owner=os.geteuid(), alias=self.owner.alias())
        self.ip.run(batch)
        return name

    def process(self) -> subprocess.Popen[bytes]:
        with (self.folder / "qemu.log").open("wb") as log:
            process = subprocess.Popen(
                ["sleep", "1000"], stdout=log, env=os.environ | {"ALPY_RUN": self.run}
            )
        # For a moment after its start the kernel shows no environment of it.
        wait_until(
            lambda: RunProcesses().find_of(self.run),
            awaited="the process",
            timeout=PATIENCE,
            clock=CLOCK,
        )
        return process


@pytest.fixture
def wreck(tmp_path: Path) -> Iterator[Wreck]:
    wreck = Wreck(tmp_path)
    yield wreck
    wreck.ip.remove()
    wreck.engine.close()


def test_each_kind_of_leftover_is_swept_and_told_in_its_record(wreck: Wreck) -> None:
    wreck.container()
    name = wreck.tap()
    process = wreck.process()
    overlay = wreck.folder / "working-disk0.qcow2"
    overlay.touch()
    (found,) = (run for run in clear_dead_runs(dry_run=True) if run.run == wreck.run)
    assert len(found.traces) == len([*remains.of_run(wreck.run), overlay]) == 4
    (swept,) = (run for run in clear_dead_runs() if run.run == wreck.run)
    assert swept.faults == ()
    assert process.wait(PATIENCE) == -signal.SIGKILL
    assert not remains.of_run(wreck.run)
    assert not overlay.exists()
    assert f"Removed after its end: tap {name}" in (wreck.folder / "debug.log").read_text()


def test_a_process_alone_is_known_by_the_run_directory_that_it_writes_to(wreck: Wreck) -> None:
    process = wreck.process()
    clear_dead_runs()
    assert process.wait(PATIENCE) == -signal.SIGKILL


def test_two_sweeps_at_once_and_one_cut_short_leave_nothing(wreck: Wreck) -> None:
    for _ in range(6):
        wreck.container()
    wreck.tap()
    command = [sys.executable, "-m", "alpy", "clean"]
    with ExitStack() as stack:
        sweeps = [
            stack.enter_context(subprocess.Popen(command, stdout=subprocess.PIPE, text=True))
            for _ in range(3)
        ]
        wait_until(
            lambda: len(remains.of_run(wreck.run)) < 7,
            awaited="the first sweep's work",
            timeout=PATIENCE,
            clock=CLOCK,
        )
        sweeps[0].kill()
        said = [each.communicate(timeout=PATIENCE)[0] for each in sweeps[1:]]
    assert [each.returncode for each in sweeps[1:]] == [0, 0], said
    assert not remains.of_run(wreck.run)


def test_what_is_not_labelled_is_left_alone(tmp_path: Path, wreck: Wreck) -> None:
    client = docker.from_env()
    half = evolve(wreck.owner, run=f"half-{wreck.run}").labels()
    del half["alpy.start"]
    other_user = evolve(wreck.owner, run=f"other-{wreck.run}", uid=os.geteuid() + 1)
    elsewhere = evolve(wreck.owner, run=f"far-{wreck.run}", boot="-", host="-", dir="")
    names: dict[str, dict[str, str]] = {
        f"stranger-{wreck.run}": {},
        f"alpy-mine-{wreck.run}": {"alpy.run": "mine"},
        f"alpy-half-{wreck.run}-node0": half,
        f"alpy-{other_user.run}-node0": other_user.labels(),
        f"alpy-{elsewhere.run}-node0": elsewhere.labels(),
    }
    foreign = [
        client.containers.create(BUSYBOX, ["true"], name=each, labels=labels)
        for each, labels in names.items()
    ]
    name = f"alpyx{secrets.token_hex(3)}"
    wreck.ip.run([f"tuntap add dev {name} mode tap user {os.geteuid()}"])
    with (tmp_path / "log").open("w") as log:
        process = subprocess.Popen(["sleep", "1000"], stdout=log, env={"ALPY_RUN": "mine"})
    try:
        clear_dead_runs()
        for container in foreign:
            container.reload()
        assert interface_exists(name)
        assert process.poll() is None
    finally:
        process.kill()
        process.wait(PATIENCE)
        wreck.ip.run([ip_batch.delete(name)])
        for container in foreign:
            container.remove(force=True)
        client.close()


def test_a_container_of_an_image_that_was_made_of_an_app_is_its_users(wreck: Wreck) -> None:
    wreck.container()
    client = wreck.engine.client
    (app,) = wreck.engine.containers(f"alpy.run={wreck.run}")
    image = str(client.containers.get(app["Id"]).commit().id)
    mine = client.containers.create(image, ["true"])
    try:
        assert f"alpy.run={wreck.run}" in map("=".join, mine.labels.items())
        (swept,) = (run for run in clear_dead_runs() if run.run == wreck.run)
        assert len(swept.traces) == 1
        mine.reload()
    finally:
        mine.remove(force=True)
        client.images.remove(image)


def test_a_daemon_that_is_stuck_with_a_container_holds_a_removal_no_longer_than_it_may_take(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with StuckDaemon(str(tmp_path / "docker.sock"), StuckRequest) as daemon:
        thread = threading.Thread(target=daemon.serve_forever)
        thread.start()
        monkeypatch.setenv("DOCKER_HOST", f"unix://{tmp_path}/docker.sock")
        engine = DockerEngine(run_id="r1", clock=CLOCK, limits=Limits())
        stuck = Trace(run="r1", what="container stuck", maker="node", handle="0123")
        begun = CLOCK.now()
        try:
            with pytest.raises(DockerError, match="did not answer in time"):
                LabelledContainers(engine).remove(stuck, Deadline.after(1, clock=CLOCK))
            assert 1 <= CLOCK.now() - begun < 10
        finally:
            daemon.over.set()
            engine.close()
            daemon.shutdown()
            thread.join(PATIENCE)


class StuckDaemon(ThreadingMixIn, UnixStreamServer):
    daemon_threads = True

    def __init__(self, path: str, handler: type[StuckRequest]) -> None:
        super().__init__(path, handler)
        self.over = threading.Event()


class StuckRequest(BaseHTTPRequestHandler):
    """Docker's API, as far as to say which version of it, and to remove nothing."""

    server: StuckDaemon

    def do_GET(self) -> None:
        body = b'{"ApiVersion": "1.41"}'
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def do_DELETE(self) -> None:
        self.server.over.wait(PATIENCE)

    def log_message(self, *_: object) -> None:
        """Nothing: the test tells."""


def test_the_next_run_clears_up_after_a_dead_one(
    wreck: Wreck, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    wreck.container()
    kernel = tiny_guest.write_kernel(tmp_path / "kernel")
    appliance = alpy.Appliance(
        name="tiny", kernel=alpy.Kernel(image=str(kernel)), acceleration=alpy.Acceleration.TCG
    )
    with alpy.testbed(appliance, links=0, run_dir=tmp_path / "run"):
        assert not remains.of_run(wreck.run)
    warnings = [each.getMessage() for each in caplog.records if each.levelname == "WARNING"]
    assert sum(wreck.run in warning for warning in warnings) == 1
