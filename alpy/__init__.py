# SPDX-License-Identifier: GPL-3.0-or-later
"""Test network virtual appliances: QEMU runs the appliance, Docker containers talk to it.

`testbed` is where a test begins. Everything a test needs is a name of this module; `alpy.fakes` has
the same testbed in memory, and `alpy.errors` all that is raised on purpose.
"""

from typing import TYPE_CHECKING, Any

from alpy import errors, logs
from alpy.core.app import AppOutput, AppResult, AppSpec
from alpy.core.appliance import (
    Acceleration,
    Appliance,
    Disk,
    DiskFormat,
    Firmware,
    Kernel,
    NicModel,
)
from alpy.core.data_disk import DataDisk
from alpy.core.dut import Dut
from alpy.core.errors import AlpyError
from alpy.core.exit_status import ExitStatus
from alpy.core.interface import Route
from alpy.core.lifecycle import VmState
from alpy.core.link import Link, LinkCounters
from alpy.core.narrative import get_logger, step
from alpy.core.node import Node
from alpy.core.ports import CaptureSummary, Console, ConsoleMatch, Event, Monitor, Ports
from alpy.core.preparation import Preparation
from alpy.core.running_app import RunningApp
from alpy.core.shell import Shell, ShellResult, attach, log_in
from alpy.core.testbed import Testbed
from alpy.core.topology import Topology
from alpy.core.waiting import Limits

if TYPE_CHECKING:
    from alpy.wiring import testbed

__all__ = [
    "Acceleration",
    "AlpyError",
    "AppOutput",
    "AppResult",
    "AppSpec",
    "Appliance",
    "CaptureSummary",
    "Console",
    "ConsoleMatch",
    "DataDisk",
    "Disk",
    "DiskFormat",
    "Dut",
    "Event",
    "ExitStatus",
    "Firmware",
    "Kernel",
    "Limits",
    "Link",
    "LinkCounters",
    "Monitor",
    "NicModel",
    "Node",
    "Ports",
    "Preparation",
    "Route",
    "RunningApp",
    "Shell",
    "ShellResult",
    "Testbed",
    "Topology",
    "VmState",
    "attach",
    "errors",
    "get_logger",
    "log_in",
    "logs",
    "step",
    "testbed",
]


if not TYPE_CHECKING:  # a checker that saw this would take every misspelt name for one of alpy's

    def __getattr__(name: str) -> Any:
        # Docker's client and pexpect come with the first testbed: an import need not wait for them.
        if name == "testbed":
            from alpy.wiring import testbed  # noqa: PLC0415

            return testbed
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
