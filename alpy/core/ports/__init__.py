# SPDX-License-Identifier: GPL-3.0-or-later
"""The ports: what the core needs of the outside world, and what each call promises.

Every call returns or raises within a deadline. Every release accepts that its thing was never taken
or is gone already, and does nothing when called again. Times are in seconds.
"""

from __future__ import annotations

from attrs import frozen

from alpy.core.ports.apps import Apps
from alpy.core.ports.audit import Audit, Leftover
from alpy.core.ports.clock import Clock
from alpy.core.ports.console import Console, ConsoleMatch
from alpy.core.ports.guard import Guard
from alpy.core.ports.machine import CaptureSummary, Machine
from alpy.core.ports.monitor import Event, Monitor
from alpy.core.ports.run_directory import RunDirectory
from alpy.core.ports.saved_states import SavedStates
from alpy.core.ports.signals import Signals
from alpy.core.ports.skeleton import Skeleton, Tap
from alpy.core.ports.slots import Slots

__all__ = [
    "Apps",
    "Audit",
    "CaptureSummary",
    "Clock",
    "Console",
    "ConsoleMatch",
    "Event",
    "Guard",
    "Leftover",
    "Machine",
    "Monitor",
    "Ports",
    "RunDirectory",
    "SavedStates",
    "Signals",
    "Skeleton",
    "Slots",
    "Tap",
]


@frozen(kw_only=True)
class Ports:
    """One of each, for one testbed."""

    clock: Clock
    signals: Signals
    run_directory: RunDirectory
    slots: Slots
    guard: Guard
    audit: Audit
    skeleton: Skeleton
    apps: Apps
    machine: Machine
    saved_states: SavedStates
