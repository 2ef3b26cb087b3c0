# SPDX-License-Identifier: GPL-3.0-or-later
"""The run directory on a real disk."""

from __future__ import annotations

import os
import re
import threading
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from pathlib import Path

import pytest

from alpy.adapters.run_directory import DiskRunDirectory
from alpy.core.errors import InvalidValueError, RunDirectoryError
from tests.contracts.run_directory import RunDirectoryContract


class DiskRig:
    def __init__(self, place: Path) -> None:
        self._place = place
        self.run = DiskRunDirectory(place, run_id="one")

    def another(self) -> DiskRunDirectory:
        return DiskRunDirectory(self._place, run_id="two")

    def put_file(self, name: str) -> None:
        self._place.mkdir()
        (self._place / name).touch()

    def fill_disk(self) -> None:
        assert self.run._log is not None
        descriptor = os.open("/dev/full", os.O_WRONLY)
        os.dup2(descriptor, self.run._log.fileno())
        os.close(descriptor)

    def debug_lines(self) -> Sequence[str]:
        return (self._place / "debug.log").read_text().splitlines()


class TestDiskRunDirectory(RunDirectoryContract):
    @pytest.fixture
    def rig(self, tmp_path: Path) -> Iterator[DiskRig]:
        rig = DiskRig(tmp_path / "a run, with = and ä")
        yield rig
        rig.run.release()


def test_only_its_owner_can_enter(tmp_path: Path) -> None:
    run = DiskRunDirectory(tmp_path / "run", run_id="one")
    run.take()
    assert run.path.stat().st_mode & 0o777 == 0o700
    run.release()


def test_each_debug_line_begins_with_utc_to_the_millisecond(tmp_path: Path) -> None:
    run = DiskRunDirectory(tmp_path / "run", run_id="one")
    run.take()
    run.write_debug("line")
    run.release()
    lines = run.file("debug.log").read_text().splitlines()
    assert all(re.match(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z ", line) for line in lines)


def test_without_a_path_it_is_named_by_time_and_run(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    moment = datetime(2024, 2, 29, 13, 14, 15, tzinfo=UTC)
    run = DiskRunDirectory(None, run_id="r4bb17", now=lambda: moment)
    run.take()
    assert run.path == tmp_path / "runs" / "20240229-131415-r4bb17"
    run.release()


def test_a_change_of_the_working_directory_does_not_move_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    run = DiskRunDirectory(Path("run"), run_id="one")
    run.take()
    monkeypatch.chdir("/")
    assert run.file("x") == tmp_path / "run" / "x"
    run.release()


@pytest.mark.parametrize("mode", [0o700, 0o755, 0o2777])
def test_an_empty_folder_can_be_taken_and_is_closed_to_others(tmp_path: Path, mode: int) -> None:
    tmp_path.chmod(mode)
    run = DiskRunDirectory(tmp_path, run_id="one")
    run.take()
    assert run.path.stat().st_mode & 0o777 == 0o700
    run.release()


def test_a_folder_that_holds_files_stays_as_open_as_it_was(tmp_path: Path) -> None:
    tmp_path.chmod(0o755)
    (tmp_path / "file").touch()
    with pytest.raises(RunDirectoryError, match="'file' for one"):
        DiskRunDirectory(tmp_path, run_id="one").take()
    assert tmp_path.stat().st_mode & 0o777 == 0o755


@pytest.mark.skipif(os.getuid() != 0, reason="only root can give a folder away")
def test_a_folder_of_somebody_else_is_refused(tmp_path: Path) -> None:
    os.chown(tmp_path, 1, 1)
    with pytest.raises(RunDirectoryError, match="somebody else, the user with the id 1"):
        DiskRunDirectory(tmp_path, run_id="one").take()
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("path", ["file", "file/run", "x" * 300, "a\0b", "/proc/run", "/dev/null"])
def test_a_place_where_no_folder_can_be_is_refused(
    tmp_path: Path, path: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("file").touch()
    with pytest.raises(RunDirectoryError, match="run directory"):
        DiskRunDirectory(Path(path), run_id="one").take()


@pytest.mark.skipif(os.getuid() == 0, reason="root may write everywhere")
def test_a_place_that_may_not_be_written_is_refused(tmp_path: Path) -> None:
    tmp_path.chmod(0o500)
    with pytest.raises(RunDirectoryError, match="Permission denied"):
        DiskRunDirectory(tmp_path / "run", run_id="one").take()


def test_a_long_path_is_no_trouble(tmp_path: Path) -> None:
    path = tmp_path.joinpath(*["x" * 200] * 10)
    run = DiskRunDirectory(path, run_id="one")
    run.take()
    run.release()
    assert (path / "debug.log").exists()


@pytest.mark.parametrize("name", ["../x", "a/b", "/etc/passwd", ""])
def test_an_evidence_file_elsewhere_is_refused(tmp_path: Path, name: str) -> None:
    with pytest.raises(InvalidValueError):
        DiskRunDirectory(tmp_path, run_id="one").file(name)


def test_lines_of_many_threads_stay_whole(tmp_path: Path) -> None:
    run = DiskRunDirectory(tmp_path / "run", run_id="one")
    run.take()

    def write(letter: str) -> None:
        for _ in range(200):
            run.write_debug(letter * 50)

    threads = [threading.Thread(target=write, args=(letter,)) for letter in "abcd"]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(10)
    run.release()
    lines = [line.split(" ", 1)[1] for line in run.file("debug.log").read_text().splitlines()]
    assert sorted(lines[1:]) == sorted(letter * 50 for letter in "abcd" for _ in range(200))


def test_text_that_is_no_unicode_does_not_end_the_log(tmp_path: Path) -> None:
    run = DiskRunDirectory(tmp_path / "run", run_id="one")
    run.take()
    run.write_debug("\udcff")
    run.release()
    assert run.file("debug.log").read_text().endswith("\\udcff\n")
