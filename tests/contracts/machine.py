# SPDX-License-Identifier: GPL-3.0-or-later
"""What every Machine promises."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

import pytest

from alpy.core.errors import (
    AlpyError,
    ApplianceFileError,
    CaptureError,
    ConsoleClosedError,
    MachineDiedError,
    MachineRefusedError,
    MonitorError,
)
from alpy.core.exit_status import ExitStatus
from alpy.core.ports import Machine, Monitor, RunDirectory, Tap
from alpy.core.topology import Topology

LAUNCH = 10.0
COMMAND = 5.0
END = 5.0


class MachineRig(Protocol):
    """A machine that was not launched, its run directory (taken), and the world around it."""

    @property
    def machine(self) -> Machine: ...

    @property
    def run(self) -> RunDirectory: ...

    def topology(self, links: int = 0) -> Topology:
        """One that this machine can run."""
        ...

    def refused(self) -> Topology:
        """One that passes `check`, and that the hypervisor refuses when it starts."""
        ...

    def missing(self) -> Topology:
        """One with an appliance file that does not exist."""
        ...

    def taps(self, topology: Topology) -> Sequence[Tap]:
        """Open taps for the links."""
        ...

    def kill_hypervisor(self) -> None:
        """Somebody else sends SIGKILL to it."""
        ...

    def stop_hypervisor(self) -> None:
        """Somebody else sends SIGSTOP to it; it has stopped when this returns."""
        ...


def launched(rig: MachineRig, links: int = 0) -> Monitor:
    topology = rig.topology(links)
    rig.machine.launch(topology, rig.taps(topology), rig.run)
    return rig.machine.connect_monitor(timeout=LAUNCH, command_timeout=COMMAND)


class MachineContract:
    def test_a_good_topology_passes_the_check(self, rig: MachineRig) -> None:
        rig.machine.check(rig.topology(links=2))

    def test_a_missing_appliance_file_is_found_by_the_check(self, rig: MachineRig) -> None:
        with pytest.raises(ApplianceFileError):
            rig.machine.check(rig.missing())

    def test_the_vm_is_paused_before_its_first_instruction(self, rig: MachineRig) -> None:
        monitor = launched(rig)
        assert monitor.execute("query-status")["status"] == "prelaunch"

    def test_the_taps_stay_open_after_the_launch(self, rig: MachineRig) -> None:
        topology = rig.topology(links=2)
        taps = rig.taps(topology)
        rig.machine.launch(topology, taps, rig.run)
        assert all(tap.fileno() >= 0 for tap in taps)

    def test_a_refusal_carries_status_and_words(self, rig: MachineRig) -> None:
        topology = rig.refused()
        with pytest.raises(MachineRefusedError) as caught:
            self._launch_and_connect(rig, topology, rig.taps(topology))
        assert caught.value.status is not None
        assert not caught.value.status.ok
        assert caught.value.stderr.strip()

    def test_quit_ends_the_process_with_code_0(self, rig: MachineRig) -> None:
        monitor = launched(rig)
        monitor.quit()
        assert rig.machine.wait_for_exit(timeout=END) == ExitStatus(code=0)

    def test_a_running_process_has_no_exit_status(self, rig: MachineRig) -> None:
        launched(rig)
        assert rig.machine.wait_for_exit(timeout=0.05) is None

    def test_kill_ends_the_process_and_can_be_called_again(self, rig: MachineRig) -> None:
        launched(rig)
        rig.machine.kill()
        rig.machine.kill()
        assert rig.machine.wait_for_exit(timeout=0) == ExitStatus(signal=9)

    def test_kill_accepts_a_process_that_has_ended(self, rig: MachineRig) -> None:
        launched(rig).quit()
        rig.machine.wait_for_exit(timeout=END)
        rig.machine.kill()
        assert rig.machine.wait_for_exit(timeout=0) == ExitStatus(code=0)

    def test_a_machine_that_was_never_launched_can_be_killed(self, rig: MachineRig) -> None:
        rig.machine.kill()
        assert rig.machine.wait_for_exit(timeout=0) is None
        assert rig.machine.stderr() == ""

    def test_a_death_from_outside_is_an_error_that_names_the_signal(self, rig: MachineRig) -> None:
        monitor = launched(rig)
        rig.kill_hypervisor()
        with pytest.raises(MachineDiedError, match="SIGKILL") as caught:
            monitor.execute("query-status")
        assert caught.value.status == ExitStatus(signal=9)

    def test_a_process_that_a_signal_stopped_is_known_and_can_be_killed(
        self, rig: MachineRig
    ) -> None:
        assert rig.machine.stopped_process() is None
        launched(rig)
        assert rig.machine.stopped_process() is None
        rig.stop_hypervisor()
        assert rig.machine.stopped_process()
        rig.machine.kill()
        assert rig.machine.stopped_process() is None
        assert rig.machine.wait_for_exit(timeout=0) == ExitStatus(signal=9)

    def test_the_console_can_be_opened_before_the_start(self, rig: MachineRig) -> None:
        launched(rig)
        rig.machine.open_console().close()

    def test_kill_closes_what_was_opened(self, rig: MachineRig) -> None:
        monitor, console = launched(rig), rig.machine.open_console()
        rig.machine.kill()
        with pytest.raises(MonitorError, match="closed"):
            monitor.execute("query-status")
        with pytest.raises(ConsoleClosedError):
            console.send("x")
        monitor.close()
        console.close()

    def test_kill_after_their_close_does_nothing_to_monitor_and_console(
        self, rig: MachineRig
    ) -> None:
        monitor, console = launched(rig), rig.machine.open_console()
        monitor.close()
        console.close()
        rig.machine.kill()
        assert rig.machine.wait_for_exit(timeout=0) == ExitStatus(signal=9)

    def test_a_capture_without_traffic_holds_no_frame(self, rig: MachineRig) -> None:
        monitor = launched(rig, links=1)
        monitor.quit()
        rig.machine.wait_for_exit(timeout=END)
        summary = rig.machine.check_capture(rig.topology(links=1).links[0])
        assert (summary.link, summary.frames, summary.octets) == (0, 0, 0)

    def test_a_capture_of_a_machine_that_was_never_launched_is_missing(
        self, rig: MachineRig
    ) -> None:
        with pytest.raises(CaptureError):
            rig.machine.check_capture(rig.topology(links=1).links[0])

    def test_a_monitor_without_a_launch_is_an_error(self, rig: MachineRig) -> None:
        with pytest.raises(AlpyError):
            rig.machine.connect_monitor(timeout=1, command_timeout=1)

    @staticmethod
    def _launch_and_connect(rig: MachineRig, topology: Topology, taps: Sequence[Tap]) -> None:
        rig.machine.launch(topology, taps, rig.run)
        rig.machine.connect_monitor(timeout=LAUNCH, command_timeout=COMMAND)
