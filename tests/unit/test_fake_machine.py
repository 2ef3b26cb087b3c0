# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from pathlib import PurePath

import pytest
from attrs import define, field

from alpy.core.appliance import Appliance, Disk, Firmware, Kernel
from alpy.core.errors import (
    CaptureError,
    MachineDiedError,
    MachineRefusedError,
    MonitorTimeoutError,
)
from alpy.core.exit_status import ExitStatus
from alpy.core.topology import Topology
from alpy.fakes import FakeMachine, FakeRunDirectory, FakeTap, World
from tests.contracts.machine import MachineContract, MachineRig, launched

APPLIANCE = Appliance(name="rabbit", kernel=Kernel(image="vmlinuz", initrd="initrd"))


@define
class FakeMachineRig:
    world: World = field(factory=World)

    @property
    def machine(self) -> FakeMachine:
        return self.world.machine

    @property
    def run(self) -> FakeRunDirectory:
        return self.world.run_directory

    def topology(self, links: int = 0) -> Topology:
        return Topology.of(APPLIANCE, links)

    def refused(self) -> Topology:
        self.machine.refuse(stderr="qemu: no such device\n")
        return self.topology(2)

    def missing(self) -> Topology:
        self.world.missing_files.add(PurePath("initrd"))
        return self.topology()

    def taps(self, topology: Topology) -> Sequence[FakeTap]:
        return self.world.skeleton.create_taps(topology.links)

    def kill_hypervisor(self) -> None:
        self.machine.crash(signal=9)

    def stop_hypervisor(self) -> None:
        self.machine.is_stopped = True


class TestFakeMachine(MachineContract):
    @pytest.fixture
    def rig(self) -> MachineRig:
        rig = FakeMachineRig()
        rig.run.take()
        return rig


@pytest.fixture
def rig() -> FakeMachineRig:
    rig = FakeMachineRig()
    rig.run.take()
    return rig


def test_a_tap_lives_as_long_as_we_or_the_process_hold_it(rig: FakeMachineRig) -> None:
    topology = rig.topology(2)
    ours, other = rig.taps(topology)
    rig.machine.launch(topology, [ours, other], rig.run)
    ours.close()
    assert "tap 0" in rig.world.alive
    rig.machine.kill()
    assert "tap 0" not in rig.world.alive
    assert "tap 1" in rig.world.alive


def test_the_power_button_shuts_it_down_in_its_time(rig: FakeMachineRig) -> None:
    monitor = launched(rig)
    monitor.start()
    monitor.press_power_button()
    assert not monitor.shut_down_seen()
    rig.world.clock.sleep(1)
    assert monitor.shut_down_seen()
    assert monitor.execute("query-status") == {"running": False, "status": "shutdown"}
    assert rig.machine.wait_for_exit(timeout=0) is None


def test_an_appliance_may_not_listen_to_the_power_button(rig: FakeMachineRig) -> None:
    rig.world.guest.power_down_after = None
    monitor = launched(rig)
    monitor.start()
    monitor.press_power_button()
    rig.world.clock.sleep(1000)
    assert not monitor.shut_down_seen()


def test_an_exit_after_a_shutdown_is_no_death(rig: FakeMachineRig) -> None:
    monitor = launched(rig)
    monitor.start()
    rig.world.guest.shut_down()
    rig.machine.exit(0)
    monitor.quit()
    assert rig.machine.wait_for_exit(timeout=0) == ExitStatus(code=0)


def test_an_exit_that_nobody_asked_for_is_a_death(rig: FakeMachineRig) -> None:
    monitor = launched(rig)
    rig.machine.exit(1, stderr="out of memory")
    with pytest.raises(MachineDiedError, match=r"exit code 1.*out of memory"):
        monitor.start()
    assert rig.machine.stderr() == "out of memory"


def test_no_greeting_is_an_error_that_says_so(rig: FakeMachineRig) -> None:
    rig.world.faults.fail("machine.connect_monitor")
    with pytest.raises(MonitorTimeoutError, match="greeting"):
        launched(rig)


def test_what_a_capture_holds_is_planned(rig: FakeMachineRig) -> None:
    launched(rig, links=2)
    rig.machine.capture(0, frames=3, octets=180)
    rig.machine.tear_capture(1, "cut in the middle of a frame")
    first, second = rig.topology(2).links
    assert rig.machine.check_capture(first).frames == 3
    with pytest.raises(CaptureError, match=r"link1\.pcap is not whole: cut"):
        rig.machine.check_capture(second)


def _with_files() -> Topology:
    disk = Disk(path="disk.qcow2")
    return Topology.of(Appliance(name="rabbit", disks=(disk,), firmware=Firmware.UEFI), 0)


FILES = {"file disk0.qcow2", "file uefi-variables.fd"}


def test_the_files_that_it_works_on_go_when_it_has_them_open(rig: FakeMachineRig) -> None:
    rig.machine.launch(_with_files(), [], rig.run)
    assert set(rig.world.alive) > FILES
    rig.machine.connect_monitor(timeout=1, command_timeout=1)
    assert FILES.isdisjoint(rig.world.alive)


@pytest.mark.parametrize("refused", [True, False])
def test_the_files_that_it_works_on_go_when_it_is_killed(
    rig: FakeMachineRig, refused: bool
) -> None:
    with suppress(MachineRefusedError):
        if refused:
            rig.machine.refuse(stderr="qemu: no such device")
        rig.machine.launch(_with_files(), [], rig.run)
    assert set(rig.world.alive) > FILES
    rig.machine.kill()
    assert FILES.isdisjoint(rig.world.alive)


def test_the_process_of_the_test_takes_it_along(rig: FakeMachineRig) -> None:
    rig.machine.launch(_with_files(), [], rig.run)
    rig.world.process_dies()
    assert set(rig.world.alive) == FILES
