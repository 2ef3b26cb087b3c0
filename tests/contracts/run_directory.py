# SPDX-License-Identifier: GPL-3.0-or-later
"""What every RunDirectory promises."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

import pytest

from alpy.core.errors import RunDirectoryError
from alpy.core.ports import RunDirectory


class RunDirectoryRig(Protocol):
    """One run directory, not taken yet, and what a test does to it from outside."""

    @property
    def run(self) -> RunDirectory: ...

    def another(self) -> RunDirectory:
        """A second run directory at the same place."""
        ...

    def put_file(self, name: str) -> None:
        """Somebody leaves a file in the place, before `take`."""
        ...

    def fill_disk(self) -> None:
        """From now on nothing can be written to debug.log."""
        ...

    def debug_lines(self) -> Sequence[str]:
        """The lines of debug.log as they are now."""
        ...


class RunDirectoryContract:
    def test_the_path_is_absolute(self, rig: RunDirectoryRig) -> None:
        assert rig.run.path.is_absolute()

    def test_a_file_belongs_into_the_folder(self, rig: RunDirectoryRig) -> None:
        assert rig.run.file("link0.pcap") == rig.run.path / "link0.pcap"

    def test_a_debug_line_can_be_read_at_once_and_ends_with_its_text(
        self, rig: RunDirectoryRig
    ) -> None:
        rig.run.take()
        rig.run.write_debug("first")
        rig.run.write_debug("second")
        first, second = rig.debug_lines()[-2:]
        assert first.endswith("first")
        assert second.endswith("second")

    def test_a_folder_that_holds_files_is_refused(self, rig: RunDirectoryRig) -> None:
        rig.put_file("link0.pcap")
        with pytest.raises(RunDirectoryError):
            rig.run.take()

    def test_a_second_run_in_the_same_folder_is_refused(self, rig: RunDirectoryRig) -> None:
        rig.run.take()
        rig.run.write_debug("evidence")
        with pytest.raises(RunDirectoryError):
            rig.another().take()
        assert rig.debug_lines()[-1].endswith("evidence")

    def test_evidence_stays_after_the_release(self, rig: RunDirectoryRig) -> None:
        rig.run.take()
        rig.run.write_debug("evidence")
        rig.run.release()
        assert rig.debug_lines()[-1].endswith("evidence")

    def test_release_does_nothing_when_never_taken(self, rig: RunDirectoryRig) -> None:
        rig.run.release()

    def test_release_does_nothing_when_called_again(self, rig: RunDirectoryRig) -> None:
        rig.run.take()
        rig.run.release()
        rig.run.release()

    def test_a_debug_line_before_take_or_after_release_is_no_error(
        self, rig: RunDirectoryRig
    ) -> None:
        rig.run.write_debug("early")
        rig.run.take()
        rig.run.release()
        rig.run.write_debug("late")

    def test_a_line_that_could_not_be_written_is_raised_once_by_release(
        self, rig: RunDirectoryRig
    ) -> None:
        rig.run.take()
        rig.fill_disk()
        rig.run.write_debug("lost")
        with pytest.raises(RunDirectoryError):
            rig.run.release()
        rig.run.release()
