# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import errno
import os
from pathlib import Path

import pytest

from alpy.adapters.private_folder import user_cache
from alpy.adapters.recovery.owner import this_process
from alpy.adapters.recovery.run_notes import RunNotes, notes_folder
from alpy.core.waiting import Deadline
from alpy.fakes import World

SOON = Deadline.after(1, clock=World().clock)
OURS = this_process("1a2b3c4d", Path("/runs/with a space"))


@pytest.fixture
def notes(tmp_path: Path) -> RunNotes:
    return RunNotes(tmp_path / "cache" / "runs")


def test_a_run_is_found_with_its_owner_and_its_folder_until_it_is_forgotten(
    notes: RunNotes,
) -> None:
    notes.write(OURS)
    (trace,) = notes.find()
    assert (trace.run, trace.owner) == ("1a2b3c4d", OURS)
    assert list(notes.find_of("1a2b3c4d")) == [trace]
    notes.forget("1a2b3c4d")
    notes.forget("1a2b3c4d")
    assert not notes.find()
    notes.remove(trace, SOON)


def test_a_note_of_another_run_is_not_touched(notes: RunNotes) -> None:
    notes.write(OURS)
    notes.write(this_process("other000", None))
    notes.remove(notes.find_of("other000")[0], SOON)
    assert [trace.run for trace in notes.find()] == ["1a2b3c4d"]


def test_what_is_no_note_is_passed_over(notes: RunNotes, tmp_path: Path) -> None:
    notes.write(OURS)
    folder = tmp_path / "cache" / "runs"
    for name, text in (("half", "{"), ("list", "[]"), ("alias", (folder / OURS.run).read_text())):
        (folder / name).write_text(text)
    (folder / "folder").mkdir()
    assert [trace.run for trace in notes.find()] == ["1a2b3c4d"]


def test_a_note_that_could_not_be_written_leaves_no_half(
    notes: RunNotes, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def no_room(_half: Path, _note: Path) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(Path, "replace", no_room)
    notes.write(OURS)
    assert list((tmp_path / "cache" / "runs").iterdir()) == []


def test_half_a_note_of_a_run_that_was_killed_goes_when_it_is_old_and_nothing_else_does(
    notes: RunNotes, tmp_path: Path
) -> None:
    notes.write(OURS)
    folder = tmp_path / "cache" / "runs"
    for name in ("killed.half", "writing.half"):
        (folder / name).touch()
    for name in ("killed.half", OURS.run):
        os.utime(folder / name, (0, 0))
    notes.tidy()
    notes.tidy()
    assert {path.name for path in folder.iterdir()} == {"writing.half", OURS.run}


def test_where_nothing_can_be_written_a_run_begins_all_the_same(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    notes = RunNotes(tmp_path / "file" / "runs")
    notes.write(OURS)
    notes.forget(OURS.run)
    assert not notes.find()


def test_notes_lie_in_the_cache_also_of_a_user_whom_nobody_knows(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    assert notes_folder({"ALPY_CACHE": "/c"}) == Path("/c/runs")

    def no_home() -> Path:
        raise RuntimeError("Could not determine home directory.")

    monkeypatch.setattr(Path, "home", no_home)
    assert user_cache({}).name == "cache"
