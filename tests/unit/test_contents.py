# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import os
from pathlib import Path

import pytest

from alpy.adapters.saved import contents
from alpy.adapters.saved.contents import RememberedDigest, whole_digest
from alpy.core.errors import ApplianceFileError


@pytest.fixture
def reads(monkeypatch: pytest.MonkeyPatch) -> list[Path]:
    """Each file that was read through, in turn."""
    seen: list[Path] = []

    def read(path: Path) -> str:
        seen.append(path)
        return whole_digest(path)

    monkeypatch.setattr(contents, "whole_digest", read)
    return seen


@pytest.fixture
def image(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A file that was not changed lately."""
    path = tmp_path / "image"
    path.write_bytes(b"one")
    monkeypatch.setattr(contents, "time_ns", lambda: path.stat().st_ctime_ns + 10**11)
    return path


def test_a_file_is_read_once_until_it_changes(
    tmp_path: Path, image: Path, reads: list[Path]
) -> None:
    memory = tmp_path / "memory"
    assert len({RememberedDigest(memory)(image) for _ in range(3)}) == 1
    assert reads == [image]


@pytest.mark.parametrize("way", ["written", "replaced", "written with its old time"])
def test_a_changed_file_is_read_again(
    tmp_path: Path, image: Path, reads: list[Path], way: str
) -> None:
    digest = RememberedDigest(tmp_path / "memory")
    before, times = digest(image), image.stat()
    if way == "replaced":
        (tmp_path / "new").write_bytes(b"two")
        (tmp_path / "new").replace(image)
    else:
        image.write_bytes(b"two")
    if way != "written":
        os.utime(image, ns=(times.st_atime_ns, times.st_mtime_ns))
    assert digest(image) != before
    assert len(reads) == 2


def test_of_a_file_that_changed_just_now_nothing_is_remembered(
    tmp_path: Path, reads: list[Path]
) -> None:
    image = tmp_path / "image"
    image.write_bytes(b"one")
    digest = RememberedDigest(tmp_path / "memory")
    assert digest(image) == digest(image)
    assert len(reads) == 2


def test_without_room_for_a_memory_it_reads_each_time(
    tmp_path: Path, image: Path, reads: list[Path]
) -> None:
    (tmp_path / "file").touch()
    digest = RememberedDigest(tmp_path / "file" / "memory")
    assert digest(image) == digest(image)
    assert len(reads) == 2


def test_the_same_content_elsewhere_is_the_same(tmp_path: Path, image: Path) -> None:
    (tmp_path / "other").write_bytes(b"one")
    digest = RememberedDigest(tmp_path / "memory")
    assert digest(image) == digest(tmp_path / "other")


def test_a_missing_file_is_an_error_that_names_it(tmp_path: Path) -> None:
    with pytest.raises(ApplianceFileError, match="nowhere"):
        RememberedDigest(tmp_path / "memory")(tmp_path / "nowhere")


def test_what_nobody_asked_for_in_a_month_is_forgotten(
    tmp_path: Path, image: Path, reads: list[Path]
) -> None:
    memory, other = tmp_path / "memory", tmp_path / "other"
    digest = RememberedDigest(memory)
    digest(image)
    (used,) = memory.iterdir()
    os.utime(used, (1, 1))
    digest(image)  # that is a use
    (memory / "old").touch()
    os.utime(memory / "old", (1, 1))
    other.write_bytes(b"one")
    digest(other)
    assert len(list(memory.iterdir())) == 2
    assert used.exists()
    assert reads == [image, other]
