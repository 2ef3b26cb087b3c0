# SPDX-License-Identifier: GPL-3.0-or-later
"""Many testbeds at once, in threads and processes, on one daemon, with the same lines of code."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = [pytest.mark.docker, pytest.mark.qemu, pytest.mark.timeout(400)]

PROCESSES, THREADS = 2, 3
SLOTS = 3
ROOT = Path(__file__).parents[2]


def test_testbeds_in_threads_and_processes_run_as_many_at_once_as_there_is_room_for(
    tmp_path: Path,
) -> None:
    environment = {
        **os.environ,
        "XDG_RUNTIME_DIR": str(tmp_path),  # a host of its own: other runs do not count
        "ALPY_SLOTS_CPUS": str(SLOTS),
        "ALPY_TIME_SCALE": "3",
    }
    program = [sys.executable, "-m", "tests.integration.many_runs"]
    processes = [
        subprocess.Popen(
            [*program, str(tmp_path / str(number)), str(THREADS)],
            cwd=ROOT,
            env=environment,
            stdout=subprocess.PIPE,
            text=True,
        )
        for number in range(PROCESSES)
    ]
    said = [process.communicate()[0] for process in processes]
    assert [process.returncode for process in processes] == [0] * PROCESSES
    lives = [tuple(map(float, line.split())) for text in said for line in text.splitlines()]
    assert len(lives) == PROCESSES * THREADS
    at_once = [sum(begin <= moment < end for begin, end in lives) for moment, _ in lives]
    assert 1 < max(at_once) <= SLOTS
    logs = [path.read_text() for path in tmp_path.glob("*/run*/debug.log")]
    waited = [log for log in logs if "Waits for room for 1 CPU" in log]
    assert len(waited) >= PROCESSES * THREADS - SLOTS, "they came at the same time"
