# SPDX-License-Identifier: GPL-3.0-or-later
"""The ports: what the core needs of the outside world, and what each call promises.

Every call returns or raises within a deadline. Every release accepts that its thing was never taken
or is gone already, and does nothing when called again. Times are in seconds.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any, Protocol

from attrs import field, frozen

from alpy.core.app import AppOutput, AppSpec
from alpy.core.exit_status import ExitStatus
from alpy.core.interface import InterfaceConfig
from alpy.core.link import Link, LinkCounters
from alpy.core.topology import Topology


class Clock(Protocol):
    """Time that only goes forward."""

    def now(self) -> float:
        """Seconds from a fixed, unknown start."""
        ...

    def sleep(self, seconds: float, /) -> None:
        """Let *seconds* pass."""
        ...


class Signals(Protocol):
    """The signals that a person sends to end the test."""

    def deferred(self) -> AbstractContextManager[None]:
        """Hold an interrupt back inside the block, and deliver it once at the end.

        In a thread that gets no signals this does nothing.
        """
        ...


class RunDirectory(Protocol):
    """The folder where the evidence of one run stays. Releasing it closes files, deletes none."""

    @property
    def path(self) -> Path:
        """The folder, absolute."""
        ...

    def take(self) -> None:
        """Make the folder and begin its debug.log.

        Raises:
            RunDirectoryError: it holds files already, or can't be made or written.
        """
        ...

    def file(self, name: str) -> Path:
        """Where the evidence file *name* belongs. It is not created."""
        ...

    def write_debug(self, line: str) -> None:
        """Append *line* to debug.log, behind a time stamp. Never raises; see `release`."""
        ...

    def release(self) -> None:
        """Close debug.log.

        Raises:
            RunDirectoryError: a line could not be written, now or earlier.
        """
        ...


class Tap(Protocol):
    """The host end of a link, open: whoever holds its descriptor is the other end of the wire."""

    @property
    def link(self) -> Link: ...

    def fileno(self) -> int:
        """The descriptor to hand to the hypervisor; -1 after `close`."""
        ...

    def close(self) -> None:
        """Let go of our copy; again does nothing. Without a holder the tap vanishes."""
        ...


class Skeleton(Protocol):
    """The nodes of a testbed and the taps in them. Each call is for all links at once."""

    def check(self) -> None:
        """Look whether this host can make taps and nodes; change nothing.

        Raises:
            DockerError: no daemon, or no permission on its socket.
            ImageMissingError: an image for nodes or for `ip` is not there.
            HostError: no permission on /dev/net/tun.
        """
        ...

    def create_taps(self, links: Sequence[Link]) -> Sequence[Tap]:
        """Make and open a tap for each link, in the order of *links*; no frame flows yet.

        Raises:
            DockerError: the daemon or `ip` refused.
            HostError: the tap device could not be opened.
        """
        ...

    def remove_taps(self) -> None:
        """Close every tap, and remove those that nothing else holds. Their counters are gone then.

        Raises:
            DockerError: one is still there.
        """
        ...

    def create_nodes(self, links: Sequence[Link]) -> None:
        """Start a node for each link, side by side.

        Raises:
            DockerError: the daemon refused.
        """
        ...

    def connect(self, links: Sequence[Link]) -> None:
        """Move each tap into its node as `eth0` with the link's MAC, MTU and queue, and raise it.

        Raises:
            DockerError: the daemon or `ip` refused.
        """
        ...

    def remove_nodes(self) -> None:
        """Remove every node, and with it its namespace and tap.

        Raises:
            DockerError: one is still there; it is named.
        """
        ...

    def configure(self, configs: Mapping[int, InterfaceConfig]) -> None:
        """Add addresses and routes to the `eth0` of each node named, usable on return.

        Raises:
            DockerError: the daemon or `ip` refused; what `ip` said is in it.
            NodeDiedError: a node is gone.
        """
        ...

    def counters(self, links: Sequence[Link]) -> Sequence[LinkCounters]:
        """What the kernel counted at each tap since it was made.

        Raises:
            NodeDiedError: a node is gone.
            HostError: a tap is gone.
        """
        ...

    def listening_ports(self, node: int) -> frozenset[int]:
        """The TCP ports on which something listens in the node's namespace. Nothing is sent.

        Raises:
            NodeDiedError: the node is gone.
        """
        ...

    def close(self) -> None:
        """Close the connection to what runs the nodes, and the apps. It is the last call."""
        ...


class Apps(Protocol):
    """Application containers. An app's *name* is chosen before it is made, and is its handle."""

    def create(self, spec: AppSpec, *, name: str, node: int, log: Path) -> None:
        """Make the container, with its files in it, and open *log*; nothing runs yet.

        Raises:
            ImageMissingError: the image is not there.
            InvalidValueError: a file to copy in is missing on the host, or *name* is taken.
            RunDirectoryError: *log* can't be made.
            DockerError: the daemon refused.
        """
        ...

    def start(self, name: str) -> None:
        """Run the app's command. All it writes from its first byte on is kept in its log.

        Raises:
            DockerError: the daemon refused. A command that is not in the image is no error here:
                it ends with exit code 127, one that can't be executed with 126.
        """
        ...

    def wait(self, name: str, *, timeout: float) -> ExitStatus | None:
        """How the app ended, its output complete; None if it still runs after *timeout* s.

        Raises:
            DockerError: the daemon is gone, or somebody removed the container.
        """
        ...

    def output(self, name: str) -> AppOutput:
        """What the app wrote until now."""
        ...

    def send_signal(self, name: str, signal: str) -> None:
        """Send "SIGTERM", say. An app that has ended already is no error.

        Raises:
            DockerError: the daemon refused.
        """
        ...

    def remove(self, name: str) -> None:
        """Remove the container, killing what runs in it, and close its log.

        Raises:
            DockerError: it is still there.
            RunDirectoryError: a part of its log could not be written.
        """
        ...


