# SPDX-License-Identifier: GPL-3.0-or-later
"""Whatever dies under a test is raised within a second in whatever call it is in, for real."""

from __future__ import annotations

import os
import signal
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import TypeAlias

import docker
import pytest

import alpy
from carrot import rabbit
from tests.integration.remains import children

pytestmark = [pytest.mark.docker, pytest.mark.qemu]

# From the blow to the error; and how long the calls would wait.
SOON, LONG = 1.0, 15.0
# How long the call is under way when the blow falls.
HEAD_START = 0.3

Blow: TypeAlias = Callable[[alpy.Testbed], None]


def signal_qemu(number: signal.Signals) -> Blow:
    return lambda _bed: os.kill(children(os.getpid())["qemu-system"], number)


def kill_container(part: str) -> Blow:
    def kill(bed: alpy.Testbed) -> None:
        client = docker.from_env()
        try:
            label = f"alpy.dir={bed.run_dir}"
            (container,) = (
                each["Id"]
                for each in client.api.containers(filters={"label": label})
                if each["Names"][0].endswith(part)
            )
            client.api.kill(container)
        finally:
            client.close()

    return kill


BLOWS: dict[str, tuple[Blow, type[alpy.errors.AlpyError]]] = {
    "a node": (kill_container("node1"), alpy.errors.NodeDiedError),
    "the node of the app": (kill_container("-node0"), alpy.errors.NodeDiedError),
    "an app": (kill_container("sleep"), alpy.errors.AppFailedError),
    "QEMU": (signal_qemu(signal.SIGKILL), alpy.errors.MachineDiedError),
    "QEMU, by SIGSTOP": (signal_qemu(signal.SIGSTOP), alpy.errors.MachineStoppedError),
}

CALLS: dict[str, Callable[[alpy.Testbed], object]] = {
    "console": lambda bed: bed.console.expect("login: ", timeout=LONG),
    "monitor": lambda bed: bed.dut.monitor.wait_for_event("RESET", timeout=LONG),
    "shutdown": lambda bed: bed.dut.wait_for_shutdown(timeout=LONG),
    "app": lambda bed: bed.nodes[0].run(["cat", "/dev/zero"], image=rabbit.TOOLS, timeout=LONG),
}


@pytest.mark.parametrize(
    ("blow", "call"),
    [("a node", call) for call in CALLS] + [(blow, "console") for blow in BLOWS if blow != "a node"]
    + [("QEMU, by SIGSTOP", "app"), ("an app", "monitor")],
)  # fmt: skip
def test_a_death_is_raised_within_a_second(blow: str, call: str, tmp_path: Path) -> None:
    strike, error = BLOWS[blow]
    struck: list[float] = []
    raised: list[float] = []

    def strike_now(bed: alpy.Testbed) -> None:
        strike(bed)
        struck.append(time.monotonic())

    def run() -> None:
        with alpy.testbed(rabbit.appliance(), links=2, run_dir=tmp_path / "run") as bed:
            if "app" in blow:
                bed.nodes[0].start(["sleep", "60"], image=rabbit.TOOLS)
            striker = threading.Timer(HEAD_START, strike_now, [bed])
            striker.start()
            try:
                CALLS[call](bed)
            finally:
                raised.append(time.monotonic())
                striker.join()

    with pytest.raises(error):
        run()
    assert raised[0] - struck[0] < SOON


def test_a_watched_wait_costs_next_to_no_cpu(tmp_path: Path) -> None:
    with alpy.testbed(rabbit.appliance(), links=2, run_dir=tmp_path / "run") as bed:
        bed.nodes[0].start(["sleep", "60"], image=rabbit.TOOLS)
        before = time.process_time()
        with pytest.raises(alpy.errors.ConsoleTimeoutError):
            bed.console.expect("login: ", timeout=3)
        assert (time.process_time() - before) / 3 < 2 / 100
