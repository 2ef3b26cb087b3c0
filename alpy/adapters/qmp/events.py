# SPDX-License-Identifier: GPL-3.0-or-later
"""What the hypervisor reported by itself, kept until somebody asks for it."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Mapping, Sequence
from typing import Any, Final

from alpy.core.narrative import get_logger
from alpy.core.ports import Event

# A guest can cause events without end, and a test may never ask for them. All are in the log.
_UNREAD_LIMIT: Final = 10_000
# A panic stops the VM, but that is no shutdown.
_PANIC: Final = "guest-panic"

_log = get_logger("alpy.monitor")


class EventBox:
    """Filled by the monitor's reader, emptied by whoever waits, each in a thread of its own."""

    def __init__(self) -> None:
        self._unread: deque[Event] = deque(maxlen=_UNREAD_LIMIT)
        self._seen: dict[str, None] = {}
        self._changed = threading.Condition()
        self._ended = False
        self.shut_down_seen = False

    @property
    def seen(self) -> Sequence[str]:
        """The names of all events until now, each once, in the order of their first coming."""
        with self._changed:
            return tuple(self._seen)

    def put(self, message: Mapping[str, Any]) -> None:
        """Keep the event that the line *message* tells of."""
        data = message.get("data")
        event = Event(name=str(message["event"]), data=data if isinstance(data, dict) else {})
        _log.debug("event", name=event.name, data=event.data)
        with self._changed:
            self._unread.append(event)
            self._seen[event.name] = None
            if event.name == "SHUTDOWN" and event.data.get("guest"):
                self.shut_down_seen |= event.data.get("reason") != _PANIC
            self._changed.notify_all()

    def end(self) -> None:
        """No more will come: whoever waits is told."""
        with self._changed:
            self._ended = True
            self._changed.notify_all()

    def take(self, name: str, *, timeout: float) -> Event | None:
        """The oldest unread event called *name*; None if none came within *timeout* seconds."""
        with self._changed:
            self._changed.wait_for(lambda: self._ended or self._find(name), timeout)
            event = self._find(name)
            if event:
                self._unread.remove(event)
            return event

    def _find(self, name: str) -> Event | None:
        return next((event for event in self._unread if event.name == name), None)
