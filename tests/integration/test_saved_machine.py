# SPDX-License-Identifier: GPL-3.0-or-later
"""A real machine that is saved, and others that begin where it was."""

from __future__ import annotations

import os
import signal
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import attrs
import pytest

from alpy.adapters.pcap import read_frames
from alpy.adapters.saved.contents import whole_digest
from alpy.core.appliance import Acceleration, Appliance, Firmware, NicModel
from alpy.core.data_disk import DataDisk
from alpy.core.errors import (
    HostError,
    InvalidValueError,
    MachineDiedError,
    MachineRefusedError,
    MonitorError,
    SavedStateError,
)
from alpy.core.ports import Console, Monitor
from alpy.core.preparation import RESTORE_FAULTS, was_ended
from alpy.core.topology import Topology
from carrot import rabbit
from tests.contracts.machine import COMMAND, END, LAUNCH
from tests.integration.qemu_rig import QemuRig, open_descriptors
from tests.integration.tiny_guest import GREETING

pytestmark = pytest.mark.qemu

# What the kernel sends on its way up, and RARP, which QEMU sends for a machine that has moved.
ARP, RARP = b"\x08\x06", b"\x80\x35"


class Lives:
    """Any number of lives, each in a folder of its own, and a place for one state."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._rigs: list[QemuRig] = []
        self.state = folder / "state"
        self.state.mkdir()

    def rig(self, **options: Any) -> QemuRig:
        home = self._folder / f"life {len(self._rigs)}"
        home.mkdir()
        self._rigs.append(QemuRig(home, **options))
        return self._rigs[-1]

    def launch(
        self, appliance: Callable[[QemuRig], Appliance], *, links: int = 0, **how: Any
    ) -> tuple[QemuRig, Monitor, Console]:
        rig = self.rig()
        topology = Topology.of(appliance(rig), links)
        rig.machine.launch(topology, rig.taps(topology), rig.run, **how)
        console = rig.machine.open_console()
        monitor = rig.machine.connect_monitor(timeout=LAUNCH, command_timeout=COMMAND)
        return rig, monitor, console

    def save(
        self, appliance: Callable[[QemuRig], Appliance] = QemuRig.appliance, *, links: int = 0
    ) -> tuple[QemuRig, Monitor]:
        """A machine that has greeted, and is paused and saved."""
        rig, monitor, console = self.launch(appliance, links=links, savable=True)
        monitor.start()
        console.expect(GREETING.strip(), timeout=20)
        monitor.pause()
        rig.machine.save(self.state)
        return rig, monitor

    def restore(
        self, appliance: Callable[[QemuRig], Appliance] = QemuRig.appliance, *, links: int = 0
    ) -> tuple[QemuRig, Monitor, Console]:
        return self.launch(appliance, links=links, saved=self.state)

    def finish(self) -> None:
        for rig in self._rigs:
            rig.finish()


@pytest.fixture
def lives(tmp_path: Path) -> Iterator[Lives]:
    made = Lives(tmp_path)
    yield made
    made.finish()


def press_power_button(rig: QemuRig, monitor: Monitor) -> None:
    """The tiny appliance heeds it once it has greeted."""
    monitor.start()
    monitor.press_power_button()
    monitor.wait_for_event("SHUTDOWN", timeout=5)
    assert rig.machine.wait_for_exit(timeout=END)


def disk(monitor: Monitor, action: str) -> str:
    line = f'qemu-io disk0 "{action} 0x1000 0x1000"'
    return str(monitor.execute("human-monitor-command", {"command-line": line}))


@pytest.mark.parametrize("machine", ["q35", "pc"])
def test_a_machine_begins_where_another_was_saved(lives: Lives, machine: str) -> None:
    def appliance(rig: QemuRig) -> Appliance:
        return rig.appliance(machine=machine, cpus=2)

    lives.save(appliance)
    for _ in range(2):
        rig, monitor, _ = lives.restore(appliance)
        assert monitor.execute("query-status")["status"] == "paused"
        press_power_button(rig, monitor)
        assert GREETING.strip() not in rig.run.file("console.txt").read_text()


def test_the_machine_that_was_saved_can_go_on(lives: Lives) -> None:
    rig, monitor = lives.save()
    press_power_button(rig, monitor)


def test_each_life_has_the_saved_disk_and_writes_on_its_own(lives: Lives) -> None:
    first, monitor, _ = lives.launch(QemuRig.appliance, savable=True)
    disk(monitor, "write -P 7")
    first.machine.save(lives.state)
    for _ in range(2):
        _, monitor, _ = lives.restore()
        assert "failed" not in disk(monitor, "read -P 7")
        disk(monitor, "write -P 8")
        assert "failed" not in disk(monitor, "read -P 8")


def test_uefi_variables_are_those_that_were_saved(lives: Lives) -> None:
    def appliance(rig: QemuRig) -> Appliance:
        return rig.appliance(firmware=Firmware.UEFI, memory_mib=256)

    rig, monitor, console = lives.launch(appliance, savable=True)
    monitor.start()
    console.expect("BdsDxe", timeout=60)
    monitor.pause()
    rig.machine.save(lives.state)
    saved = (lives.state / "uefi-variables.fd").read_bytes()
    assert saved == rig.run.file("working-uefi-variables.fd").read_bytes()
    rig, monitor, _ = lives.restore(appliance)
    monitor.start()
    assert monitor.execute("query-status")["status"] == "running"
    assert (lives.state / "uefi-variables.fd").read_bytes() == saved


def test_a_state_is_small_and_for_its_owner_only(lives: Lives) -> None:
    lives.save()
    files = {path.name: path.stat() for path in lives.state.iterdir()}
    assert set(files) == {"memory", "devices", "disk0.qcow2"}
    assert sum(status.st_blocks * 512 for status in files.values()) < 16 << 20
    assert all(status.st_mode & 0o777 == 0o600 for status in files.values())


def test_no_file_and_no_descriptor_stays(lives: Lives) -> None:
    before = open_descriptors()
    saved, _ = lives.save()
    restored, _, _ = lives.restore()
    working = list(saved.run.path.glob("working-*"))
    assert len(working) == 2  # the overlay and its link: QEMU opens them anew when it is saved
    assert not list(restored.run.path.glob("working-*"))
    lives.finish()
    assert not list(saved.run.path.glob("working-*"))
    assert open_descriptors() == before


def test_a_state_whose_names_are_gone_serves_on(lives: Lives) -> None:
    lives.save()
    rig, monitor, _ = lives.restore()
    for path in lives.state.iterdir():
        path.unlink()
    press_power_button(rig, monitor)


def devices_cut(state: Path) -> None:
    os.truncate(state / "devices", 1000)


def devices_garbled(state: Path) -> None:
    (state / "devices").write_bytes(b"\0" * 100_000)


def memory_cut(state: Path) -> None:
    os.truncate(state / "memory", 1 << 20)


def memory_gone(state: Path) -> None:
    (state / "memory").unlink()


@pytest.mark.parametrize("damage", [devices_cut, devices_garbled, memory_cut, memory_gone])
def test_after_a_damaged_state_the_same_machine_can_boot(
    lives: Lives, damage: Callable[[Path], None]
) -> None:
    lives.save()
    damage(lives.state)
    rig = lives.rig()
    with pytest.raises(SavedStateError) as caught:
        rig.machine.launch(rig.topology(), [], rig.run, saved=lives.state)
        rig.machine.connect_monitor(timeout=LAUNCH, command_timeout=COMMAND)
    assert str(lives.state) in str(caught.value)
    rig.machine.kill()
    monitor, console = rig.boot()
    console.expect(GREETING.strip(), timeout=20)
    press_power_button(rig, monitor)


def overlay_gone(state: Path) -> None:
    (state / "disk0.qcow2").unlink()


def overlay_garbled(state: Path) -> None:
    path = state / "disk0.qcow2"
    path.write_bytes(bytes(path.stat().st_size))


@pytest.mark.parametrize("damage", [overlay_gone, overlay_garbled])
def test_a_damaged_disk_of_a_state_ends_in_an_error_after_which_the_same_machine_can_boot(
    lives: Lives, damage: Callable[[Path], None]
) -> None:
    lives.save()
    damage(lives.state)
    rig = lives.rig()
    with pytest.raises(RESTORE_FAULTS) as caught:
        rig.machine.launch(rig.topology(), [], rig.run, saved=lives.state)
        rig.machine.connect_monitor(timeout=LAUNCH, command_timeout=COMMAND)
    assert not was_ended(caught.value)
    rig.machine.kill()
    monitor, console = rig.boot()
    console.expect(GREETING.strip(), timeout=20)
    press_power_button(rig, monitor)


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM])
def test_who_ends_a_qemu_that_begins_says_nothing_against_its_state(
    lives: Lives, number: signal.Signals
) -> None:
    lives.save()
    rig = lives.rig()
    rig.machine.launch(rig.topology(), [], rig.run, saved=lives.state)
    rig.signal(number)
    with pytest.raises((MachineDiedError, MachineRefusedError)) as caught:
        rig.machine.connect_monitor(timeout=LAUNCH, command_timeout=COMMAND)
    status = caught.value.status  # type: ignore[attr-defined]  # both have one
    assert status
    assert not status.is_own_fault
    rig.machine.kill()


def test_a_machine_with_an_e1000_begins_where_another_was_saved(lives: Lives) -> None:
    def appliance(rig: QemuRig) -> Appliance:
        return rig.appliance(nic_model=NicModel.E1000)

    lives.save(appliance, links=2)
    lives.finish()
    rig, monitor, _ = lives.restore(appliance, links=2)
    nics = str(monitor.execute("human-monitor-command", {"command-line": "info network"}))
    assert nics.count("model=e1000") == 2
    press_power_button(rig, monitor)


def test_a_state_of_another_machine_is_refused(lives: Lives) -> None:
    lives.save()
    with pytest.raises(SavedStateError, match="QEMU died"):
        lives.restore(lambda rig: rig.appliance(cpus=2))


def test_only_a_machine_that_was_launched_for_it_is_saved(lives: Lives, tmp_path: Path) -> None:
    lives.save()
    plain, _, _ = lives.launch(QemuRig.appliance)
    restored, _, _ = lives.restore()
    never = lives.rig()
    for rig in (plain, restored, never):
        with pytest.raises(SavedStateError):
            rig.machine.save(tmp_path)


def test_a_machine_with_a_device_that_cannot_be_saved_tells_which(lives: Lives) -> None:
    def appliance(rig: QemuRig) -> Appliance:
        return rig.appliance(extra_args=("-device", "pvpanic-pci,id=x", "-device", "nvme,serial=1"))

    rig, _, _ = lives.launch(appliance, savable=True)
    with pytest.raises(SavedStateError, match="nvme"):
        rig.machine.save(lives.state)


def test_where_there_is_no_room_saving_is_an_error_of_the_host(lives: Lives) -> None:
    rig, _, _ = lives.launch(QemuRig.appliance, savable=True)
    with pytest.raises(HostError, match="room"):
        rig.machine.save(lives.state / "missing")
    with pytest.raises((MonitorError, SavedStateError, HostError)):
        rig.machine.save(lives.state / "missing")


@pytest.mark.skipif(os.geteuid() != 0, reason="only root may mount a small disk")
@pytest.mark.parametrize("size", ["16k", "256k"])
def test_a_disk_that_is_full_is_not_taken_for_a_machine_that_cannot_be_saved(
    lives: Lives, size: str
) -> None:
    rig, _, _ = lives.launch(QemuRig.appliance, savable=True)
    mount = ["mount", "-t", "tmpfs", "-o", f"size={size}", "none", str(lives.state)]
    subprocess.run(mount, check=True)
    try:
        with pytest.raises(HostError, match="No space left"):
            rig.machine.save(lives.state)
    finally:
        subprocess.run(["umount", "--lazy", str(lives.state)], check=True)


def identity(rig: QemuRig, links: int = 0, **options: Any) -> dict[str, str]:
    return rig.machine.identity(Topology.of(rig.appliance(**options), links))


def test_the_identity_is_of_the_content_and_not_of_the_place(lives: Lives) -> None:
    assert identity(lives.rig()) == identity(lives.rig())


def test_what_a_state_depends_on_is_in_its_identity(lives: Lives, tmp_path: Path) -> None:
    rig, data = lives.rig(), tmp_path / "data"
    data.write_bytes(b"1")
    named = ("-fw_cfg", f"name=opt/x,file={data}")
    found = [
        identity(rig),
        identity(rig, links=1),
        identity(rig, memory_mib=64),
        identity(rig, name="other"),
        identity(rig, cpu="qemu64"),
        identity(rig, firmware=Firmware.UEFI),
        identity(rig, extra_args=named),
    ]
    data.write_bytes(b"22")
    found.append(identity(rig, extra_args=named))
    found += [identity(rig, data_disk=DataDisk(files={"a": data}))]
    data.write_bytes(b"333")
    found += [
        identity(rig, data_disk=DataDisk(files={"a": data})),
        identity(rig, data_disk=DataDisk(files={"b": data})),
        identity(rig, data_disk=DataDisk(files={"b": data}, label="cidata")),
        identity(rig, data_disk=DataDisk(files={"b": b"4444"})),
    ]
    # The same version in another place may be another QEMU, with other devices.
    program = tmp_path / "qemu"
    program.write_text('#!/bin/sh\nexec qemu-system-x86_64 "$@"\n')
    program.chmod(0o755)
    found.append(identity(lives.rig(program=str(program))))
    changed = rig.appliance()
    with Path(changed.disks[0].path).open("r+b") as image:
        image.seek(1 << 19)
        image.write(b"x")
    found.append(rig.machine.identity(Topology.of(changed, 0)))
    link = attrs.evolve(Topology.of(changed, 1).links[0], appliance_mac="02:00:00:00:00:07")
    found.append(rig.machine.identity(Topology.of(changed, (link,))))
    assert len({str(one) for one in found}) == len(found)


@pytest.mark.parametrize(
    "words",
    [("-object", "memory-backend-ram,id=x,size=32M"), ("-m", "64"), ("-incoming", "defer")],
)
def test_an_appliance_with_memory_of_its_own_is_refused(
    lives: Lives, words: tuple[str, ...]
) -> None:
    with pytest.raises(InvalidValueError, match="saved"):
        identity(lives.rig(), extra_args=words)


def test_kept_disks_and_saved_states_exclude_each_other(lives: Lives) -> None:
    with pytest.raises(InvalidValueError, match="keep_disks"):
        identity(lives.rig(keep_disks=True))


def linux(_rig: QemuRig) -> Appliance:
    return rabbit.appliance(acceleration=Acceleration.TCG)


def test_a_linux_goes_on_with_its_links_up_and_announces_nothing_by_itself(lives: Lives) -> None:
    rig, monitor, console = lives.launch(linux, links=2, savable=True)
    monitor.start()
    shell = rabbit.login(console)
    rabbit.route(shell, "192.0.2.1/24", "198.51.100.1/24")
    shell.run("until [ $(ip -br link | grep -c ' UP ') = 2 ]; do sleep 0.1; done")
    monitor.pause()
    rig.machine.save(lives.state)
    # What QEMU writes by itself is not RAM: that would have to be read as a whole.
    assert (lives.state / "devices").stat().st_size < 1 << 20
    saved = whole_digest(lives.state / "memory")
    lives.finish()
    rig, monitor, console = lives.restore(linux, links=2)
    monitor.start()
    # Typed blindly: where the login shell had its prompt, it has it still.
    console.send("ip -br address; hwclock -s; echo set:$(date +%s).\r")
    seen = console.expect(r"set:\d+\.", timeout=20)
    assert "192.0.2.1/24" in seen.before
    assert seen.before.count(" UP ") == 2
    now = int(seen.matched.removeprefix("set:").rstrip("."))
    assert abs(now - rig.run.path.stat().st_mtime) < 60
    monitor.pause()
    for link in range(2):
        kinds = [frame[12:14] for frame in read_frames(rig.run.file(f"link{link}.pcap"))]
        assert not {ARP, RARP} & set(kinds)
    assert whole_digest(lives.state / "memory") == saved


def test_a_restored_linux_can_be_reset_and_shut_down(lives: Lives) -> None:
    rig, monitor, console = lives.launch(linux, links=2, savable=True)
    monitor.start()
    rabbit.login(console)
    monitor.pause()
    rig.machine.save(lives.state)
    lives.finish()
    _, monitor, console = lives.restore(linux, links=2)
    monitor.start()
    monitor.reset()
    rabbit.login(console)
    monitor.press_power_button()
    monitor.wait_for_event("SHUTDOWN", timeout=20)
