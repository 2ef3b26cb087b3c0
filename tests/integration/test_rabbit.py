# SPDX-License-Identifier: GPL-3.0-or-later
"""Rabbit's own tests are programs: each passes, and fails when Rabbit is set up wrongly."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from alpy.adapters.pcap import count_frames

pytestmark = [pytest.mark.docker, pytest.mark.qemu]

PROGRAMS = Path(__file__).parents[2] / "rabbit" / "tests"

WORDS_OF_FAILURE = {
    "forward-ipv4": "it does not forward IPv4",
    "rate-limit": "came through a limit of 1 Mbit/s",
    "load-balancing": "half each is demanded",
}


@pytest.fixture(scope="module")
def states(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A cache of saved states that is empty at first, and that these tests share."""
    return tmp_path_factory.mktemp("cache") / "states"


def run(
    name: str, run_dir: Path, *options: str, states: Path | None = None
) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, PROGRAMS / name / "main.py", "--run-dir", run_dir, *options],
        capture_output=True,
        text=True,
        env={**os.environ, "ALPY_STATES": str(states)} if states else None,
        timeout=100,
        check=False,
    )


def said(done: subprocess.CompletedProcess[str]) -> str:
    return done.stdout + done.stderr


@pytest.mark.parametrize("name", WORDS_OF_FAILURE)
def test_it_passes_and_leaves_its_evidence(name: str, tmp_path: Path) -> None:
    run_dir = tmp_path / "the run"
    done = run(name, run_dir)
    assert done.returncode == 0, said(done)
    assert f"PASSED {name}" in done.stdout
    files = {path.name for path in run_dir.iterdir()}
    assert {"console.log", "console.txt", "debug.log", "qemu.log", "qmp.log"} <= files
    assert "rabbit login: " in (run_dir / "console.log").read_text()
    assert "Wait for the system to boot" in (run_dir / "debug.log").read_text()
    assert all(count_frames(capture)[0] for capture in run_dir.glob("link*.pcap"))


@pytest.mark.parametrize("name", WORDS_OF_FAILURE)
def test_it_fails_in_clear_words_when_rabbit_is_set_up_wrongly(name: str, tmp_path: Path) -> None:
    done = run(name, tmp_path / "run", "--misconfigure")
    assert done.returncode == 1, said(done)
    assert f"FAILED {name}" in done.stdout
    assert WORDS_OF_FAILURE[name] in done.stderr


@pytest.mark.parametrize("name", WORDS_OF_FAILURE)
def test_restored_from_a_saved_state_it_behaves_as_booted(
    name: str, states: Path, tmp_path: Path
) -> None:
    for run_dir in (tmp_path / "made or found", tmp_path / "found"):
        done = run(name, run_dir, "--prepared", states=states)
        assert done.returncode == 0, said(done)
        assert f"PASSED {name}" in done.stdout
        assert "rabbit login: " not in (run_dir / "console.log").read_text()
    assert not (run_dir / "preparation").exists()
    done = run(name, tmp_path / "wrong", "--prepared", "--misconfigure", states=states)
    assert done.returncode == 1, said(done)
    assert WORDS_OF_FAILURE[name] in done.stderr


def test_the_disk_that_a_vendor_would_ship_forwards_too(tmp_path: Path) -> None:
    done = run("forward-ipv4", tmp_path / "run", "--uefi")
    assert done.returncode == 0, said(done)


def test_so_does_the_vendors_disk_restored(states: Path, tmp_path: Path) -> None:
    for number in (1, 2):
        done = run("forward-ipv4", tmp_path / f"run{number}", "--uefi", "--prepared", states=states)
        assert done.returncode == 0, said(done)
    assert (tmp_path / "run1/preparation/console.log").exists()
    assert not (tmp_path / "run2/preparation").exists()
