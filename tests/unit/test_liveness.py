# SPDX-License-Identifier: GPL-3.0-or-later
"""Which run is alive: the table, and the lock on a real file."""

from __future__ import annotations

import fcntl
import os
from collections.abc import Mapping
from pathlib import Path

import pytest
from attrs import evolve

from alpy.adapters.recovery.liveness import Here, Life, Lock, judge, look, open_log, probe
from alpy.adapters.recovery.owner import Owner, start_of, this_process
from alpy.adapters.run_directory import DiskRunDirectory

OURS = Owner(run="r1", pid=42, start=1000, boot="today", host="rack", pidns="4026", uid=0)


def host(
    processes: Mapping[int, int], *, boot: str = "today", host: str = "rack", pidns: str = "4026"
) -> Here:
    return Here(boot=boot, host=host, pidns=pidns, start_of=processes.get)


LIVES, REUSED, GONE = {42: 1000}, {42: 2000}, dict[int, int]()


@pytest.mark.parametrize(
    ("lock", "processes", "life"),
    [
        (Lock.HELD, LIVES, Life.ALIVE),
        (Lock.UNKNOWN, LIVES, Life.ALIVE),
        (Lock.FREE, LIVES, Life.DEAD),  # it ended, and its process goes on with other things
        (Lock.HELD, GONE, Life.DEAD),  # a forked child holds on to the lock
        (Lock.HELD, REUSED, Life.DEAD),
        (Lock.UNKNOWN, REUSED, Life.DEAD),
        (Lock.UNKNOWN, GONE, Life.DEAD),
        (Lock.FREE, GONE, Life.DEAD),
    ],
)
def test_on_the_same_host_the_process_and_the_lock_tell(
    lock: Lock, processes: Mapping[int, int], life: Life
) -> None:
    assert judge(OURS, lock, host(processes)).life is life


@pytest.mark.parametrize(
    ("lock", "life"),
    [(Lock.HELD, Life.ALIVE), (Lock.FREE, Life.DEAD), (Lock.UNKNOWN, Life.UNKNOWN)],
)
@pytest.mark.parametrize("processes", [LIVES, REUSED, GONE])
def test_a_process_id_of_another_namespace_tells_nothing(
    lock: Lock, life: Life, processes: Mapping[int, int]
) -> None:
    assert judge(OURS, lock, host(processes, pidns="4027")).life is life


@pytest.mark.parametrize(
    ("lock", "life"),
    [(Lock.HELD, Life.ALIVE), (Lock.FREE, Life.DEAD), (Lock.UNKNOWN, Life.DEAD)],
)
@pytest.mark.parametrize("processes", [LIVES, REUSED, GONE])
def test_after_a_boot_only_a_lock_can_mean_life(
    lock: Lock, life: Life, processes: Mapping[int, int]
) -> None:
    assert judge(OURS, lock, host(processes, boot="tomorrow")).life is life


@pytest.mark.parametrize(
    ("lock", "life"),
    [(Lock.HELD, Life.ALIVE), (Lock.FREE, Life.UNKNOWN), (Lock.UNKNOWN, Life.UNKNOWN)],
)
@pytest.mark.parametrize("processes", [LIVES, REUSED, GONE])
def test_a_run_of_another_machine_is_never_taken_for_dead(
    lock: Lock, life: Life, processes: Mapping[int, int]
) -> None:
    elsewhere = host(processes, boot="its own", host="other rack")
    assert judge(OURS, lock, elsewhere).life is life
    assert judge(evolve(OURS, host=""), lock, elsewhere).life is life


def test_a_machine_that_was_renamed_since_its_boot_is_still_the_same() -> None:
    assert judge(OURS, Lock.UNKNOWN, host(GONE, host="new name")).life is Life.DEAD


@pytest.fixture
def run(tmp_path: Path) -> DiskRunDirectory:
    return DiskRunDirectory(tmp_path / "run", run_id="r1")


def test_a_run_directory_is_locked_while_it_is_taken(run: DiskRunDirectory) -> None:
    assert probe(run.path, "r1") is Lock.UNKNOWN
    run.take()
    assert probe(run.path, "r1") is Lock.HELD
    run.release()
    assert probe(run.path, "r1") is Lock.FREE


def test_the_lock_of_another_run_in_the_same_folder_tells_nothing(run: DiskRunDirectory) -> None:
    run.take()
    assert probe(run.path, "r2") is Lock.UNKNOWN
    run.release()


def test_two_who_ask_do_not_take_each_other_for_the_run(run: DiskRunDirectory) -> None:
    run.take()
    run.release()
    other = open_log(run.path, "r1", os.O_RDONLY)
    fcntl.flock(other, fcntl.LOCK_SH)
    assert probe(run.path, "r1") is Lock.FREE
    os.close(other)


def test_a_log_that_is_a_link_or_no_file_is_not_opened(
    run: DiskRunDirectory, tmp_path: Path
) -> None:
    run.take()
    run.release()
    link, folder = tmp_path / "link", tmp_path / "folder"
    link.mkdir()
    (link / "debug.log").symlink_to(run.file("debug.log"))
    (folder / "debug.log").mkdir(parents=True)
    os.mkfifo(tmp_path / "debug.log")
    for directory in (link, folder, tmp_path):
        assert probe(directory, "r1") is Lock.UNKNOWN


def test_this_process_is_alive_with_and_without_a_folder(run: DiskRunDirectory) -> None:
    run.take()
    assert look(this_process("r1", run.path), Here()).life is Life.ALIVE
    assert look(this_process("r1", None), Here()).life is Life.ALIVE
    run.release()
    assert look(this_process("r1", run.path), Here()).life is Life.DEAD


def test_an_earlier_process_with_this_id_is_dead() -> None:
    ours = this_process("r1", None)
    assert look(evolve(ours, start=ours.start - 1), Here()).life is Life.DEAD


def test_a_zombie_does_not_live() -> None:
    child = os.fork()
    if not child:
        os._exit(0)
    os.waitid(os.P_PID, child, os.WEXITED | os.WNOWAIT)
    try:
        assert start_of(child) is None
    finally:
        os.waitpid(child, 0)
