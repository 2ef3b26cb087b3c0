# SPDX-License-Identifier: GPL-3.0-or-later
"""What Python itself costs: the import, a testbed that waits, and lives on the fakes."""

from __future__ import annotations

import statistics
import subprocess
import sys
import time
from contextlib import suppress

import alpy
from alpy import fakes
from benchmarks.figures import ALPY, LIMIT, Figure, Goal
from benchmarks.session import Session
from carrot import rabbit
from carrot.fakes import appliance, rabbit_world


def measure(session: Session) -> list[Figure]:
    samples = session.take_turns(
        "import",
        3 * session.runs,
        {
            "alpy": lambda: {"ms": _milliseconds_of("import alpy")},
            "nothing": lambda: {"ms": _milliseconds_of("pass")},
        },
    )
    nothing = statistics.median(samples["nothing"]["ms"])
    imports = tuple(taken - nothing for taken in samples["alpy"]["ms"])
    session.tell("a testbed that waits")
    waiting = (_waiting_share(session, 2 if session.quick else 5),)
    session.tell("lives on the fakes")
    lives = tuple(_fake_lives(0.5 if session.quick else 2) for _ in range(session.runs))
    return [
        Figure(
            name="`import alpy`",
            unit="ms",
            samples={ALPY: imports, LIMIT: (nothing,)},
            limit_is="the start of Python, which is not in the figure",
            goals=[Goal(words="`import alpy` in under 150 ms", at_most=150)],
        ),
        Figure(
            name="CPU that a waiting testbed takes of Python",
            unit="%",
            samples={ALPY: waiting},
            limit_is="0: four looks a second at what may have died",
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


def _milliseconds_of(code: str) -> float:
    started = time.monotonic()
    subprocess.run([sys.executable, "-c", code], check=True)
    return (time.monotonic() - started) * 1e3


def _waiting_share(session: Session, seconds: float) -> float:
    with session.testbed(prepared=True) as bed, bed:
        rabbit.start(bed)
        began, cpu = time.monotonic(), time.process_time()
        with suppress(alpy.errors.ConsoleTimeoutError):
            bed.console.expect("what never comes", timeout=seconds)
        return 100 * (time.process_time() - cpu) / (time.monotonic() - began)


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
