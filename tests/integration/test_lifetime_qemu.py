# SPDX-License-Identifier: GPL-3.0-or-later
"""How long QEMU lives: no longer than the test, however that ends, and no shorter."""

from __future__ import annotations

import gc
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from types import FrameType
from uuid import uuid4

import pytest
from attrs import evolve

from alpy.adapters.clock import SystemClock
from alpy.adapters.qemu.lifetime import tied
from alpy.adapters.qemu.machine import QemuMachine
from alpy.adapters.qemu.process import QemuProcess
from alpy.adapters.run_directory import DiskRunDirectory
from alpy.adapters.signals import ProcessSignals
from alpy.core.errors import HostError, MachineStoppedError, RunDirectoryError
from alpy.core.exit_status import ExitStatus
from alpy.core.testbed import Testbed
from alpy.fakes import World
from tests.contracts.machine import END
from tests.integration.qemu_rig import (
    QemuRig,
    children,
    open_descriptors,
    processes_of,
    threads,
)
from tests.integration.tiny_guest import GREETING

pytestmark = pytest.mark.qemu

# So much later nothing may be left of a test that was killed.
GRACE = 1.0
# From before QEMU's start, which comes after some 15 ms, to its first instructions.
DELAYS = [milliseconds / 1000 for milliseconds in (0, 5, 10, 14, 17, 20, 23, 26, 30, 40, 60, 90)]


@pytest.fixture
def run_id() -> str:
    return f"test-{uuid4().hex[:12]}"


@pytest.fixture
def rig(tmp_path: Path, run_id: str) -> Iterator[QemuRig]:
    made = QemuRig(tmp_path, run_id=run_id)
    yield made
    made.finish()


@contextmanager
def another_test(folder: Path, run_id: str) -> Iterator[subprocess.Popen[str]]:
    """One in a process of its own, about to launch."""
    argv = [sys.executable, "-m", "tests.integration.qemu_life", str(folder), run_id]
    with subprocess.Popen(argv, stdin=-1, stdout=-1, text=True) as process:
        try:
            assert _line(process) == "ready"
            yield process
        finally:
            process.kill()


def _line(process: subprocess.Popen[str]) -> str:
    assert process.stdout
    return process.stdout.readline().strip()


def _launch(process: subprocess.Popen[str]) -> None:
    assert process.stdin
    process.stdin.write("launch\n")
    process.stdin.flush()


def gone_within(seconds: float, look: Callable[[], set[str]]) -> bool:
    deadline = time.monotonic() + seconds
    while look() and time.monotonic() < deadline:
        time.sleep(0.01)
    return not look()


def test_qemu_dies_with_a_test_that_is_killed(tmp_path: Path, run_id: str) -> None:
    with another_test(tmp_path, run_id) as process:
        _launch(process)
        pid = _line(process)
        assert processes_of(run_id) == {pid}
        process.kill()
        assert gone_within(GRACE, lambda: processes_of(run_id))


def test_qemu_dies_with_a_test_that_forgets_it(tmp_path: Path, run_id: str) -> None:
    with another_test(tmp_path, run_id) as process:
        _launch(process)
        pid = _line(process)
        assert processes_of(run_id) == {pid}
        assert process.stdin
        process.stdin.close()
        assert process.wait(END) == 0
        assert gone_within(GRACE, lambda: processes_of(run_id))


@pytest.mark.parametrize("delay", DELAYS)
def test_a_kill_at_any_moment_of_the_launch_leaves_no_qemu(
    tmp_path: Path, run_id: str, delay: float
) -> None:
    with another_test(tmp_path, run_id) as process:
        _launch(process)
        time.sleep(delay)
        process.kill()
        process.wait(END)
        assert gone_within(GRACE, lambda: processes_of(run_id))


def test_qemu_outlives_the_thread_that_launched_it(rig: QemuRig) -> None:
    thread = threading.Thread(target=rig.launch)
    thread.start()
    thread.join(END)
    assert not thread.is_alive()
    assert rig.machine.wait_for_exit(timeout=0.2) is None
    rig.machine.kill()
    assert rig.machine.wait_for_exit(timeout=0) == ExitStatus(signal=9)


