# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

from collections.abc import Sequence

import pytest
from attrs import define, field

from alpy.core.errors import RunDirectoryError
from alpy.fakes import FakeRunDirectory, World
from tests.contracts.run_directory import RunDirectoryContract, RunDirectoryRig


@define
class FakeRunDirectoryRig:
    world: World = field(factory=World)

    @property
    def run(self) -> FakeRunDirectory:
        return self.world.run_directory

    def another(self) -> FakeRunDirectory:
        return FakeRunDirectory(self.world._ledger, path=self.run.path)

    def put_file(self, name: str) -> None:
        self.world._ledger.append(self.run.file(name), b"")

    def fill_disk(self) -> None:
        self.world.faults.fail("run_directory.write_debug", lasting=True)

    def debug_lines(self) -> Sequence[str]:
        return self.run.lines


class TestFakeRunDirectory(RunDirectoryContract):
    @pytest.fixture
    def rig(self) -> RunDirectoryRig:
        return FakeRunDirectoryRig()


def test_it_is_closed_also_when_its_release_fails() -> None:
    world = World()
    world.run_directory.take()
    world.faults.fail("run_directory.release")
    with pytest.raises(RunDirectoryError):
        world.run_directory.release()
    assert not world.alive
