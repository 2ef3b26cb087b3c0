# SPDX-License-Identifier: GPL-3.0-or-later
"""What every Signals adapter promises.

Where a block raises by an interrupt, its end is what raises: the whole block is under test, so
"one simple statement" (PT012) can't hold.
"""

from __future__ import annotations

from typing import Protocol

import pytest

from alpy.core.ports import Signals


class SignalsRig(Protocol):
    """What differs between a real process and a fake one."""

    @property
    def signals(self) -> Signals: ...

    def interrupt(self) -> None:
        """Do what Ctrl-C does: KeyboardInterrupt, now or, inside the block, at its end."""
        ...


class SignalsContract:
    """A subclass gives the fixture `rig`."""

    def test_an_interrupt_outside_of_a_block_comes_at_once(self, rig: SignalsRig) -> None:
        with pytest.raises(KeyboardInterrupt):
            rig.interrupt()

    def test_an_interrupt_inside_of_the_block_comes_at_its_end(self, rig: SignalsRig) -> None:
        steps = []
        with pytest.raises(KeyboardInterrupt), rig.signals.deferred():
            rig.interrupt()
            steps.append("done all the same")
        assert steps == ["done all the same"]

    def test_many_interrupts_come_as_one(self, rig: SignalsRig) -> None:
        with pytest.raises(KeyboardInterrupt), rig.signals.deferred():
            rig.interrupt()
            rig.interrupt()

    def test_one_that_comes_after_an_interrupt_comes_at_the_end_too(self, rig: SignalsRig) -> None:
        steps = []
        first = KeyboardInterrupt()
        with pytest.raises(KeyboardInterrupt), rig.signals.deferred(None, first):
            rig.interrupt()
            steps.append("done all the same")
        assert steps == ["done all the same"]

    def test_without_an_interrupt_nothing_is_raised(self, rig: SignalsRig) -> None:
        with rig.signals.deferred():
            pass

    def test_an_error_of_the_block_goes_through(self, rig: SignalsRig) -> None:
        with pytest.raises(ZeroDivisionError), rig.signals.deferred():
            raise ZeroDivisionError

    def test_an_interrupt_beside_an_error_keeps_the_error_as_its_context(
        self, rig: SignalsRig
    ) -> None:
        with pytest.raises(KeyboardInterrupt) as interrupt, rig.signals.deferred():
            rig.interrupt()
            raise ZeroDivisionError
        assert isinstance(interrupt.value.__context__, ZeroDivisionError)

    def test_of_nested_blocks_the_outermost_delivers(self, rig: SignalsRig) -> None:
        steps = []
        with pytest.raises(KeyboardInterrupt), rig.signals.deferred():
            with rig.signals.deferred():
                rig.interrupt()
            steps.append("still held back")
        assert steps == ["still held back"]

    def test_after_the_block_an_interrupt_comes_at_once_again(self, rig: SignalsRig) -> None:
        with rig.signals.deferred():
            pass
        with pytest.raises(KeyboardInterrupt):
            rig.interrupt()
