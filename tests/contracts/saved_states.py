# SPDX-License-Identifier: GPL-3.0-or-later
"""What every SavedStates promises."""

from __future__ import annotations

import threading
from collections.abc import Mapping
from pathlib import Path
from typing import Final, Protocol

import pytest

from alpy.core.errors import DeadlineError, HostError, SavedStateError
from alpy.core.ports import Clock
from alpy.core.ports.saved_states import SavedStates

ONE: Final[Mapping[str, str]] = {"appliance": "rabbit", "preparation": "logged in"}
OTHER: Final[Mapping[str, str]] = {**ONE, "preparation": "configured"}
PATIENCE = 10.0


class SavedStatesRig(Protocol):
    """One cache, empty at first."""

    @property
    def clock(self) -> Clock: ...

    def states(self) -> SavedStates:
        """The cache as another run sees it; released at the end of the test."""
        ...

    def save(self, folder: Path) -> None:
        """Do what a machine does to save its state in *folder*."""
        ...


def made(rig: SavedStatesRig, identity: Mapping[str, str] = ONE) -> SavedStates:
    states = rig.states()
    assert states.find(identity, timeout=PATIENCE) is None
    rig.save(states.begin())
    states.keep()
    return states


class SavedStatesContract:
    def test_a_state_that_was_kept_is_found_by_others(self, rig: SavedStatesRig) -> None:
        made(rig).release()
        first, second = rig.states(), rig.states()
        assert first.find(ONE, timeout=PATIENCE) is not None
        assert second.find(ONE, timeout=0) == first.find(ONE, timeout=0)

    def test_who_has_made_it_uses_it_as_others_do(self, rig: SavedStatesRig) -> None:
        maker = rig.states()
        maker.find(ONE, timeout=0)
        rig.save(maker.begin())
        kept = maker.keep()
        assert rig.states().find(ONE, timeout=0) == kept

    def test_another_identity_is_another_state(self, rig: SavedStatesRig) -> None:
        made(rig).release()
        assert rig.states().find(OTHER, timeout=0) is None

    def test_what_was_begun_and_not_kept_is_not_found(self, rig: SavedStatesRig) -> None:
        maker = rig.states()
        maker.find(ONE, timeout=0)
        rig.save(maker.begin())
        maker.release()
        assert rig.states().find(ONE, timeout=0) is None

    def test_to_begin_again_is_to_begin_anew(self, rig: SavedStatesRig) -> None:
        maker = rig.states()
        maker.find(ONE, timeout=0)
        rig.save(maker.begin())
        rig.save(maker.begin())
        maker.keep()

    def test_while_one_makes_it_another_waits_and_gives_up_in_time(
        self, rig: SavedStatesRig
    ) -> None:
        maker, waiter = rig.states(), rig.states()
        maker.find(ONE, timeout=0)
        start = rig.clock.now()
        with pytest.raises(DeadlineError, match="saved state"):
            waiter.find(ONE, timeout=0.1)
        assert 0.1 <= rig.clock.now() - start < PATIENCE
        assert waiter.find(OTHER, timeout=0) is None

    def test_a_maker_that_fails_leaves_it_to_the_next(self, rig: SavedStatesRig) -> None:
        maker, other = rig.states(), rig.states()
        maker.find(ONE, timeout=0)
        maker.release()
        assert other.find(ONE, timeout=0) is None
        rig.save(other.begin())
        other.keep()

    def test_a_state_that_was_discarded_is_made_anew(self, rig: SavedStatesRig) -> None:
        made(rig).release()
        user = rig.states()
        user.find(ONE, timeout=0)
        user.discard("QEMU does not like it")
        made(rig)

    def test_a_state_that_others_use_is_not_discarded_by_one_of_them(
        self, rig: SavedStatesRig
    ) -> None:
        made(rig).release()
        one, other = rig.states(), rig.states()
        one.find(ONE, timeout=0)
        folder = other.find(ONE, timeout=0)
        for throw_away in (one.discard, one.rule_out):
            throw_away("QEMU does not like it")
            assert one.find(ONE, timeout=0) == folder
        one.release()
        other.discard("it is so")
        assert rig.states().find(ONE, timeout=0) is None

    def test_what_was_ruled_out_is_not_made_any_more_and_all_are_told_why(
        self, rig: SavedStatesRig
    ) -> None:
        maker = rig.states()
        maker.find(ONE, timeout=0)
        rig.save(maker.begin())
        maker.rule_out("an NVMe disk can't be saved")
        for states in (maker, rig.states()):
            with pytest.raises(SavedStateError, match="an NVMe disk can't be saved"):
                states.find(ONE, timeout=0)
        assert rig.states().find(OTHER, timeout=0) is None

    def test_a_state_that_was_ruled_out_is_gone(self, rig: SavedStatesRig) -> None:
        user = made(rig)
        user.rule_out("QEMU does not like it")
        with pytest.raises(SavedStateError, match="does not like it"):
            rig.states().find(ONE, timeout=0)

    def test_to_throw_away_what_was_not_found_is_refused(self, rig: SavedStatesRig) -> None:
        kept = made(rig)
        kept.release()
        for states in (rig.states(), kept):
            for throw_away in (states.discard, states.rule_out):
                with pytest.raises(HostError):
                    throw_away("for no reason")
        assert rig.states().find(ONE, timeout=0) is not None

    def test_to_release_again_does_nothing(self, rig: SavedStatesRig) -> None:
        states = rig.states()
        states.release()
        states.find(ONE, timeout=0)
        states.release()
        states.release()

    def test_what_is_not_ours_to_make_is_not_made(self, rig: SavedStatesRig) -> None:
        made(rig).release()
        user = rig.states()
        with pytest.raises(HostError):
            user.begin()
        user.find(ONE, timeout=0)
        with pytest.raises(HostError):
            user.begin()
        with pytest.raises(HostError):
            user.keep()


class ConcurrentSavedStatesContract:
    """What is promised to threads and processes at once."""

    def test_many_who_want_it_at_once_make_it_once(self, rig: SavedStatesRig) -> None:
        makers: list[SavedStates] = []
        found: list[Path] = []
        gate = threading.Barrier(6)

        def want() -> None:
            states = rig.states()
            gate.wait(PATIENCE)
            folder = states.find(ONE, timeout=PATIENCE)
            if folder is None:
                makers.append(states)
                rig.save(states.begin())
                folder = states.keep()
            found.append(folder)

        threads = [threading.Thread(target=want) for _ in range(6)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(PATIENCE)
        assert (len(makers), len(found), len(set(found))) == (1, 6, 1)
