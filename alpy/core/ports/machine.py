# SPDX-License-Identifier: GPL-3.0-or-later
"""The hypervisor's process."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
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

    def identity(self, topology: Topology) -> Mapping[str, str]:
        """All that a saved state of *topology* depends on, by name; for `SavedStates.find`.

        Raises:
            InvalidValueError: a state of this machine can't be saved, and why.
            HostError: a file that it depends on can't be read.
        """
        ...

    def launch(
        self,
        topology: Topology,
        taps: Sequence[Tap],
        run: RunDirectory,
        *,
        saved: Path | None = None,
        savable: bool = False,
    ) -> None:
        """Start the process with the VM paused: before its first instruction, or as it was *saved*.

        Every frame is captured to `Link.capture_name`. The *taps* stay the caller's to close. One
        that is *savable* can `save`. After `kill` it can be launched again.

        Raises:
            SavedStateError: *saved* can't be used; `connect_monitor` may raise that too.
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
            SavedStateError: the saved state that it was launched from can't be used.
            MonitorError: what answered is no monitor.
        """
        ...

    def save(self, folder: Path) -> None:
        """Save the state of the paused VM in the empty *folder*; it can go on afterwards.

        Raises:
            SavedStateError: the VM can't be saved as it is.
            HostError: the folder can't be written.
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