def test_its_end_is_known_at_once_and_by_everyone_who_waits(rig: QemuRig) -> None:
    rig.launch()
    seen: list[ExitStatus | None] = []
    waiting = [
        threading.Thread(target=lambda: seen.append(rig.machine.wait_for_exit(timeout=END)))
        for _ in range(3)
    ]
    for thread in waiting:
        thread.start()
    begin = time.monotonic()
    rig.signal(signal.SIGKILL)
    for thread in waiting:
        thread.join(END)
    assert seen == [ExitStatus(signal=9)] * 3
    assert time.monotonic() - begin < 0.5


def test_a_kill_leaves_no_thread_descriptor_or_zombie(rig: QemuRig) -> None:
    before = threads(), open_descriptors(), children()
    _, console = rig.boot()
    console.expect(GREETING.strip(), timeout=20)
    rig.machine.kill()
    assert (threads(), open_descriptors(), children()) == before


def test_what_qemu_printed_last_is_in_the_logs_after_a_kill(rig: QemuRig) -> None:
    monitor, console = rig.boot()
    console.expect(GREETING.strip(), timeout=20)
    monitor.press_power_button()
    monitor.wait_for_event("SHUTDOWN", timeout=20)
    rig.machine.kill()
    assert rig.run.file("console.log").read_text() == GREETING
    assert '"SHUTDOWN"' in rig.run.file("qmp.log").read_text()


def test_one_thing_that_fails_does_not_keep_a_kill_from_the_rest(rig: QemuRig) -> None:
    before = threads(), open_descriptors(), children()
    rig.run.file("qmp.log").symlink_to("/dev/full")
    rig.boot()
    with pytest.raises(RunDirectoryError, match=r"qmp\.log"):
        rig.machine.kill()
    assert (threads(), open_descriptors(), children()) == before
    assert not list(rig.run.path.glob("disk0*"))


def test_thirty_lives_in_one_process_leave_nothing(tmp_path: Path, run_id: str) -> None:
    before = threads(), open_descriptors(), children()
    for number in range(30):
        folder = tmp_path / str(number)
        folder.mkdir()
        rig = QemuRig(folder, run_id=run_id)
        monitor, _ = rig.boot()
        if number % 2:
            monitor.quit()
        rig.finish()
        assert (threads(), open_descriptors(), children()) == before
    assert processes_of(run_id) == set()


def test_qemu_gets_the_run_id_and_no_secret_of_the_environment(
    rig: QemuRig, run_id: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("API_TOKEN", "secret")
    rig.launch()
    environ = Path(f"/proc/{rig.pid}/environ").read_text().rstrip("\0")
    variables = dict(line.split("=", 1) for line in environ.split("\0"))
    assert variables["ALPY_RUN"] == run_id
    # The last three are the shell's own.
    known = {"HOME", "LANG", "LD_LIBRARY_PATH", "PATH", "QEMU_MODULE_DIR", "TMPDIR"}
    assert set(variables) <= known | {"ALPY_RUN", "PWD", "SHLVL", "_"}
    assert "secret" not in rig.run.file("qemu.log").read_text()


def test_a_qemu_that_a_signal_has_stopped_is_told_at_once_and_killed(
    rig: QemuRig, run_id: str, tmp_path: Path
) -> None:
    before = threads(), open_descriptors(), children()
    world, topology, clock = World(), rig.topology(), SystemClock()
    ports = evolve(
        world.ports,
        clock=clock,
        signals=ProcessSignals(),
        run_directory=DiskRunDirectory(tmp_path / "bed", run_id=run_id),
        machine=rig.machine,
    )
    bed = Testbed(topology=topology, ports=ports)
    with pytest.raises(MachineStoppedError, match="kill -CONT"), bed:
        bed.dut.start()
        bed.console.expect(GREETING.strip(), timeout=20)
        rig.stop_hypervisor()
        begin = clock.now()
    assert clock.now() - begin < 1
    assert processes_of(run_id) == set()
    assert (threads(), open_descriptors(), children()) == before


class _Interrupt(BaseException):
    """Comes wherever the program is, as Ctrl-C does."""


@contextmanager
def interrupt_after(seconds: float) -> Iterator[None]:
    def strike(_number: int, _frame: FrameType | None) -> None:
        raise _Interrupt

    before = signal.signal(signal.SIGALRM, strike)
    signal.setitimer(signal.ITIMER_REAL, seconds)
    try:
        with pytest.raises(_Interrupt):
            yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)


