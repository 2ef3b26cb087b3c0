# SPDX-License-Identifier: GPL-3.0-or-later
"""The room that a testbed's virtual machine takes on the host."""

from __future__ import annotations

from contextvars import ContextVar
from typing import TYPE_CHECKING

from attrs import frozen

if TYPE_CHECKING:
    from alpy.core.appliance import Appliance
    from alpy.core.ports import Slots

_taken: ContextVar[tuple[Room, ...]] = ContextVar("alpy_rooms_taken", default=())


@frozen(kw_only=True, eq=False)
class Room:
    """Taken in a context that has none yet, it is waited for, *timeout* seconds at most.

    A testbed inside of another one must not wait: the other one would wait for it. A thread begins
    with a context of its own.
    """

    slots: Slots
    timeout: float

    def take(self, appliance: Appliance) -> None:
        """Take room for *appliance*.

        Raises:
            NoRoomError: there was none in time.
        """
        cpus, memory_mib = appliance.cpus, appliance.memory_mib
        if _taken.get():
            self.slots.take_free(cpus=cpus, memory_mib=memory_mib)
        else:
            self.slots.take(cpus=cpus, memory_mib=memory_mib, timeout=self.timeout)
        _taken.set((*_taken.get(), self))

    def release(self) -> None:
        """Give it back; again does nothing."""
        _taken.set(tuple(room for room in _taken.get() if room is not self))
        self.slots.release()
