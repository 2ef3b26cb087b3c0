# SPDX-License-Identifier: GPL-3.0-or-later
"""A hypervisor's process that is none."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path, PurePath

from attrs import define, field

from alpy.core.appliance import Appliance, Firmware
from alpy.core.errors import (
    AlpyError,
    ApplianceFileError,
    CaptureError,
    HostError,
    MachineDiedError,
    MachineRefusedError,
    MonitorTimeoutError,
    SavedStateError,
)
from alpy.core.exit_status import ExitStatus
from alpy.core.link import Link
from alpy.core.ports import CaptureSummary, RunDirectory, Tap
from alpy.core.topology import Topology
from alpy.core.watch import Watch, unwatched
from alpy.fakes.console import FakeConsole
from alpy.fakes.guest import FakeGuest
from alpy.fakes.ledger import Ledger
from alpy.fakes.monitor import FakeMonitor
from alpy.fakes.saved_states import FakeShelf
from alpy.fakes.script import Script
from alpy.fakes.skeleton import FakeTap

_THING = "machine"
_PROCESS = 4711
_SIGKILL = 9


def _files(appliance: Appliance) -> list[PurePath]:
    kernel = appliance.kernel
    boot = [kernel.image, kernel.initrd] if kernel else []
    files = [*boot, *(disk.path for disk in appliance.disks), appliance.iso]
    return [file for file in files if file is not None]


def _unusable(folder: Path) -> SavedStateError:
    return SavedStateError(state=str(folder), reason="as planned")


def _host_failed() -> HostError:
    return HostError(asked="QEMU", found="failed, as planned", remedy="Plan no such fault.")


@define
class FakeMachine:
    """A machine whose appliance plays a script. `crash`, `refuse` and `guest` are the levers."""

    _ledger: Ledger
    _script: Script = field(factory=Script)
    shelf: FakeShelf = field(factory=FakeShelf)
    """Where the states are that were saved; take one away, and it is of no use."""
    guest: FakeGuest = field(init=False)
    monitor: FakeMonitor = field(init=False)
    console: FakeConsole = field(init=False)
    said: str = field(default="", init=False)
    """What the process has written on stderr."""
    _status: ExitStatus | None = field(default=None, init=False)
    _refusal: MachineRefusedError | None = field(default=None, init=False)
    _launched: bool = field(default=False, init=False)
    is_stopped: bool = field(default=False, init=False)
    """Whether a signal has stopped the process; set it, and take it back."""
    _savable: bool = field(default=False, init=False)
    _end_wanted: bool = field(default=False, init=False)
    _taps: list[FakeTap] = field(factory=list, init=False)
    _working: list[str] = field(factory=list, init=False)
    """The files that it works on, until it has them open."""
    _captures: dict[int, CaptureSummary | CaptureError] = field(factory=dict, init=False)

    def __attrs_post_init__(self) -> None:
        self.guest = FakeGuest(self._ledger.clock, self._script)
        self.guest.on_death = lambda signal: self.crash(signal=signal)
        self.monitor = FakeMonitor(self._ledger, self)
        self.guest.on_event = self.monitor.report
        self.console = FakeConsole(self._ledger, self)

    @property
    def has_ended(self) -> bool:
        """Whether the process has ended, in whatever way."""
        return self._status is not None

    def process_dies(self) -> None:
        """The process of the test is killed, and the kernel kills this one with it."""
        self.end_is_wanted()
        self._end(ExitStatus(signal=_SIGKILL))

    def refuse(self, *, stderr: str, status: ExitStatus | None = None) -> None:
        """Let the launch fail as QEMU does with an option it does not know."""
        self._refusal = MachineRefusedError(status=status or ExitStatus(code=1), stderr=stderr)

    def crash(self, *, signal: int = 11, stderr: str = "") -> None:
        """Let the process die by *signal* now."""
        self.said += stderr
        self._end(ExitStatus(signal=signal))

    def exit(self, code: int, *, stderr: str = "") -> None:
        """Let the process end by itself now, though nobody asked."""
        self.said += stderr
        self._end(ExitStatus(code=code))

    def end_is_wanted(self) -> None:
        """From now on its end is no death. The monitor calls this."""
        self._end_wanted = True

    def end_as_asked(self) -> None:
        """End because the monitor said so."""
        self.end_is_wanted()
        self._end(ExitStatus(code=0))

    def capture(self, link: int, *, frames: int, octets: int) -> None:
        """Plan what the link's capture holds in the end."""
        self._captures[link] = CaptureSummary(link=link, frames=frames, octets=octets)

    def tear_capture(self, link: int, reason: str) -> None:
        """Plan that the link's capture is not whole."""
        self._captures[link] = CaptureError(file=Link(number=link).capture_name, reason=reason)

    def check_alive(self) -> None:
        """Refuse what needs a process that lives.

        Raises:
            MachineDiedError: it ended unasked, and not after a shutdown by the appliance.
        """
        in_order = self._end_wanted or self.monitor.has_seen_shut_down
        if self._status is not None and not in_order:
            raise MachineDiedError(status=self._status, stderr=self.said)

    def check(self, topology: Topology) -> None:
        with self._ledger.call("machine.check", _host_failed):
            for file in _files(topology.appliance):
                if file in self._ledger.missing_files:
                    raise ApplianceFileError(
                        asked=f"file {file}", found="not there", remedy="Look at its path."
                    )

    def identity(self, topology: Topology) -> Mapping[str, str]:
        with self._ledger.call("machine.identity", _host_failed):
            return {"appliance": topology.appliance.name, "links": str(len(topology.links))}

    def launch(
        self,
        topology: Topology,
        taps: Sequence[Tap],
        run: RunDirectory,
        *,
        saved: Path | None = None,
        savable: bool = False,
    ) -> None:
        with self._ledger.call("machine.launch", self._refused):
            self._savable = savable
            self._start(topology, taps, run, saved)

    def save(self, folder: Path) -> None:
        with self._ledger.call("machine.save", partial(_unusable, folder)):
            if not self._savable or self.guest.runs:
                raise _unusable(folder)
            self.shelf.machines[folder] = self.guest.saved()

    def connect_monitor(
        self, *, timeout: float, command_timeout: float, watch: Watch = unwatched
    ) -> FakeMonitor:
        def silent() -> AlpyError:
            return MonitorTimeoutError(command="greeting", seconds=timeout)

        with self._ledger.call("machine.connect_monitor", silent):
            if self.has_ended or not self._launched:
                raise MachineRefusedError(status=self._status, stderr=self.said)
            self.monitor.open(command_timeout, watch)
            self._remove_files()
            return self.monitor

    def open_console(self, *, watch: Watch = unwatched) -> FakeConsole:
        with self._ledger.call("machine.open_console"):
            self.console.open(watch)
            return self.console

    def wait_for_exit(self, *, timeout: float) -> ExitStatus | None:
        with self._ledger.call("machine.wait_for_exit"):
            if self._launched:
                self._ledger.clock.wait(lambda: self.has_ended, timeout=timeout)
            return self._status

    def stopped_process(self) -> int | None:
        with self._ledger.call("machine.stopped_process"):
            return _PROCESS if self.is_stopped and self._launched and not self.has_ended else None

    def stderr(self) -> str:
        return self.said

    def kill(self) -> None:
        with self._ledger.call("machine.kill", _host_failed, in_any_case=self._close_opened):
            if self._launched and not self.has_ended:
                self.end_is_wanted()
                self._end(ExitStatus(signal=_SIGKILL))
            self._close_opened()
            self._remove_files()

    def check_capture(self, link: Link) -> CaptureSummary:
        def torn() -> CaptureError:
            return CaptureError(file=link.capture_name, reason="torn, as planned")

        with self._ledger.call("machine.check_capture", torn):
            if not self._launched:
                raise CaptureError(file=link.capture_name, reason="it is missing")
            nothing = CaptureSummary(link=link.number, frames=0, octets=0)
            found = self._captures.get(link.number, nothing)
            if isinstance(found, CaptureError):
                raise found
            return found

    def _close_opened(self) -> None:
        self.monitor.let_go()
        self.console.let_go()

    def _refused(self) -> MachineRefusedError:
        return MachineRefusedError(status=ExitStatus(code=1), stderr="refused, as planned")

    def _start(
        self,
        topology: Topology,
        taps: Sequence[Tap],
        run: RunDirectory,
        saved: Path | None,
    ) -> None:
        self.guest.power_up()
        if saved:
            if saved not in self.shelf.machines:
                raise _unusable(saved)
            self.guest.restore(self.shelf.machines[saved])
        self._status, self._end_wanted = None, False
        self._make_files(topology.appliance)
        if self._refusal is not None:
            raise self._refusal
        self._launched = True
        self._ledger.came(_THING)
        self._taps = [tap for tap in taps if isinstance(tap, FakeTap)]
        for tap in self._taps:
            tap.hand_to_machine()
        for link in topology.links:
            self._ledger.append(run.file(link.capture_name), b"")
        log = run.file("console.log")
        self._ledger.append(log, b"")
        self.guest.on_print = lambda data: self._ledger.append(log, data)

    def _make_files(self, appliance: Appliance) -> None:
        names = [f"disk{number}.qcow2" for number in range(len(appliance.disks))]
        names += ["uefi-variables.fd"] if appliance.firmware is Firmware.UEFI else []
        for name in names:
            self._working.append(f"file {name}")
            self._ledger.came(f"file {name}")

    def _remove_files(self) -> None:
        for thing in reversed(self._working):
            self._ledger.went(thing)
        self._working = list(filter(self._ledger.is_alive, self._working))

    def _end(self, status: ExitStatus) -> None:
        if not self._launched or self.has_ended:
            return
        self._status = status
        self.guest.halt()
        self._ledger.went(_THING)
        for tap in self._taps:
            tap.drop_from_machine()
