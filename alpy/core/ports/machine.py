# SPDX-License-Identifier: GPL-3.0-or-later
"""The hypervisor's process."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from attrs import frozen

from alpy.core.exit_status import ExitStatus
from alpy.core.link import Link
from alpy.core.ports.console import Console
from alpy.core.ports.monitor import Monitor
from alpy.core.ports.run_directory import RunDirectory
from alpy.core.ports.skeleton import Tap
from alpy.core.topology import Topology
from alpy.core.watch import Watch, unwatched


@frozen(kw_only=True)
class CaptureSummary:
    """What a capture holds."""

    link: int
    frames: int
    octets: int
    """All bytes of all frames, without preamble and check sequence."""


class Machine(Protocol):
    """The hypervisor's process: it runs one appliance, once."""

    def check(self, topology: Topology) -> None:
        """Look whether this host can run *topology*; change nothing.

        Raises:
            HostError: the hypervisor or a file of it is missing, too old, or not usable.
            ApplianceFileError: a file of the appliance is missing or is no such image.
            InvalidValueError: the hypervisor does not know what was asked, as a NIC model.
        """
        ...

    def launch(self, topology: Topology, taps: Sequence[Tap], run: RunDirectory) -> None:
        """Start the process with the VM paused before its first instruction.

        Every frame is captured to `Link.capture_name`. The *taps* stay the caller's to close.

        Raises:
            MachineRefusedError: it ended at once, with its exit status and what it said.
            HostError: it could not be started, or the disk overlay could not be made.
        """
        ...

    def connect_monitor(
        self, *, timeout: float, command_timeout: float, watch: Watch = unwatched
    ) -> Monitor:
        """The monitor, greeted within *timeout* seconds; *watch* is called while one waits on it.

        Raises:
            MachineRefusedError: the process ended before its greeting.
            MonitorTimeoutError: no greeting in time.
            MonitorError: what answered is no monitor.
        """
        ...

    def open_console(self, *, watch: Watch = unwatched) -> Console:
        """The serial port, read from now on; *watch* is called while something is awaited there."""
        ...

    def wait_for_exit(self, *, timeout: float) -> ExitStatus | None:
        """How the process ended; None if it still runs after *timeout* seconds, or never ran.

        Once it has ended, what `Monitor.shut_down_seen` says is final.
        """
        ...

    def stopped_process(self) -> int | None:
        """The process's id, if a signal has stopped it: it is there, and does nothing."""
        ...

    def stderr(self) -> str:
        """The end of what the process wrote on stderr and stdout."""
        ...

    def kill(self) -> None:
        """End the process at once and collect it; then close the monitor and the console.

        All that was opened from here is closed when this returns, and also when it raises.

        Raises:
            HostError: the process, or a file that was to go with it, is still there.
            RunDirectoryError: as for their `close`, if nobody has called that before.
        """
        ...

    def check_capture(self, link: Link) -> CaptureSummary:
        """Read the link's capture through, after the process has ended.

        Raises:
            CaptureError: it is missing, torn, or holds less than was sent.
        """
        ...
