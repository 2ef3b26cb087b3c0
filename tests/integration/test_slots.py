# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import logging
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from attrs import define, field

from alpy.adapters.capacity import Capacity
from alpy.adapters.clock import SystemClock
from alpy.adapters.holdings import Holdings
from alpy.adapters.slots import _LINE, FileSlots
from alpy.core.errors import NoRoomError
from alpy.core.waiting import wait_until
from tests.contracts.slots import CPUS, LONG, MEMORY_MIB, SHORT, SlotsContract

HOLDER = "tests.integration.slots_holder"
ROOT = Path(__file__).parents[2]


@define(eq=False)
class Holder:
    """A process that takes room and holds it."""

    process: subprocess.Popen[bytes]

    @classmethod
    def start(cls, folder: Path, *, cpus: int = CPUS, memory_mib: int = MEMORY_MIB) -> Holder:
        numbers = map(str, (CPUS, MEMORY_MIB, cpus, memory_mib))
        holder = cls(
            subprocess.Popen(
                [sys.executable, "-m", HOLDER, str(folder), *numbers],
                cwd=ROOT,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
            )
        )
        assert holder.reads() == "waits"
        return holder

    def reads(self) -> str:
        """Its next line."""
        assert self.process.stdout
        return self.process.stdout.readline().decode().strip()

    def kill(self) -> None:
        self.process.kill()

    def end(self) -> None:
        self.process.kill()
        self.process.communicate()

    def take(self, **_what: object) -> None:
        raise NotImplementedError

    take_free = take

    def release(self) -> None:
        self.end()


@define(eq=False)
class HostRig:
    folder: Path
    _runs: list[FileSlots | Holder] = field(factory=list)
    _timers: list[threading.Timer] = field(factory=list)

    def run(self) -> FileSlots:
        run = FileSlots(
            folder=self.folder,
            capacity=lambda: Capacity(cpus=CPUS, memory_mib=MEMORY_MIB),
            clock=SystemClock(),
        )
        self._runs.append(run)
        return run

    def later(self, action: Callable[[], object]) -> None:
        timer = threading.Timer(0.1, action)
        self._timers.append(timer)
        timer.start()

    def take_in_process(self) -> Holder:
        holder = self.holder()
        assert holder.reads() == "taken"
        return holder

    def holder(self, *, cpus: int = CPUS, memory_mib: int = MEMORY_MIB) -> Holder:
        """A process that takes room, and may have to wait for it."""
        holder = Holder.start(self.folder, cpus=cpus, memory_mib=memory_mib)
        self._runs.append(holder)
        return holder

    def kill(self, run: Holder) -> None:
        run.kill()

    def wait_for_line(self, length: int) -> None:
        """Wait until so many stand in the line."""
        look = self.run()
        assert look._open()
        wait_until(
            lambda: len(list(look._locks.taken(_LINE))) == length,
            awaited="the line",
            timeout=LONG,
            clock=SystemClock(),
        )

    def clear(self) -> None:
        for timer in self._timers:
            timer.join()
        for run in self._runs:
            run.release()


@pytest.fixture
def rig(tmp_path: Path) -> Iterator[HostRig]:
    rig = HostRig(tmp_path / "private")
    yield rig
    rig.clear()


class TestFileSlots(SlotsContract):
    pass


def test_the_kernel_frees_what_a_killed_process_had_at_once(rig: HostRig) -> None:
    holder = rig.take_in_process()
    holder.kill()
    holder.process.wait()
    rig.run().take(cpus=CPUS, memory_mib=MEMORY_MIB, timeout=SHORT)


def test_one_that_is_killed_in_the_line_stands_in_nobodys_way(rig: HostRig) -> None:
    first = rig.run()
    first.take(cpus=2, memory_mib=256, timeout=SHORT)
    waiter = rig.holder()
    rig.wait_for_line(1)
    with pytest.raises(NoRoomError, match=f"process {waiter.process.pid} waits before this one"):
        rig.run().take(cpus=1, memory_mib=256, timeout=SHORT)
    waiter.kill()
    waiter.process.wait()
    rig.run().take(cpus=1, memory_mib=256, timeout=SHORT)


def test_processes_get_their_turn_in_the_order_of_their_coming(rig: HostRig) -> None:
    first = rig.run()
    first.take(cpus=CPUS, memory_mib=256, timeout=SHORT)
    waiters = []
    for number in range(3):
        waiters.append(rig.holder())
        rig.wait_for_line(number + 1)
    first.release()
    for number, waiter in enumerate(waiters):
        assert waiter.reads() == "taken"
        rig.wait_for_line(len(waiters) - number - 1)
        waiter.end()


