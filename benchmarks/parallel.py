# SPDX-License-Identifier: GPL-3.0-or-later
"""Tests per minute, one by one and several at once, each in a process of its own."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import IO

from attrs import evolve

from benchmarks.figures import ALPY, LIMIT, PEER, Figure, Goal
from benchmarks.host import CPUS, busy_seconds
from benchmarks.session import Session, of_part

MANY = 4
_ALONE = "one by one"
_ROOT = Path(__file__).parents[1]


def measure(session: Session) -> list[Figure]:
    peer = tuple(60 / life["life"] for life in session.peer_lives())
    restored, booted = (4, 4) if session.quick else (16, 6)
    first, *others = _figures(session, "restored", restored, (1, 2, MANY), "from a saved state")
    return [
        evolve(first, samples={**first.samples, PEER: peer}),
        *others,
        *_figures(session, "booted", booted, (1, MANY), "booted"),
    ]


def _figures(
    session: Session, start: str, lives: int, at_once: Sequence[int], words: str
) -> list[Figure]:
    samples = session.take_turns(
        f"{lives} tests {words}, {', '.join(map(str, at_once))} at once",
        max(1, session.runs - 1),
        {str(count): partial(_rate, count, lives, start) for count in at_once},
    )
    return [
        Figure(
            name=f"tests per minute {words}, {count} at once",
            unit="/min",
            higher_is_better=True,
            samples={
                **of_part(samples, "rate", **{ALPY: str(count), _ALONE: "1"}),
                **of_part(samples, "limit", **{LIMIT: str(count)}),
            },
            limit_is="all CPUs busy all the time, with what these tests take of them",
            goals=[_throughput(words)] if count == MANY else (),
        )
        for count in at_once
    ]


def _rate(count: int, lives: int, start: str) -> dict[str, float]:
    """Tests per minute, and how many there would be if the CPUs never waited."""
    with _line() as (head, tail), _processes(count, start, stdin=head) as processes:
        begin, busy = time.monotonic(), busy_seconds()
        tail.write(bytes(lives))
        tail.close()
        for process in processes:
            assert process.wait(timeout=300) == 0
        seconds, busy = time.monotonic() - begin, busy_seconds() - busy
    return {"rate": 60 * lives / seconds, "limit": 60 * lives * CPUS / busy}


@contextmanager
def _line() -> Iterator[tuple[IO[bytes], IO[bytes]]]:
    """A pipe, from which each process takes a byte when it wants another life: both ends."""
    head, tail = os.pipe()
    with os.fdopen(head, "rb") as first, os.fdopen(tail, "wb") as last:
        yield first, last


@contextmanager
def _processes(
    count: int, start: str, *, stdin: IO[bytes]
) -> Iterator[list[subprocess.Popen[bytes]]]:
    """So many that wait for what they are to do on *stdin*."""
    environment = {**os.environ, "ALPY_SLOTS_CPUS": str(max(count, CPUS))}
    program = [sys.executable, "-m", "benchmarks.lives", start]
    processes: list[subprocess.Popen[bytes]] = []
    try:
        for _ in range(count):
            process = subprocess.Popen(
                program, cwd=_ROOT, env=environment, stdin=stdin, stdout=subprocess.PIPE
            )
            processes.append(process)
        for process in processes:
            assert process.stdout is not None
            assert process.stdout.readline(), "it died before it began"
        yield processes
    finally:
        for process in processes:
            process.kill()
            process.communicate()


def _throughput(words: str) -> Goal:
    return Goal(
        words=f"{MANY} tests {words} in parallel on {CPUS} cores: at least 1.6 times one by one",
        under=_ALONE,
        at_least=1.6,
    )
