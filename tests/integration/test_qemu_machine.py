# SPDX-License-Identifier: GPL-3.0-or-later
"""The real QEMU: its contract, and what goes wrong with it."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest

from alpy.adapters.clock import SystemClock
from alpy.adapters.qemu.machine import QemuMachine
from alpy.core.appliance import Acceleration, Firmware, Kernel
from alpy.core.errors import (
    CaptureError,
    ConsoleLostError,
    HostError,
    InvalidValueError,
    MachineDiedError,
    MachineRefusedError,
)
from alpy.core.exit_status import ExitStatus
from alpy.core.topology import Topology
from tests.contracts.machine import COMMAND, END, LAUNCH, MachineContract, launched
from tests.integration.qemu_rig import QemuRig, open_descriptors
from tests.integration.tiny_guest import GREETING, write_kernel

pytestmark = pytest.mark.qemu


@pytest.fixture
def rig(tmp_path: Path) -> Iterator[QemuRig]:
    made = QemuRig(tmp_path)
    yield made
    made.finish()


class TestQemuMachine(MachineContract):
    @pytest.fixture
    def rig(self, rig: QemuRig) -> QemuRig:
        return rig


@pytest.mark.parametrize("machine", ["q35", "pc"])
def test_an_appliance_on_a_disk_boots_and_obeys_the_power_button(
    rig: QemuRig, machine: str
) -> None:
    monitor, console = rig.boot(machine=machine)
    console.expect(GREETING.strip(), timeout=20)
    assert not monitor.shut_down_seen()
    monitor.press_power_button()
    monitor.wait_for_event("SHUTDOWN", timeout=5)
    assert monitor.shut_down_seen()
    assert rig.machine.wait_for_exit(timeout=END) == ExitStatus(code=0)
    monitor.quit()


def test_a_kernel_boots_without_a_disk(rig: QemuRig) -> None:
    kernel = Kernel(image=write_kernel(rig.folder / "kernel, 1"), command_line="a,b = c")
    _, console = rig.boot(kernel=kernel, disks=())
    console.expect(GREETING.strip(), timeout=20)


def test_nothing_runs_before_the_start(rig: QemuRig) -> None:
    monitor = rig.launch()
    assert monitor.execute("query-status")["status"] == "prelaunch"
    assert not rig.run.file("console.log").exists()


def test_a_reset_boots_again(rig: QemuRig) -> None:
    monitor, console = rig.boot()
    console.expect(GREETING.strip(), timeout=20)
    monitor.reset()
    console.expect(GREETING.strip(), timeout=20)
    assert monitor.wait_for_event("RESET", timeout=5).data["guest"] is False
    assert not monitor.shut_down_seen()


def test_a_paused_vm_can_go_on(rig: QemuRig) -> None:
    monitor, console = rig.boot()
    monitor.pause()
    assert monitor.execute("query-status")["status"] == "paused"
    monitor.start()
    console.expect(GREETING.strip(), timeout=20)


def test_uefi_starts_with_a_variable_store_of_its_own(rig: QemuRig) -> None:
    _, console = rig.boot(firmware=Firmware.UEFI, memory_mib=256)
    store = rig.run.file("working-uefi-variables.fd")
    # OVMF's boot manager says so when it tries the disk, which has no EFI partition.
    console.expect("BdsDxe", timeout=60)
    opened = [str(path.readlink()) for path in Path(f"/proc/{rig.pid}/fd").iterdir()]
    assert f"{store} (deleted)" in opened


@pytest.mark.parametrize("machine", ["q35", "pc"])
def test_an_iso_is_a_cd_that_cannot_be_written(rig: QemuRig, machine: str) -> None:
    iso = rig.folder / "install, 1.iso"
    iso.write_bytes(bytes(0x8001) + b"CD001" + bytes(2042))
    topology = Topology.of(rig.appliance(machine=machine, iso=iso), 0)
    rig.machine.check(topology)
    monitor = rig.launch(machine=machine, iso=iso)
    drives = {drive["device"]: drive for drive in monitor.execute("query-block")}
    assert drives["iso"]["inserted"]["ro"]
    assert drives["iso"]["inserted"]["image"]["filename"] == str(iso)


def test_a_very_long_path_is_no_trouble(tmp_path: Path) -> None:
    folder = tmp_path.joinpath(*["x" * 200] * 8)
    folder.mkdir(parents=True)
    rig = QemuRig(folder)
    try:
        launched(rig, links=1).quit()
    finally:
        rig.finish()


def test_the_disk_is_not_written_and_its_overlay_has_no_name(rig: QemuRig) -> None:
    rig.launch()
    overlay = rig.run.file("working-disk0.qcow2")
    opened = [str(path.readlink()) for path in Path(f"/proc/{rig.pid}/fd").iterdir()]
    assert f"{overlay} (deleted)" in opened
    assert not list(overlay.parent.glob("*disk0*"))


def test_the_disk_can_be_kept(tmp_path: Path) -> None:
    rig = QemuRig(tmp_path, keep_disks=True)
    rig.launch()
    rig.finish()
    assert rig.run.file("disk0.qcow2").exists()


def test_a_refusal_comes_within_a_second(rig: QemuRig) -> None:
    rig.machine.launch(rig.refused(), [], rig.run)
    begin = time.monotonic()
    with pytest.raises(MachineRefusedError, match=r"exit code 1.*no-such-device") as caught:
        rig.machine.connect_monitor(timeout=LAUNCH, command_timeout=COMMAND)
    assert time.monotonic() - begin < 1
    assert "-nodefaults" not in caught.value.stderr
    assert "-nodefaults" in rig.run.file("qemu.log").read_text().splitlines()[0]


def test_a_death_is_known_within_a_second_on_monitor_and_console(rig: QemuRig) -> None:
    monitor, console = rig.boot()
    console.expect(GREETING.strip(), timeout=20)
    rig.kill_hypervisor()
    begin = time.monotonic()
    with pytest.raises(MachineDiedError, match="SIGKILL"):
        monitor.wait_for_event("RESET", timeout=20)
    with pytest.raises(MachineDiedError, match="SIGKILL"):
        console.expect("more", timeout=20)
    assert time.monotonic() - begin < 1


def test_a_shutdown_is_no_death_to_the_console(rig: QemuRig) -> None:
    monitor, console = rig.boot()
    console.expect(GREETING.strip(), timeout=20)
    monitor.press_power_button()
    with pytest.raises(ConsoleLostError):
        console.expect("more", timeout=5)


def test_a_sigterm_from_outside_is_a_death(rig: QemuRig) -> None:
    monitor = rig.launch()
    rig.signal(signal.SIGTERM)
    with pytest.raises(MachineDiedError, match="terminating on signal 15"):
        monitor.wait_for_event("RESET", timeout=20)
    assert not monitor.shut_down_seen()


def test_a_hypervisor_that_hangs_is_given_up_and_killed(rig: QemuRig) -> None:
    monitor = rig.launch()
    rig.signal(signal.SIGSTOP)
    with pytest.raises(TimeoutError):
        monitor.execute("query-status", timeout=0.1)
    rig.machine.kill()
    assert rig.machine.wait_for_exit(timeout=0) == ExitStatus(signal=9)


def test_a_flood_on_stderr_stops_nobody_and_its_end_is_kept(rig: QemuRig) -> None:
    monitor, console = rig.boot(extra_args=("-d", "in_asm,exec,nochain"))
    log = rig.run.file("qemu.log")
    deadline = time.monotonic() + 30
    while log.stat().st_size < 1 << 20 and time.monotonic() < deadline:
        time.sleep(0.01)
    assert log.stat().st_size >= 1 << 20
    monitor.quit()
    rig.machine.wait_for_exit(timeout=END)
    assert len(rig.machine.stderr()) == 64 << 10
    console.close()


def test_no_descriptor_stays_open(rig: QemuRig) -> None:
    before = open_descriptors()
    monitor, console = rig.boot()
    monitor.quit()
    console.close()
    monitor.close()
    rig.machine.kill()
    assert open_descriptors() == before


def test_a_failed_launch_leaves_nothing(rig: QemuRig) -> None:
    machine = QemuMachine(clock=SystemClock(), program="qemu-that-is-not-there")
    before = open_descriptors()
    with pytest.raises(HostError, match="apt-get install qemu-system-x86"):
        machine.launch(rig.topology(), [], rig.run)
    machine.kill()
    assert open_descriptors() == before
    assert not list(rig.run.path.glob("*disk0*"))


def test_a_monitor_that_was_connected_is_not_connected_again(rig: QemuRig) -> None:
    rig.launch()
    with pytest.raises(Exception, match="connected before"):
        rig.machine.connect_monitor(timeout=1, command_timeout=1)


@pytest.mark.parametrize("program", ["qemu-that-is-not-there", "true", "/etc/passwd"])
def test_a_program_that_is_no_qemu_is_found_by_the_check(rig: QemuRig, program: str) -> None:
    machine = QemuMachine(clock=SystemClock(), program=program)
    with pytest.raises(HostError, match="apt-get install qemu-system-x86"):
        machine.check(rig.topology())


def fake_qemu(folder: Path, answer: str) -> str:
    program = folder / "qemu"
    program.write_text(f"#!/bin/sh\ncat <<'END'\n{answer}\nEND\n")
    program.chmod(0o755)
    return str(program)


def test_a_qemu_that_is_too_old_is_found_by_the_check(rig: QemuRig) -> None:
    program = fake_qemu(rig.folder, "QEMU emulator version 4.2.1 (Debian 1:4.2-3ubuntu6.30)")
    machine = QemuMachine(clock=SystemClock(), program=program)
    with pytest.raises(HostError, match=r"5\.2 or later.*is 4\.2"):
        machine.check(rig.topology())


def test_a_nic_that_this_qemu_does_not_know_is_found_by_the_check(rig: QemuRig) -> None:
    answer = 'QEMU emulator version 7.2.0\nNetwork devices:\nname "e1000", bus PCI\n'
    machine = QemuMachine(clock=SystemClock(), program=fake_qemu(rig.folder, answer))
    with pytest.raises(InvalidValueError, match=r"'virtio-net-pci'.* has e1000"):
        machine.check(rig.topology(links=1))


def test_a_capture_on_a_full_disk_is_told(rig: QemuRig) -> None:
    topology = rig.topology(links=1)
    rig.run.file("link0.pcap").symlink_to("/dev/full")
    rig.machine.launch(topology, rig.taps(topology), rig.run)
    monitor = rig.machine.connect_monitor(timeout=LAUNCH, command_timeout=COMMAND)
    monitor.quit()
    rig.machine.wait_for_exit(timeout=END)
    with pytest.raises(CaptureError):
        rig.machine.check_capture(topology.links[0])


def test_a_capture_that_qemu_gave_up_is_told_though_it_looks_whole(rig: QemuRig) -> None:
    launched(rig, links=1).quit()
    rig.machine.wait_for_exit(timeout=END)
    with rig.run.file("qemu.log").open("a") as log:
        # What QEMU 7.2 said on a file system that was full.
        log.write("qemu-system-x86_64: network dump write error - stopping dump\n")
    with pytest.raises(CaptureError, match="stopping dump"):
        rig.machine.check_capture(rig.topology(links=1).links[0])


def test_a_run_directory_on_a_full_disk_is_told(rig: QemuRig) -> None:
    rig.run.file("qemu.log").symlink_to("/dev/full")
    with pytest.raises(HostError, match="No space left"):
        rig.launch(disks=(), kernel=Kernel(image=write_kernel(rig.folder / "kernel")))


def test_an_interrupt_from_the_terminal_does_not_reach_qemu(rig: QemuRig) -> None:
    rig.launch()
    assert os.getpgid(rig.pid) != os.getpgid(0)


def test_a_check_changes_nothing(rig: QemuRig) -> None:
    before = sorted(rig.folder.rglob("*"))
    topology = rig.topology(links=1)
    known = sorted({*before, rig.folder / "disk.img"})
    rig.machine.check(topology)
    assert sorted(rig.folder.rglob("*")) == known


def test_kvm_that_is_asked_for_works_or_is_refused(rig: QemuRig, tmp_path: Path) -> None:
    machine = QemuMachine(clock=SystemClock(), kvm_memory=tmp_path / "memory")
    topology = Topology.of(rig.appliance(acceleration=Acceleration.KVM), 0)
    with suppress(HostError):
        machine.check(topology)
        assert machine._acceleration is Acceleration.KVM


def test_the_vm_has_the_name_of_the_appliance(rig: QemuRig) -> None:
    assert launched(rig).execute("query-name") == {"name": "tiny"}
