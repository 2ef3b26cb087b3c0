# SPDX-License-Identifier: GPL-3.0-or-later
"""What of a killed run is removed from its run directory, on a real disk."""

from __future__ import annotations

from pathlib import Path

import pytest
from attrs import define

from alpy.adapters.qemu.working_files import WorkingFiles, is_working_file
from alpy.adapters.recovery.run_folder import RunFolder
from alpy.adapters.run_directory import DiskRunDirectory
from alpy.core.errors import HostError
from alpy.core.waiting import Deadline
from alpy.fakes import World

SOON = Deadline.after(1, clock=World().clock)
WORKING = ["working-disk0.base", "working-disk0.qcow2", "working-uefi-variables.fd"]
EVIDENCE = ["console.log", "disk0.qcow2", "link0.pcap", "uefi-variables.fd", "working-notes.txt"]


@define
class Found:
    """A run directory as a killed run leaves it."""

    path: Path
    outside: Path

    def place(self) -> RunFolder:
        return RunFolder(str(self.path))

    def clear(self, run: str) -> list[str]:
        place = self.place()
        traces = list(place.find_of(run))
        for trace in traces:
            place.remove(trace, SOON)
        return [trace.what for trace in traces]

    @property
    def names(self) -> list[str]:
        return sorted(path.name for path in self.path.iterdir())


@pytest.fixture
def found(tmp_path: Path) -> Found:
    run = DiskRunDirectory(tmp_path / "run", run_id="dead")
    run.take()
    run.release()
    outside = tmp_path / "image.qcow2"
    outside.write_text("the user's own")
    for name in EVIDENCE + WORKING:
        if name.endswith(".base"):
            run.file(name).symlink_to(outside)
        else:
            run.file(name).touch()
    return Found(run.path, outside)


def test_working_files_go_and_evidence_stays(found: Found) -> None:
    assert found.clear("dead") == [f"file {found.path / name}" for name in WORKING]
    assert found.names == sorted([*EVIDENCE, "debug.log"])


def test_what_a_link_points_to_stays(found: Found) -> None:
    link = found.path / WORKING[1]
    link.unlink()
    link.symlink_to(found.outside)
    found.clear("dead")
    assert found.outside.read_text() == "the user's own"
    assert not link.is_symlink()


def test_nothing_is_touched_in_the_folder_of_another_run(found: Found) -> None:
    before = found.names
    assert found.clear("other") == []
    assert found.names == before


def test_a_folder_whose_log_is_a_link_is_no_runs(found: Found, tmp_path: Path) -> None:
    log = found.path / "debug.log"
    log.rename(tmp_path / "log")
    log.symlink_to(tmp_path / "log")
    before = found.names
    assert found.clear("dead") == []
    assert found.names == before


def test_a_folder_that_became_another_runs_between_look_and_removal_is_left_alone(
    found: Found,
) -> None:
    place = found.place()
    (_, overlay, _) = place.find_of("dead")
    (found.path / "debug.log").write_text("now run other\n")
    place.remove(overlay, SOON)
    assert set(WORKING) <= set(found.names)


def test_what_is_gone_already_is_no_error(found: Found) -> None:
    place = found.place()
    (link, _, _) = place.find_of("dead")
    place.remove(link, SOON)
    place.remove(link, SOON)
    assert RunFolder(str(found.path / "missing")).find_of("dead") == ()


def test_what_can_not_be_removed_is_told(found: Found) -> None:
    overlay = found.path / WORKING[1]
    overlay.unlink()
    overlay.mkdir()
    place = found.place()
    (_, trace, _) = place.find_of("dead")
    with pytest.raises(HostError, match="it is no evidence"):
        place.remove(trace, SOON)


def test_no_folder_is_looked_for(found: Found) -> None:
    assert found.place().find() == ()


@pytest.mark.parametrize("keep", [True, False])
def test_what_is_to_be_kept_is_told_from_the_rest_by_its_name(tmp_path: Path, keep: bool) -> None:
    run = DiskRunDirectory(tmp_path / "run", run_id="dead")
    files = WorkingFiles(run=run, image_program="qemu-img", keep=keep)
    made = [files._file(name).name for name in ("disk12.qcow2", "disk12.base", "uefi-variables.fd")]
    assert {is_working_file(name) for name in made} == {not keep}
