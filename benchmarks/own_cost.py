# SPDX-License-Identifier: GPL-3.0-or-later
"""What Python itself costs: the import, a testbed that waits, and lives on the fakes."""

from __future__ import annotations

import statistics
import subprocess
import sys
import time
from contextlib import suppress
from functools import partial
from pathlib import Path

import alpy
from alpy import fakes
from benchmarks.figures import ALPY, Figure, Goal
from benchmarks.session import Samples, Session
from carrot import rabbit
from carrot.fakes import appliance, rabbit_world

_CHILDREN = 2


def measure(session: Session) -> list[Figure]:
    samples = session.take_turns(
        "import",
        3 * session.runs,
        {
            name: partial(_milliseconds_of, code)
            for name, code in {
                "nothing": "pass",
                "alpy": "import alpy",
                "testbed": "import alpy; alpy.testbed",
            }.items()
        },
        warm_up=True,
    )
    session.tell("a testbed that waits")
    paused, idle = _waiting_shares(session, 1 if session.quick else 2)
    session.tell("lives on the fakes")
    lives = tuple(_fake_lives(0.5 if session.quick else 2) for _ in range(session.runs))
    return [
        Figure(
            name="`import alpy`, without the start of Python",
            unit="ms",
            samples={ALPY: _more_than_nothing(samples, "alpy")},
            goals=[Goal(words="`import alpy` in under 150 ms", at_most=150)],
        ),
        Figure(
            name="`import alpy; alpy.testbed`, as each test does, without the start of Python",
            unit="ms",
            samples={ALPY: _more_than_nothing(samples, "testbed")},
        ),
        Figure(
            name="CPU of a testbed that waits, its VM paused: Python, guard and QEMU",
            unit="%",
            samples={ALPY: paused},
            limit_is="0: four looks a second at what may have died",
        ),
        Figure(
            name="the same, its VM at a prompt: with the idle appliance's own timers",
            unit="%",
            samples={ALPY: idle},
            goals=[Goal(words="a waiting testbed under 2 % of a core", at_most=2)],
        ),
        Figure(
            name="two-link lives on the fakes",
            unit="/s",
            higher_is_better=True,
            samples={ALPY: lives},
            limit_is="Python on one core: no clock, file or process is waited for",
        ),
    ]


def _milliseconds_of(code: str) -> dict[str, float]:
    started = time.monotonic()
    subprocess.run([sys.executable, "-c", code], check=True)
    return {"ms": (time.monotonic() - started) * 1e3}


def _more_than_nothing(samples: Samples, way: str) -> tuple[float, ...]:
    nothing = statistics.median(samples["nothing"]["ms"])
    return tuple(taken - nothing for taken in samples[way]["ms"])


def _waiting_shares(
    session: Session, seconds: float
) -> tuple[tuple[float, ...], tuple[float, ...]]:
    """Percent of one core, with the VM paused, and with its system idle."""
    with session.testbed(prepared=True) as bed, bed:
        paused = tuple(_waiting_share(bed, seconds) for _ in range(session.runs))
        rabbit.start(bed)
        return paused, tuple(_waiting_share(bed, seconds) for _ in range(session.runs))


def _waiting_share(bed: alpy.Testbed, seconds: float) -> float:
    began, cpu = time.monotonic(), _cpu_seconds()
    with suppress(alpy.errors.ConsoleTimeoutError):
        bed.console.expect("what never comes", timeout=seconds)
    return 100 * (_cpu_seconds() - cpu) / (time.monotonic() - began)


def _cpu_seconds() -> float:
    """What this process and its children, QEMU and the guard, have taken so far."""
    tasks = Path("/proc/self/task").iterdir()
    children = {int(pid) for task in tasks for pid in (task / "children").read_text().split()}
    assert len(children) == _CHILDREN
    # The clock of another process's CPU time, as clock_getcpuclockid(3) makes it.
    return time.process_time() + sum(time.clock_gettime((~pid << 3) | 2) for pid in children)


def _fake_lives(seconds: float) -> float:
    lives, began = 0, time.monotonic()
    while time.monotonic() - began < seconds:
        _live()
        lives += 1
    return lives / (time.monotonic() - began)


def _live() -> None:
    with fakes.testbed(appliance(), links=2, world=rabbit_world()) as bed:
        client, server = bed.nodes
        client.configure("192.168.1.1/24", gateway="192.168.1.254")
        server.configure("192.168.2.1/24", gateway="192.168.2.254")
        shell = rabbit.start(bed)
        rabbit.route(shell, "192.168.1.254/24", "192.168.2.254/24")
        client.run(["ping", "-c", "1", "192.168.2.1"], image=rabbit.TOOLS)
