# SPDX-License-Identifier: GPL-3.0-or-later
"""Tests per minute, one by one and several at once, each in a process of its own."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from functools import partial
from pathlib import Path

from attrs import evolve

from benchmarks.figures import ALPY, LIMIT, PEER, Figure, Goal
from benchmarks.session import Session, of_part

AT_ONCE = (1, 2, 4)
_ALONE = "one by one"
_ROOT = Path(__file__).parents[1]


def measure(session: Session) -> list[Figure]:
    session.tell("one life of alpy 6.0.0")
    peer = 60 / session.peer.life()["life"]
    lives = 4 if session.quick else 12
    restored = _figures(session, "restored", lives, max(1, session.runs - 1), "from a saved state")
    booted = _figures(session, "booted", 4, 1, "booted")
    return [
        evolve(figure, samples={**figure.samples, PEER: (peer,)}) if n == 0 else figure
        for figures in (restored, booted)
        for n, figure in enumerate(figures)
    ]


def _figures(session: Session, start: str, lives: int, runs: int, words: str) -> list[Figure]:
    samples = session.take_turns(
        f"{lives} tests {words}, 1, 2 and 4 at once",
        runs,
        {str(count): partial(_rate, count, lives, start) for count in AT_ONCE},
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
            goals=[_throughput(words)] if count == AT_ONCE[-1] else (),
        )
        for count in AT_ONCE
    ]


def _rate(count: int, lives: int, start: str) -> dict[str, float]:
    """Tests per minute, and how many there would be if the CPUs never waited."""
    environment = {**os.environ, "ALPY_SLOTS_CPUS": str(max(count, os.cpu_count() or 1))}
    program = [sys.executable, "-m", "benchmarks.lives", str(lives // count), start]
    processes = [
        subprocess.Popen(
            program, cwd=_ROOT, env=environment, stdin=subprocess.PIPE, stdout=subprocess.PIPE
        )
        for _ in range(count)
    ]
    try:
        for process in processes:
            assert process.stdout is not None
            assert process.stdout.readline(), "it died before it began"
        begin, busy = time.monotonic(), _busy_seconds()
        for process in processes:
            assert process.stdin is not None
            process.stdin.write(b"\n")
            process.stdin.flush()
        for process in processes:
            process.communicate(timeout=300)
        seconds, busy = time.monotonic() - begin, _busy_seconds() - busy
        assert not any(process.returncode for process in processes)
    finally:
        for process in processes:
            process.kill()
            process.wait()
    done = lives // count * count
    return {"rate": 60 * done / seconds, "limit": 60 * done * (os.cpu_count() or 1) / busy}


def _busy_seconds() -> float:
    """What all CPUs of the host have worked since it started."""
    user, nice, system, _idle, _iowait, irq, softirq, *_ = map(
        int, Path("/proc/stat").read_text(encoding="ascii").splitlines()[0].split()[1:]
    )
    return (user + nice + system + irq + softirq) / os.sysconf("SC_CLK_TCK")


def _throughput(words: str) -> Goal:
    return Goal(
        words=f"{AT_ONCE[-1]} tests {words} in parallel on 2 cores: at least 1.6 times one by one",
        under=_ALONE,
        at_least=1.6,
    )
