# SPDX-License-Identifier: GPL-3.0-or-later
"""What a run holds in this process is told apart from all that others hold."""

from __future__ import annotations

import os
import socket
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from pathlib import Path

import pytest
from attrs import define

from alpy.adapters.holdings import Holdings
from alpy.core.ports import Leftover


@define
class Holder:
    descriptor: int

    def fileno(self) -> int:
        return self.descriptor


@pytest.fixture
def stack() -> Iterator[ExitStack]:
    with ExitStack() as stack:
        yield stack


def test_the_other_end_of_a_pipe_is_somebody_elses(stack: ExitStack) -> None:
    holdings = Holdings("run")
    reads, writes = os.pipe()
    stack.callback(os.close, reads)
    holdings.note(writes, "guard")
    (leftover,) = holdings.open_descriptors()
    assert (leftover.what.partition("[")[0], leftover.maker) == ("pipe:", "guard")
    os.close(writes)
    assert holdings.open_descriptors() == []


def test_a_number_that_others_have_got_since_tells_nothing(stack: ExitStack) -> None:
    holdings = Holdings("run")
    ours, theirs = holdings.socketpair("console")
    numbers = {ours.fileno(), theirs.fileno()}
    ours.close()
    theirs.close()
    strangers = [stack.enter_context(end) for end in socket.socketpair()]
    assert {end.fileno() for end in strangers} == numbers
    assert holdings.open_descriptors() == []


def test_of_a_log_only_what_writes_it_is_counted(tmp_path: Path, stack: ExitStack) -> None:
    holdings = Holdings("run")
    log = (tmp_path / "console.log").open("w")
    holdings.note(log, "console")
    stack.enter_context((tmp_path / "console.log").open())
    assert [leftover.maker for leftover in holdings.open_descriptors()] == ["console"]
    log.close()
    assert holdings.open_descriptors() == []


def test_files_without_a_path_are_told_apart(stack: ExitStack) -> None:
    holdings = Holdings("run")
    ours, theirs = (os.memfd_create("memory") for _ in range(2))
    stack.callback(os.close, theirs)
    holdings.note(ours, "machine")
    assert len(holdings.open_descriptors()) == 1
    os.close(ours)
    assert holdings.open_descriptors() == []


def test_of_what_many_have_open_the_holder_tells_whether_it_has(stack: ExitStack) -> None:
    holdings = Holdings("run")
    ours, theirs = (os.open("/dev/null", os.O_RDWR) for _ in range(2))
    stack.callback(os.close, theirs)
    holder = Holder(ours)
    holdings.note_holder(holder, "skeleton")
    expected = Leftover(f"/dev/null, open as descriptor {ours}", "skeleton")
    assert holdings.open_descriptors() == [expected]
    os.close(ours)
    holder.descriptor = -1
    assert holdings.open_descriptors() == []


def test_a_thread_is_known_by_the_run_in_its_name() -> None:
    over = threading.Event()

    def wait() -> None:
        over.wait()

    mine, others = Holdings("run"), Holdings("run2")
    threads = [mine.thread(wait, "monitor"), others.thread(wait, "monitor")]
    assert mine.live_threads() == []
    for thread in threads:
        thread.start()
    assert mine.live_threads() == [Leftover("thread 'alpy-monitor run'", "monitor")]
    over.set()
    for thread in threads:
        thread.join()
    assert mine.live_threads() == []


def test_runs_in_many_threads_never_see_each_other() -> None:
    def live(number: int) -> list[Leftover]:
        found = []
        holdings = Holdings(f"run{number}")
        for _ in range(50):
            ends = holdings.socketpair("monitor")
            for end in ends:
                end.close()
            found += holdings.open_descriptors()
        return found

    with ThreadPoolExecutor(8) as pool:
        assert [each for found in pool.map(live, range(32)) for each in found] == []