@pytest.mark.parametrize("delay", DELAYS[1:])
def test_an_interrupt_at_any_moment_of_the_launch_loses_nothing_to_the_kill(
    rig: QemuRig, run_id: str, delay: float
) -> None:
    topology = rig.topology()
    before = threads(), open_descriptors()
    with interrupt_after(delay):
        rig.machine.launch(topology, [], rig.run)
        rig.machine.connect_monitor(timeout=END, command_timeout=END)
        time.sleep(END)
    rig.machine.kill()
    gc.collect()
    assert processes_of(run_id) == set()
    assert (threads(), open_descriptors()) == before


def test_a_process_that_was_never_started_can_be_killed(tmp_path: Path) -> None:
    before = threads()
    process = QemuProcess(["sleep", "60"], log=tmp_path / "log", inherit=())
    process.kill(timeout=END)
    assert process.wait(END) is None
    assert threads() == before
    assert not (tmp_path / "log").exists()


def _path_of(folder: Path, monkeypatch: pytest.MonkeyPatch, **programs: str) -> None:
    """Let only these *programs*, in shell, be found."""
    folder.mkdir()
    for name, script in programs.items():
        program = folder / name
        program.write_text(f"#!/bin/sh\n{script}\n")
        program.chmod(0o755)
    monkeypatch.setenv("PATH", str(folder))


BUSYBOX = "echo \"setpriv: unrecognized option '--pdeathsig'\" >&2; exit 1"
KNOWS = "echo 'run-with options:'; echo '  exit-with-parent=<bool (on/off)>'"
KNOWS_NOT = "echo 'qemu: -run-with: invalid option' >&2; exit 1"


@pytest.mark.parametrize("programs", [{}, {"setpriv": BUSYBOX}], ids=["none", "busybox"])
def test_without_setpriv_a_qemu_that_can_watches_its_parent_itself(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, programs: dict[str, str]
) -> None:
    _path_of(tmp_path / "bin", monkeypatch, qemu=KNOWS, **programs)
    qemu = str(tmp_path / "bin/qemu")
    assert tied(["qemu", "-S"]) == [qemu, "-S", "-run-with", "exit-with-parent=on"]


def test_without_either_qemu_is_started_all_the_same(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    _path_of(tmp_path / "bin", monkeypatch, qemu=KNOWS_NOT)
    assert tied(["qemu", "-S"]) == [str(tmp_path / "bin/qemu"), "-S"]


def test_a_program_that_is_not_there_is_told_by_the_launch(rig: QemuRig) -> None:
    before = threads(), open_descriptors()
    machine = QemuMachine(clock=SystemClock(), program="qemu-that-is-not-there")
    with pytest.raises(HostError, match="not on PATH"):
        machine.launch(rig.topology(), [], rig.run)
    machine.kill()
    assert machine.wait_for_exit(timeout=END) is None
    assert (threads(), open_descriptors()) == before


def test_an_orphan_does_not_become_a_qemu(tmp_path: Path) -> None:
    """The parent died before the kernel was asked for the signal: a script stands for that."""
    witness = tmp_path / "ran"
    argv = tied(["touch", str(witness)])
    with suppress(subprocess.TimeoutExpired):
        # Another parent than the one that `tied` was told of.
        subprocess.run(["/bin/sh", "-c", '"$@"; :', "sh", *argv], check=False, timeout=END)
    assert not witness.exists()
    subprocess.run(argv, check=True, timeout=END)
    assert witness.exists()
