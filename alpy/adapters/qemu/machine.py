# SPDX-License-Identifier: GPL-3.0-or-later
"""The Machine port on QEMU."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Final

from alpy.adapters.console.pexpect_console import PexpectConsole
from alpy.adapters.holdings import Holdings
from alpy.adapters.pcap import count_frames
from alpy.adapters.qemu.acceleration import KvmProbe, choose_acceleration, default_memory
from alpy.adapters.qemu.appliance_files import check_files
from alpy.adapters.qemu.channels import Channels
from alpy.adapters.qemu.command import HostFacts, check_expressible, command_line
from alpy.adapters.qemu.identity import Digest, identity
from alpy.adapters.qemu.process import QemuProcess
from alpy.adapters.qemu.program import check_nic_model, check_version
from alpy.adapters.qemu.saved_state import Fleeting, State, check_savable, state_of
from alpy.adapters.qemu.working_files import WorkingFiles
from alpy.adapters.qmp.monitor import QmpMonitor
from alpy.adapters.saved.contents import whole_digest
from alpy.core.appliance import Acceleration, Appliance
from alpy.core.errors import (
    AlpyError,
    CaptureError,
    HostError,
    InvalidValueError,
    MachineDiedError,
    MachineRefusedError,
    MonitorError,
)
from alpy.core.exit_status import ExitStatus
from alpy.core.link import Link
from alpy.core.narrative import get_logger
from alpy.core.ports import CaptureSummary, Clock, RunDirectory, Tap
from alpy.core.teardown import Teardown
from alpy.core.topology import Topology
from alpy.core.waiting import Limits
from alpy.core.watch import Watch, unwatched

# A hypervisor that has hung up is gone in milliseconds; nobody waits longer to learn how it ended.
_DEATH_SECONDS: Final = 1.0
# The first that leaves virtio's own header out of a capture.
_STRIPS_HEADERS: Final = (8, 0)

_log = get_logger("alpy.machine")


class QemuMachine:
    """One appliance in one QEMU process, once.

    *console_tcp_port*: let people telnet to the console on this port of localhost. *kvm_memory*:
    the folder in which to remember whether KVM works; the user's own by default. *keep_disks*:
    leave in the run directory what the appliance wrote on its disks. *run_id*: by what QEMU can be
    found, as ALPY_RUN in its environment. *digest* tells the content of a file by its path.
    """

    def __init__(
        self,
        *,
        clock: Clock,
        limits: Limits | None = None,
        program: str = "qemu-system-x86_64",
        image_program: str = "qemu-img",
        console_tcp_port: int | None = None,
        kvm_memory: Path | None = None,
        keep_disks: bool = False,
        run_id: str | None = None,
        holdings: Holdings | None = None,
        digest: Digest = whole_digest,
    ) -> None:
        self._clock = clock
        self._limits = limits or Limits()
        self._program = program
        self._image_program = image_program
        self._console_tcp_port = console_tcp_port
        self._kvm_memory = kvm_memory
        self._keep_disks = keep_disks
        self._run_id = run_id
        self._holdings = holdings or Holdings(run_id or "")
        self._digest = digest
        self._acceleration: Acceleration | None = None
        self._run: RunDirectory | None = None
        self._process: QemuProcess | None = None
        self._files: WorkingFiles | None = None
        self._state: State = Fleeting()
        self._monitor: QmpMonitor | None = None
        self._console: PexpectConsole | None = None
        self._channels = Channels(self._holdings)
        self._killed = False

    def check(self, topology: Topology) -> None:
        appliance = topology.appliance
        check_expressible(topology)
        version = check_version(self._program)
        if topology.links:
            check_nic_model(self._program, appliance.nic_model.value)
        check_files(appliance, self._image_program)
        self._acceleration = self._choose_acceleration(appliance)
        if version < _STRIPS_HEADERS and any(link.offload for link in topology.links):
            _log.warning(
                "with offload, a QEMU this old puts virtio's header before each captured frame",
                version=".".join(map(str, version)),
            )

    def identity(self, topology: Topology) -> dict[str, str]:
        check_savable(topology.appliance)
        if self._keep_disks:
            raise InvalidValueError("keep_disks: a saved state is of no use where disks are kept")
        return identity(
            topology,
            program=self._program,
            image_program=self._image_program,
            acceleration=self._acceleration or self._choose_acceleration(topology.appliance),
            digest=self._digest,
        )

    def launch(
        self,
        topology: Topology,
        taps: Sequence[Tap],
        run: RunDirectory,
        *,
        saved: Path | None = None,
        savable: bool = False,
    ) -> None:
        # Each thing belongs to this object before it does anything: an interrupt comes anywhere,
        # and then `kill` must know it.
        self._run = run
        self._monitor, self._console, self._killed = None, None, False
        self._files = WorkingFiles(
            run=run, image_program=self._image_program, keep=self._keep_disks, saved=saved
        )
        self._state = state_of(
            topology.appliance,
            saved=saved,
            savable=savable,
            files=self._files,
            clock=self._clock,
            timeout=self._limits.launch,
            holdings=self._holdings,
        )
        memory = self._state.open()
        drives = self._files.create(topology.appliance)
        acceleration = self._acceleration or self._choose_acceleration(topology.appliance)
        with self._channels.open() as (monitor, console):
            facts = HostFacts(
                program=self._program,
                acceleration=acceleration,
                directory=Path.cwd(),
                captures=run.path,
                monitor_fd=monitor.fileno(),
                console_fd=console.fileno(),
                tap_fds=tuple(tap.fileno() for tap in taps),
                drives=drives,
                memory=memory,
                incoming=saved is not None,
            )
            self._process = QemuProcess(
                command_line(topology, facts),
                log=run.file("qemu.log"),
                inherit=facts.descriptors,
                run_id=self._run_id,
                holdings=self._holdings,
            )
            self._process.start(timeout=self._on_host(self._limits.launch))

    def connect_monitor(
        self, *, timeout: float, command_timeout: float, watch: Watch = unwatched
    ) -> QmpMonitor:
        if self._channels.monitor is None or self._run is None:
            raise MachineRefusedError(status=None, stderr="it was not launched")
        if self._monitor:
            raise MonitorError(command="(greeting)", answer="the monitor was connected before")
        self._monitor = QmpMonitor(
            connection=self._channels.monitor,
            transcript=self._run.file("qmp.log"),
            holdings=self._holdings,
            clock=self._clock,
            command_timeout=command_timeout,
            on_lost=self._death,
            watch=watch,
        )
        try:
            self._monitor.connect(timeout=timeout)
        except MachineDiedError as error:
            raise MachineRefusedError(status=error.status, stderr=error.stderr) from error
        self._state.connected(self._monitor)
        if not self._state.files_stay:
            # QEMU has them open. Without names they go with it, whatever becomes of us.
            self._remove_files()
        return self._monitor

    def save(self, folder: Path) -> None:
        self._state.save(folder)

    def open_console(self, *, watch: Watch = unwatched) -> PexpectConsole:
        if self._channels.console is None or self._run is None:
            raise MachineRefusedError(status=None, stderr="it was not launched")
        if self._console:
            raise HostError(
                asked="open the console", found="it was before", remedy="Keep the first"
            )
        self._console = PexpectConsole(
            connection=self._channels.console,
            raw_log=self._run.file("console.log"),
            text_log=self._run.file("console.txt"),
            holdings=self._holdings,
            clock=self._clock,
            on_lost=self._unasked_death,
            watch=watch,
            tcp_port=self._console_tcp_port,
        )
        return self._console

    def wait_for_exit(self, *, timeout: float) -> ExitStatus | None:
        status = self._process.wait(self._on_host(timeout)) if self._process else None
        if status is not None and self._monitor:
            # Its last words may say that the appliance shut down, and so that this is no crash.
            self._monitor.wait_for_end()
        return status

    def stopped_process(self) -> int | None:
        process = self._process
        return process.pid if process and process.is_stopped() else None

    def stderr(self) -> str:
        return self._process.words() if self._process else ""

    def kill(self) -> None:
        self._killed = True
        release = Teardown()
        release.owe("files of QEMU's own", self._remove_files)
        release.owe("files of a saved state", self._state.close)
        release.owe("sockets to QEMU", self._channels.close)
        release.owe("console", self._close_console)
        release.owe("monitor", self._close_monitor)
        # First of all, so that the logs of the other two hold its last words.
        release.owe("process of QEMU", self._end_process)
        release.settle()

    def check_capture(self, link: Link) -> CaptureSummary:
        if self._run is None or self._process is None:
            raise CaptureError(file=link.capture_name, reason="the appliance was never launched")
        file = self._run.file(link.capture_name)
        frames, octets = count_frames(file)
        if said := self._process.stopped_capture():
            raise CaptureError(
                file=str(file), reason=f"QEMU gave up this capture or another one: {said}"
            )
        return CaptureSummary(link=link.number, frames=frames, octets=octets)

    def _choose_acceleration(self, appliance: Appliance) -> Acceleration:
        probe = KvmProbe(program=self._program, memory=self._kvm_memory or default_memory())
        return choose_acceleration(appliance.acceleration, cpu=appliance.cpu, probe=probe)

    def _close_console(self) -> None:
        if self._console:
            self._console.close()

    def _close_monitor(self) -> None:
        if self._monitor:
            self._monitor.close()

    def _end_process(self) -> None:
        if self._process:
            self._process.kill(timeout=self._on_host(self._limits.quit))

    def _on_host(self, seconds: float) -> float:
        return seconds * self._clock.scale

    def _remove_files(self) -> None:
        if self._files:
            self._files.remove()

    def _death(self) -> MachineDiedError:
        status = self.wait_for_exit(timeout=_DEATH_SECONDS)
        return MachineDiedError(status=status, stderr=self.stderr())

    def _unasked_death(self) -> AlpyError | None:
        """What the console says when the far end is gone: nothing if that was to be."""
        death = self._death()
        if self._monitor:
            # The shutdown may have been reported, and not be read yet.
            self._monitor.wait_for_end()
            if self._monitor.quit_asked or self._monitor.shut_down_seen():
                return None
        return None if self._killed or death.status is None else death