@frozen(kw_only=True)
class Event:
    """Something the hypervisor reported by itself, by its QMP name."""

    name: str
    data: Mapping[str, Any] = field(factory=dict)


class Monitor(Protocol):
    """The hypervisor's remote control. Each command has the deadline that it was connected with.

    Every call can raise MachineDiedError (the hypervisor ended unasked), MonitorTimeoutError (no
    answer in time; the monitor can still be used) and MonitorError (a refusal, or no protocol).
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


@frozen(kw_only=True)
class ConsoleMatch:
    """Which pattern matched, what it matched, and what was printed before it."""

    index: int
    before: str
    matched: str


class Console(Protocol):
    """The appliance's serial port. What it prints is kept from the first byte on, read or not."""

    @property
    def clock(self) -> Clock:
        """The clock that its timeouts are held against."""
        ...

    @property
    def spawn(self) -> Any:
        """The pexpect object itself, in bytes mode."""
        ...

    def send(self, text: str | bytes) -> None:
        """Type *text* as it is; text goes out as UTF-8.

        Raises:
            ConsoleClosedError: we closed it.
            ConsoleLostError: the appliance's end is gone.
            MachineDiedError: the hypervisor ended unasked.
        """
        ...

    def expect(self, patterns: str | Sequence[str], *, timeout: float) -> ConsoleMatch:
        """Read on to the first place where one of the regular expressions matches.

        A match is found in what was printed since the last match; "." matches line ends too. Of
        several patterns that match, the one that starts first counts, then the first in the list.

        Raises:
            ConsoleTimeoutError: *timeout* seconds passed first; nothing of the output is lost.
            ConsoleClosedError, ConsoleLostError, MachineDiedError: as for `send`.
        """
        ...

    def close(self) -> None:
        """Let go of the console and complete its logs; calling it again does nothing.

        Raises:
            RunDirectoryError: a part of the logs could not be written. It is closed all the same.
        """
        ...


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

    def connect_monitor(self, *, timeout: float, command_timeout: float) -> Monitor:
        """The monitor, greeted within *timeout* seconds.

        Raises:
            MachineRefusedError: the process ended before its greeting.
            MonitorTimeoutError: no greeting in time.
            MonitorError: what answered is no monitor.
        """
        ...

    def open_console(self) -> Console:
        """The serial port, read from now on."""
        ...

    def wait_for_exit(self, *, timeout: float) -> ExitStatus | None:
        """How the process ended; None if it still runs after *timeout* seconds, or never ran."""
        ...

    def stderr(self) -> str:
        """The end of what the process wrote on stderr and stdout."""
        ...

    def kill(self) -> None:
        """End the process at once and collect it.

        Raises:
            HostError: it is still there.
        """
        ...

    def check_capture(self, link: Link) -> CaptureSummary:
        """Read the link's capture through, after the process has ended.

        Raises:
            CaptureError: it is missing, torn, or holds less than was sent.
        """
        ...


@frozen(kw_only=True)
class Ports:
    """One of each, for one testbed."""

    clock: Clock
    signals: Signals
    run_directory: RunDirectory
    skeleton: Skeleton
    apps: Apps
    machine: Machine
