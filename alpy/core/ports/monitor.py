# SPDX-License-Identifier: GPL-3.0-or-later
"""The hypervisor's remote control."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Protocol

from attrs import field, frozen


@frozen(kw_only=True)
class Event:
    """Something the hypervisor reported by itself, by its QMP name."""

    name: str
    data: Mapping[str, Any] = field(factory=dict)


class Monitor(Protocol):
    """The hypervisor's remote control. Each command has the deadline that it was connected with.

    Every call can raise MachineDiedError (the hypervisor ended unasked), MonitorTimeoutError (no
    answer in time; the monitor can still be used), MonitorError (a refusal, or no protocol) and
    what the watch raises that it was connected with.
    """

    def start(self) -> None:
        """Let the virtual CPUs run."""
        ...

    def pause(self) -> None:
        """Stop the virtual CPUs; memory stays."""
        ...

    def reset(self) -> None:
        """Press the reset button."""
        ...

    def press_power_button(self) -> None:
        """Ask the appliance, by ACPI, to shut down. It may take its time, or not listen."""
        ...

    def quit(self) -> None:
        """End the hypervisor. Its end before the answer is success."""
        ...

    def shut_down_seen(self) -> bool:
        """Whether the appliance has shut itself down. Never raises."""
        ...

    def execute(
        self,
        command: str,
        arguments: Mapping[str, Any] | None = None,
        *,
        timeout: float | None = None,
    ) -> Any:
        """Run any command of the hypervisor's protocol and return its result."""
        ...

    def wait_for_event(self, name: str, *, timeout: float) -> Event:
        """The oldest unread event called *name*, waiting for it; others stay unread.

        Raises:
            EventTimeoutError: *timeout* seconds passed first.
        """
        ...

    def close(self) -> None:
        """Close the connection; calling it again does nothing.

        Raises:
            RunDirectoryError: a part of its transcript could not be written. It is closed all the
                same.
        """
        ...
