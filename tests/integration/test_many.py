# SPDX-License-Identifier: GPL-3.0-or-later
"""Many testbeds at once, in threads and processes, on one daemon, with the same lines of code."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests.integration import remains

pytestmark = [pytest.mark.docker, pytest.mark.qemu, pytest.mark.timeout(400)]

PROCESSES, THREADS = 2, 3
SLOTS = 3
ROOT = Path(__file__).parents[2]
WORKERS, TESTS = 4, 8
# What stands below the fixture that docs/howto/many.md shows.
PING = f"""
from carrot import traffic


@pytest.mark.parametrize("number", range({TESTS}))
def test_ping(bed, number):
    client, server = bed.nodes
    client.configure("192.168.1.1/24", gateway="192.168.1.254")
    server.configure("192.168.2.1/24", gateway="192.168.2.254")
    rabbit.route(rabbit.start(bed), "192.168.1.254/24", "192.168.2.254/24")
    assert traffic.ping(client, "192.168.2.1").received == 3
"""


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


def test_pytest_xdist_runs_the_example_of_the_docs_and_one_test_boots_for_all(
    tmp_path: Path,
) -> None:
    page = (ROOT / "docs" / "howto" / "many.md").read_text()
    fixture = re.findall(r"^```python\n(.*?)^```", page, re.DOTALL | re.MULTILINE)[0]
    (tmp_path / "test_generated.py").write_text(fixture + PING)
    options = ["-q", "-n", str(WORKERS), "-p", "no:cacheprovider", "--basetemp", "evidence"]
    environment = {
        **os.environ,
        "XDG_RUNTIME_DIR": str(tmp_path),
        "ALPY_STATES": str(tmp_path / "states"),
        "ALPY_TIME_SCALE": "3",
    }
    done = subprocess.run(
        [sys.executable, "-m", "pytest", *options, "test_generated.py"],
        cwd=tmp_path,
        env=environment,
        check=False,
        stdout=subprocess.PIPE,
        text=True,
        timeout=300,
    )
    assert f"{TESTS} passed" in done.stdout, done.stdout
    # pytest makes links to the latest ones, too.
    paths = {path.resolve() for path in tmp_path.glob("evidence/popen-gw*/*/run/debug.log")}
    assert len({path.parts[-4] for path in paths}) == WORKERS
    logs = [path.read_text() for path in paths]
    # 2026-11-23T16:19:04.945Z run 09cd4dcd
    runs = {log.split(maxsplit=3)[2] for log in logs}
    assert len(runs) == TESTS
    assert not [left for run in runs for left in remains.of_run(run)]
    assert sum("Prepare the appliance, once for all tests... done" in log for log in logs) == 1
