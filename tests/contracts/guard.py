# SPDX-License-Identifier: GPL-3.0-or-later
"""What every Guard promises."""

from __future__ import annotations

from collections.abc import Collection
from typing import Protocol

import pytest

from alpy.core.errors import HostError
from alpy.core.ports import Guard

OWN, DEAD, OTHER = "this run's", "a dead run's", "a live run's"


class GuardRig(Protocol):
    """A host on which this run, a dead one and another live one have a thing each."""

    @property
    def guard(self) -> Guard: ...

    def there(self) -> Collection[str]:
        """Which of the three things are there now."""
        ...

    def kill_guard(self) -> None:
        """Somebody kills the guard."""
        ...

    def process_dies(self) -> None:
        """As the guard sees it, the process of this run dies; returns when it has cleared up."""
        ...


class GuardContract:
    """A subclass gives the fixture `rig`."""

    def test_what_a_dead_run_left_is_removed_and_nothing_else(self, rig: GuardRig) -> None:
        rig.guard.clear_dead_runs()
        assert set(rig.there()) == {OWN, OTHER}

    def test_where_no_run_is_dead_nothing_is_removed(self, rig: GuardRig) -> None:
        rig.guard.clear_dead_runs()
        rig.guard.clear_dead_runs()
        assert set(rig.there()) == {OWN, OTHER}

    def test_when_the_process_dies_its_things_are_removed_and_no_others(
        self, rig: GuardRig
    ) -> None:
        rig.guard.stand_by()
        rig.process_dies()
        assert set(rig.there()) == {DEAD, OTHER}

    def test_dismissed_it_removes_nothing(self, rig: GuardRig) -> None:
        rig.guard.stand_by()
        rig.guard.dismiss()
        assert set(rig.there()) == {OWN, DEAD, OTHER}

    def test_dismissing_does_nothing_when_it_never_stood_by(self, rig: GuardRig) -> None:
        rig.guard.dismiss()

    def test_dismissing_does_nothing_when_called_again(self, rig: GuardRig) -> None:
        rig.guard.stand_by()
        rig.guard.dismiss()
        rig.guard.dismiss()

    def test_what_is_handed_over_is_removed(self, rig: GuardRig) -> None:
        rig.guard.stand_by()
        rig.guard.hand_over()
        assert set(rig.there()) == {DEAD, OTHER}
        rig.guard.dismiss()

    def test_without_a_guard_nothing_is_handed_over(self, rig: GuardRig) -> None:
        rig.guard.hand_over()
        assert OWN in rig.there()

    def test_the_death_of_the_guard_does_not_fail_the_run(self, rig: GuardRig) -> None:
        rig.guard.stand_by()
        rig.kill_guard()
        rig.guard.dismiss()

    def test_to_a_dead_guard_nothing_can_be_handed_over(self, rig: GuardRig) -> None:
        rig.guard.stand_by()
        rig.kill_guard()
        with pytest.raises(HostError):
            rig.guard.hand_over()
        assert OWN in rig.there()