def test_a_child_that_was_forked_does_not_keep_what_is_released(rig: HostRig) -> None:
    first = rig.run()
    first.take(cpus=CPUS, memory_mib=256, timeout=SHORT)
    child = os.fork()
    if not child:
        time.sleep(100)
        os._exit(0)
    try:
        first.release()
        rig.run().take(cpus=CPUS, memory_mib=256, timeout=SHORT)
    finally:
        os.kill(child, signal.SIGKILL)
        os.waitpid(child, 0)


def test_a_program_that_was_started_does_not_keep_it_when_its_parent_dies(rig: HostRig) -> None:
    first = rig.run()
    first.take(cpus=CPUS, memory_mib=256, timeout=SHORT)
    assert not os.get_inheritable(first._locks.fileno())


def test_threads_and_processes_never_have_more_than_there_is(rig: HostRig) -> None:
    lock = threading.Lock()
    inside, seen = [0], list[int]()

    def live(number: int) -> None:
        cpus = 1 + number % 3
        run = rig.run()
        run.take(cpus=cpus, memory_mib=256, timeout=LONG)
        with lock:
            inside[0] += cpus
            seen.append(inside[0])
        time.sleep(0.02)
        with lock:
            inside[0] -= cpus
        run.release()

    other = rig.holder(cpus=1, memory_mib=256)
    assert other.reads() == "taken"
    with ThreadPoolExecutor(12) as pool:
        list(pool.map(live, range(24)))
    assert len(seen) == 24
    assert max(seen) == CPUS - 1, "one CPU is the other process's"


def test_a_wait_is_told_after_a_second_and_says_who_has_what(
    rig: HostRig, caplog: pytest.LogCaptureFixture
) -> None:
    holder = rig.take_in_process()
    run = rig.run()
    has = f"process {holder.process.pid} has {CPUS} CPUs and {MEMORY_MIB} MiB"
    with (
        caplog.at_level(logging.INFO, logger="alpy"),
        pytest.raises(NoRoomError, match=f"room for .* 1 CPU and 256 MiB.*{has}.*ALPY_SLOTS_CPUS"),
    ):
        run.take(cpus=1, memory_mib=256, timeout=1.3)
    (line,) = caplog.messages
    assert line.startswith("Waits for room for 1 CPU and 256 MiB seconds=1")
    assert has in line


def test_where_the_file_can_not_be_runs_do_not_wait_and_are_told_why(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / "open to all").mkdir()
    (tmp_path / "open to all").chmod(0o777)
    rig = HostRig(tmp_path / "open to all")
    for _ in range(2):
        rig.run().take(cpus=CPUS, memory_mib=256, timeout=SHORT)
    rig.clear()
    assert "others can look into it" in caplog.text


def test_a_machine_larger_than_the_host_is_a_warning(
    rig: HostRig, caplog: pytest.LogCaptureFixture
) -> None:
    rig.run().take(cpus=64, memory_mib=256, timeout=SHORT)
    assert "larger than its host" in caplog.text
    assert "64 CPUs" in caplog.text


def test_while_it_waits_it_costs_next_to_no_cpu(rig: HostRig) -> None:
    rig.run().take(cpus=CPUS, memory_mib=256, timeout=SHORT)
    before = time.thread_time()
    with pytest.raises(NoRoomError):
        rig.run().take(cpus=1, memory_mib=256, timeout=3)
    assert time.thread_time() - before < 0.02 * 3


def test_room_that_was_not_released_is_found_by_the_audit_of_its_own_run(tmp_path: Path) -> None:
    ours, others = Holdings("ours"), Holdings("others")
    run, other = (
        FileSlots(
            folder=tmp_path / "private",
            capacity=lambda: Capacity(cpus=CPUS, memory_mib=MEMORY_MIB),
            clock=SystemClock(),
            holdings=holdings,
        )
        for holdings in (ours, others)
    )
    for each in (run, other):
        each.take(cpus=1, memory_mib=256, timeout=SHORT)
    other.release()
    (left,) = ours.open_descriptors()
    assert (left.maker, others.open_descriptors()) == ("slots", [])
    run.release()
    assert ours.open_descriptors() == []
