# SPDX-License-Identifier: GPL-3.0-or-later
"""QEMU's migration, to a file and from one: the state of the devices, without the RAM."""

from __future__ import annotations

from typing import Final

from alpy.adapters.qmp.monitor import QmpMonitor
from alpy.core.errors import MonitorError
from alpy.core.ports import Clock
from alpy.core.waiting import wait_until

# QEMU would hold itself to 128 MiB/s, for the sake of a network that isn't there.
_UNLIMITED: Final = 1 << 50
# By which QEMU knows the file.
_NAME: Final = "devices"


def migrate(
    monitor: QmpMonitor, command: str, descriptor: int, *, clock: Clock, timeout: float
) -> None:
    """Let the state of the devices go to the file *descriptor*, or come from it, by *command*.

    Raises:
        MonitorError: it failed, and why.
        DeadlineError: it took more than *timeout* seconds.
    """
    shared = {"capability": "x-ignore-shared", "state": True}
    monitor.execute("migrate-set-capabilities", {"capabilities": [shared]})
    # Without a round of them neither QEMU nor the appliance announces itself on its links: all that
    # is sent there is what the test makes the appliance send.
    limits = {"max-bandwidth": _UNLIMITED, "announce-rounds": 0}
    monitor.execute("migrate-set-parameters", limits)
    monitor.hand_over(descriptor, name=_NAME)
    monitor.execute(command, {"uri": f"fd:{_NAME}"})

    def is_done() -> bool:
        status = monitor.execute("query-migrate")
        if status.get("status") in {"failed", "cancelled"}:
            why = str(status.get("error-desc", "QEMU does not tell why"))
            raise MonitorError(command=command, answer=why)
        return bool(status.get("status") == "completed")

    wait_until(is_done, awaited="the end of the migration", timeout=timeout, clock=clock)
