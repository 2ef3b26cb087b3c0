# SPDX-License-Identifier: GPL-3.0-or-later
"""What every Slots promises."""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

import pytest

from alpy.core.errors import NoRoomError
from alpy.core.ports import Slots

# What the host of the rig has.
CPUS, MEMORY_MIB = 4, 4096
# So long a wait lasts that is to be in vain, in seconds, and one that is not.
SHORT, LONG = 0.3, 20.0


class SlotsRig(Protocol):
    """A host that several runs share."""

    def run(self) -> Slots:
        """Another run."""
        ...

    def later(self, action: Callable[[], object]) -> None:
        """Let *action* happen while somebody waits."""
        ...

    def kill(self, run: Slots) -> None:
        """End the process of *run*, which has taken all of the host by `take_in_process`."""
        ...

    def take_in_process(self) -> Slots:
        """Another run, in a process of its own, has taken all of the host."""
        ...


class SlotsContract:
    """A subclass gives the fixture `rig`."""

    def test_runs_take_room_as_long_as_there_is_some(self, rig: SlotsRig) -> None:
        for _ in range(CPUS):
            rig.run().take(cpus=1, memory_mib=MEMORY_MIB // CPUS, timeout=SHORT)
        with pytest.raises(NoRoomError):
            rig.run().take(cpus=1, memory_mib=1, timeout=SHORT)

    @pytest.mark.parametrize(
        ("cpus", "memory_mib"), [(CPUS, 256), (1, MEMORY_MIB)], ids=["CPUs", "memory"]
    )
    def test_either_can_run_out(self, rig: SlotsRig, cpus: int, memory_mib: int) -> None:
        rig.run().take(cpus=cpus, memory_mib=memory_mib, timeout=SHORT)
        with pytest.raises(NoRoomError):
            rig.run().take(cpus=1, memory_mib=256, timeout=SHORT)

    def test_what_is_given_back_goes_to_who_waits(self, rig: SlotsRig) -> None:
        first, second = rig.run(), rig.run()
        first.take(cpus=CPUS, memory_mib=256, timeout=SHORT)
        rig.later(first.release)
        second.take(cpus=1, memory_mib=256, timeout=LONG)

    def test_releasing_does_nothing_before_or_again(self, rig: SlotsRig) -> None:
        first, second = rig.run(), rig.run()
        first.release()
        first.take(cpus=CPUS, memory_mib=256, timeout=SHORT)
        first.release()
        second.take(cpus=CPUS, memory_mib=256, timeout=SHORT)
        first.release()
        with pytest.raises(NoRoomError):
            rig.run().take(cpus=1, memory_mib=256, timeout=SHORT)

    def test_who_waited_in_vain_has_nothing_and_stands_in_nobodys_way(self, rig: SlotsRig) -> None:
        first, second, third = rig.run(), rig.run(), rig.run()
        first.take(cpus=CPUS - 1, memory_mib=256, timeout=SHORT)
        with pytest.raises(NoRoomError):
            second.take(cpus=2, memory_mib=256, timeout=SHORT)
        third.take(cpus=1, memory_mib=256, timeout=SHORT)

    def test_nobody_overtakes_one_that_waits_for_more(self, rig: SlotsRig) -> None:
        first, large, small = rig.run(), rig.run(), rig.run()
        first.take(cpus=2, memory_mib=256, timeout=SHORT)
        overtaken: list[bool] = []

        def try_to_overtake() -> None:
            with pytest.raises(NoRoomError):
                small.take(cpus=1, memory_mib=256, timeout=SHORT)
            overtaken.append(False)
            first.release()

        rig.later(try_to_overtake)
        large.take(cpus=CPUS, memory_mib=256, timeout=LONG)
        assert overtaken == [False]

    @pytest.mark.parametrize(
        ("cpus", "memory_mib"), [(10 * CPUS, 256), (1, 10 * MEMORY_MIB)], ids=["CPUs", "memory"]
    )
    def test_one_that_is_larger_than_the_host_runs_alone(
        self, rig: SlotsRig, cpus: int, memory_mib: int
    ) -> None:
        giant, other = rig.run(), rig.run()
        other.take(cpus=1, memory_mib=256, timeout=SHORT)
        with pytest.raises(NoRoomError):
            giant.take(cpus=cpus, memory_mib=memory_mib, timeout=SHORT)
        other.release()
        giant.release()
        giant.take(cpus=cpus, memory_mib=memory_mib, timeout=SHORT)
        with pytest.raises(NoRoomError):
            rig.run().take(cpus=1, memory_mib=256, timeout=SHORT)

    def test_what_is_free_is_taken_without_a_wait_be_it_nothing(self, rig: SlotsRig) -> None:
        first, second, third = rig.run(), rig.run(), rig.run()
        first.take(cpus=CPUS - 1, memory_mib=256, timeout=SHORT)
        second.take_free(cpus=2, memory_mib=256)
        third.take_free(cpus=1, memory_mib=256)
        with pytest.raises(NoRoomError):
            rig.run().take(cpus=1, memory_mib=256, timeout=SHORT)
        second.release()
        rig.run().take(cpus=1, memory_mib=256, timeout=SHORT)

    def test_who_takes_what_is_free_does_not_stand_in_the_line(self, rig: SlotsRig) -> None:
        first, large, inner = rig.run(), rig.run(), rig.run()
        first.take(cpus=2, memory_mib=256, timeout=SHORT)

        def take_within_the_first() -> None:
            inner.take_free(cpus=1, memory_mib=256)
            inner.release()
            first.release()

        rig.later(take_within_the_first)
        large.take(cpus=CPUS, memory_mib=256, timeout=LONG)

    def test_the_death_of_a_process_gives_back_what_it_had(self, rig: SlotsRig) -> None:
        doomed = rig.take_in_process()
        with pytest.raises(NoRoomError):
            rig.run().take(cpus=1, memory_mib=256, timeout=SHORT)
        rig.later(lambda: rig.kill(doomed))
        rig.run().take(cpus=CPUS, memory_mib=MEMORY_MIB, timeout=LONG)
