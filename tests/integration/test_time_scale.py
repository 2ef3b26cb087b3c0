# SPDX-License-Identifier: GPL-3.0-or-later
"""On a host that is said to be slower, each limit lasts longer, wherever the wait is."""

from __future__ import annotations

import socket
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pexpect
import pytest

import alpy
from alpy.adapters.clock import SystemClock
from alpy.adapters.console.pexpect_console import PexpectConsole
from alpy.adapters.qmp.monitor import QmpMonitor
from alpy.core.errors import (
    AlpyError,
    ConsoleTimeoutError,
    EventTimeoutError,
    InvalidValueError,
    MachineDiedError,
    MonitorTimeoutError,
)
from carrot import rabbit
from tests.integration.qmp_peer import QmpPeer

SCALE = 3
SHORT = 0.2


@contextmanager
def lasts(seconds: float) -> Iterator[None]:
    """The block takes at least so many seconds, and hardly more than scaled once."""
    begun = time.monotonic()
    yield
    assert seconds * SCALE <= time.monotonic() - begun < seconds * SCALE * 2.5 + 1


class TestConsole:
    @pytest.fixture
    def console(self, tmp_path: Path) -> Iterator[PexpectConsole]:
        ours, theirs = socket.socketpair()
        console = PexpectConsole(
            connection=ours,
            raw_log=tmp_path / "console.log",
            text_log=tmp_path / "console.txt",
            clock=SystemClock(SCALE),
            on_lost=lambda: None,
            send_timeout=SHORT,
        )
        with theirs:
            yield console
            console.close()

    def test_a_wait_for_a_pattern(self, console: PexpectConsole) -> None:
        with lasts(SHORT), pytest.raises(ConsoleTimeoutError, match=f"within {SHORT:g} s"):
            console.expect("login: ", timeout=SHORT)

    def test_the_pexpect_object(self, console: PexpectConsole) -> None:
        for wait in (console.spawn.expect, console.spawn.expect_exact):
            with lasts(SHORT), pytest.raises(pexpect.TIMEOUT):
                wait(["login: "], timeout=SHORT)

    def test_its_own_default(self, console: PexpectConsole) -> None:
        console.spawn.timeout = SHORT
        with lasts(SHORT), pytest.raises(pexpect.TIMEOUT):
            console.spawn.expect("login: ")

    def test_what_nobody_takes(self, console: PexpectConsole) -> None:
        with lasts(SHORT), pytest.raises(ConsoleTimeoutError, match="room for"):
            console.send("x" * 10_000_000)


class TestMonitor:
    @pytest.fixture
    def monitor(self, tmp_path: Path) -> Iterator[QmpMonitor]:
        ours, theirs = socket.socketpair()
        self.peer = QmpPeer(theirs)
        monitor = QmpMonitor(
            connection=ours,
            transcript=tmp_path / "qmp.log",
            clock=SystemClock(SCALE),
            command_timeout=10,
            on_lost=lambda: MachineDiedError(status=None, stderr=""),
        )
        monitor.connect(timeout=10)
        yield monitor
        monitor.close()
        self.peer.close()

    def test_a_wait_for_an_event(self, monitor: QmpMonitor) -> None:
        with lasts(SHORT), pytest.raises(EventTimeoutError, match=f"within {SHORT:g} s"):
            monitor.wait_for_event("STOP", timeout=SHORT)

    def test_a_command(self, monitor: QmpMonitor) -> None:
        self.peer.plan_silence("query-status")
        with lasts(SHORT), pytest.raises(MonitorTimeoutError, match=f"within {SHORT:g} s"):
            monitor.execute("query-status", timeout=SHORT)


@pytest.mark.docker
@pytest.mark.qemu
def test_a_testbed(tmp_path: Path) -> None:
    with alpy.testbed(
        rabbit.appliance(), links=1, run_dir=tmp_path / "run", time_scale=SCALE
    ) as bed:
        (node,) = bed.nodes
        with lasts(1), pytest.raises(ConsoleTimeoutError, match="within 1 s"):
            bed.console.expect("login: ", timeout=1)
        waits: list[tuple[float, Callable[[], object]]] = [
            (0.5, lambda: bed.dut.wait_for_shutdown(timeout=0.5)),
            (0.5, lambda: bed.dut.monitor.wait_for_event("STOP", timeout=0.5)),
            (1, lambda: node.run(["sleep", "60"], image=rabbit.TOOLS, timeout=1)),
        ]
        for seconds, wait in waits:
            with lasts(seconds), pytest.raises(AlpyError, match=f"within {seconds:g} s"):
                wait()
        node.run(["sleep", "2"], image=rabbit.TOOLS, timeout=1)
    log = (bed.run_dir / "debug.log").read_text()
    assert log.count(f"Each time limit is stretched for this host time_scale={SCALE}") == 1


def test_the_environment_stretches_what_the_test_does_not(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ALPY_TIME_SCALE", "2.5")
    assert alpy.testbed(rabbit.appliance()).ports.clock.scale == 2.5
    assert alpy.testbed(rabbit.appliance(), time_scale=1).ports.clock.scale == 1
    monkeypatch.setenv("ALPY_TIME_SCALE", "slow")
    with pytest.raises(InvalidValueError, match="ALPY_TIME_SCALE"):
        alpy.testbed(rabbit.appliance())
