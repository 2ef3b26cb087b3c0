# SPDX-License-Identifier: GPL-3.0-or-later
import threading
from pathlib import Path

import pytest

from carrot.build.cache import build_once, digest_of, read_files
from carrot.build.host_programs import BuildError


def test_same_content_has_the_same_digest_whatever_the_order_of_files() -> None:
    assert digest_of(["a"], {"x": b"1", "y": b"2"}) == digest_of(["a"], {"y": b"2", "x": b"1"})


@pytest.mark.parametrize(
    ("facts", "files"),
    [
        (["bookworm", "amd64"], {"recipe": b"more"}),
        (["trixie", "amd64"], {"recipe": b"text"}),
        (["bookworm", "arm64"], {"recipe": b"text"}),
        (["bookworm", "amd64"], {"other": b"text"}),
        (["bookworm", "amd64"], {"recipe": b"text", "added": b""}),
        (["bookwormamd64"], {"recipe": b"text"}),
    ],
)
def test_another_content_has_another_digest(facts: list[str], files: dict[str, bytes]) -> None:
    assert digest_of(facts, files) != digest_of(["bookworm", "amd64"], {"recipe": b"text"})


def test_a_renamed_file_is_read_under_its_new_name(tmp_path: Path) -> None:
    (tmp_path / "etc").mkdir()
    (tmp_path / "etc" / "hosts").write_bytes(b"here")
    assert read_files(tmp_path) == {"etc/hosts": b"here"}


def test_what_was_built_appears_whole_and_is_not_built_again(tmp_path: Path) -> None:
    finished = tmp_path / "rabbit" / "digest"
    builds: list[Path] = []

    def build(directory: Path) -> None:
        builds.append(directory)
        (directory / "kernel").write_text("vmlinuz")
        assert not finished.exists()

    assert build_once(finished, build) == finished
    assert build_once(finished, build) == finished
    assert len(builds) == 1
    assert (finished / "kernel").read_text() == "vmlinuz"


def test_a_failed_build_leaves_nothing(tmp_path: Path) -> None:
    def build(directory: Path) -> None:
        (directory / "kernel").write_text("half")
        raise BuildError("no network")

    with pytest.raises(BuildError, match="no network"):
        build_once(tmp_path / "digest", build)
    assert [path.name for path in tmp_path.iterdir()] == ["lock"]


def test_what_a_killed_build_left_is_swept_by_the_next(tmp_path: Path) -> None:
    (tmp_path / "unfinished-dead").mkdir()
    build_once(tmp_path / "digest", lambda _: None)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["digest", "lock"]


def test_a_rebuild_replaces_what_was_there(tmp_path: Path) -> None:
    finished = tmp_path / "digest"
    build_once(finished, lambda directory: (directory / "old").touch())
    build_once(finished, lambda directory: (directory / "new").touch(), rebuild=True)
    assert [path.name for path in finished.iterdir()] == ["new"]
    assert sorted(path.name for path in tmp_path.iterdir()) == ["digest", "lock"]


def test_of_two_builders_at_once_one_builds_and_both_have_it(tmp_path: Path) -> None:
    finished = tmp_path / "digest"
    second_may_come = threading.Event()
    builds: list[Path] = []

    def build(directory: Path) -> None:
        second_may_come.set()
        builds.append(directory)
        (directory / "kernel").touch()

    first = threading.Thread(target=build_once, args=(finished, build))
    first.start()
    assert second_may_come.wait(timeout=10)
    build_once(finished, build)
    first.join(timeout=10)
    assert len(builds) == 1


def test_a_cache_that_cannot_be_written_is_told_with_its_way_out(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(BuildError, match="choose another with ALPY_CACHE"):
        build_once(tmp_path / "file" / "digest", lambda _: None)
