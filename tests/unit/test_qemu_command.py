# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import re
from itertools import pairwise
from pathlib import PurePath
from typing import Any

import attrs
import pytest

from alpy.adapters.qemu.command import (
    LINK_LIMIT,
    Drives,
    HostFacts,
    MemoryFile,
    check_expressible,
    command_line,
    escaped,
)
from alpy.adapters.qemu.firmware import FirmwareFiles
from alpy.core.appliance import Acceleration, Appliance, Disk, Firmware, Kernel, NicModel
from alpy.core.errors import InvalidValueError
from alpy.core.topology import Topology


def appliance(**options: Any) -> Appliance:
    return Appliance(**{"name": "rabbit", "kernel": Kernel(image="vmlinuz"), **options})


def facts(**options: Any) -> HostFacts:
    found = HostFacts(
        program="qemu", acceleration=Acceleration.TCG, directory=PurePath("/home/me"),
        captures=PurePath("/run"), monitor_fd=3, console_fd=4,
    )  # fmt: skip
    return attrs.evolve(found, **options)


def argv(links: int = 0, *, host: HostFacts | None = None, **options: Any) -> list[str]:
    host = host or facts(tap_fds=tuple(range(10, 10 + links)))
    return command_line(Topology.of(appliance(**options), links), host)


def values(arguments: list[str], option: str) -> list[str]:
    return [value for name, value in pairwise(arguments) if name == option]


def nics(arguments: list[str]) -> list[str]:
    return [value for value in values(arguments, "-device") if "netdev=" in value]


def test_the_vm_starts_paused_with_nothing_that_was_not_asked_for() -> None:
    arguments = argv()
    assert arguments[0] == "qemu"
    assert {"-S", "-nodefaults", "-no-user-config"} <= set(arguments)
    assert values(arguments, "-display") == ["none"]


def test_the_machine_is_the_one_asked_for() -> None:
    arguments = argv(machine="pc", cpu="qemu64", cpus=3, memory_mib=384)
    options = ("-machine", "-cpu", "-smp", "-m", "-accel")
    assert [values(arguments, option) for option in options] == [
        ["pc"], ["qemu64"], ["3"], ["384M"], ["tcg"],
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("acceleration", "cpu"), [(Acceleration.TCG, "max"), (Acceleration.KVM, "host")]
)
def test_the_cpu_of_the_host_exists_under_kvm_alone(acceleration: Acceleration, cpu: str) -> None:
    assert values(argv(cpu="host", host=facts(acceleration=acceleration)), "-cpu") == [cpu]


def test_monitor_and_console_are_inherited_descriptors() -> None:
    arguments = argv(host=facts(monitor_fd=7, console_fd=8))
    assert values(arguments, "-chardev") == ["socket,id=monitor,fd=7", "socket,id=console,fd=8"]
    assert values(arguments, "-mon") == ["chardev=monitor,mode=control"]
    assert values(arguments, "-serial") == ["chardev:console"]


def test_each_link_is_a_tap_a_capture_and_a_nic_without_boot_rom() -> None:
    arguments = argv(2, nic_model=NicModel.E1000)
    assert values(arguments, "-netdev") == ["tap,id=link0,fd=10", "tap,id=link1,fd=11"]
    assert values(arguments, "-object")[1] == (
        "filter-dump,id=capture1,netdev=link1,file=/run/link1.pcap,maxlen=262144"
    )
    assert nics(arguments)[1] == "e1000,netdev=link1,mac=02:a1:00:00:00:01,romfile=,addr=0x9"


def _place(nic: str) -> tuple[int, int, int]:
    bus = re.search(r"bus=nics(\d+)", nic)
    address = re.search(r"addr=(0x[0-9a-f]+)", nic)
    assert address
    # A guest sees first what is on the root bus, then what is behind the bridges.
    return (1, int(bus[1]), int(address[1], 16)) if bus else (0, 0, int(address[1], 16))


@pytest.mark.parametrize("links", [1, 2, 16, 17, 47, 48, 64, LINK_LIMIT])
def test_a_guest_finds_the_nics_in_the_order_of_the_links(links: int) -> None:
    places = [_place(nic) for nic in nics(argv(links))]
    assert places == sorted(set(places))
    assert len(places) == links


@pytest.mark.parametrize(("links", "bridges"), [(0, 0), (16, 0), (17, 1), (47, 1), (48, 2)])
def test_there_are_as_many_bridges_as_needed(links: int, bridges: int) -> None:
    devices = values(argv(links), "-device")
    assert sum(device.startswith("pci-bridge") for device in devices) == bridges


def test_more_links_than_fit_are_refused() -> None:
    with pytest.raises(InvalidValueError, match=f"at most {LINK_LIMIT}"):
        argv(LINK_LIMIT + 1)


def test_a_kernel_is_loaded_by_qemu_itself() -> None:
    kernel = Kernel(image="/boot/vmlinuz", initrd="a, b", command_line="console=ttyS0 quiet")
    arguments = argv(kernel=kernel)
    assert values(arguments, "-kernel") == ["/boot/vmlinuz"]
    assert values(arguments, "-initrd") == ["/home/me/a, b"]
    assert values(arguments, "-append") == ["console=ttyS0 quiet"]


def test_disks_are_their_overlays_and_boot_before_the_iso() -> None:
    host = facts(
        drives=Drives(overlays=(PurePath("/run/disk0.qcow2"), PurePath("/run/disk1.qcow2")))
    )
    arguments = argv(
        host=host, kernel=None, disks=(Disk(path="a"), Disk(path="b")), iso="install.iso"
    )
    drives = values(arguments, "-drive")
    assert [drive.rpartition("file=")[2] for drive in drives] == [
        "/run/disk0.qcow2", "/run/disk1.qcow2", "/home/me/install.iso",
    ]  # fmt: skip
    devices = values(arguments, "-device")
    assert [device.rpartition("bootindex=")[2] for device in devices] == ["0", "1", "2"]
    assert "readonly=on" in drives[2]


def test_a_data_disk_comes_after_the_disks_is_only_read_and_never_booted() -> None:
    drives = Drives(overlays=(PurePath("/run/disk0.qcow2"),), data_disk=PurePath("/run/data.iso"))
    arguments = argv(host=facts(drives=drives), disks=(Disk(path="a"),), iso="install.iso")
    assert [drive.rpartition("file=")[2] for drive in values(arguments, "-drive")] == [
        "/run/disk0.qcow2", "/run/data.iso", "/home/me/install.iso",
    ]  # fmt: skip
    assert "readonly=on" in values(arguments, "-drive")[1]
    devices = values(arguments, "-device")
    assert [device.partition("bootindex=")[2] for device in devices] == ["1", "", "2"]


def test_uefi_is_shared_code_and_a_private_variable_store() -> None:
    files = FirmwareFiles(code="/usr/share/code.fd", variables="/run/vars.fd")
    drives = values(
        argv(firmware=Firmware.UEFI, host=facts(drives=Drives(firmware=files))), "-drive"
    )
    assert drives == [
        "if=pflash,format=raw,unit=0,readonly=on,file=/usr/share/code.fd",
        "if=pflash,format=raw,unit=1,file=/run/vars.fd",
    ]


def test_a_comma_in_a_path_or_name_does_not_end_the_option() -> None:
    host = facts(
        captures=PurePath("/a, b=c"), tap_fds=(9,), drives=Drives(overlays=(PurePath("/d,e"),))
    )
    arguments = argv(1, host=host, name="x,y", disks=(Disk(path="d"),), iso="f,g")
    assert escaped("a,,b") == "a,,,,b"
    assert values(arguments, "-name") == ["guest=x,,y"]
    assert "file=/a,, b=c/link0.pcap," in values(arguments, "-object")[0]
    assert [drive.partition("file=")[2] for drive in values(arguments, "-drive")] == [
        "/d,,e", "/home/me/f,,g",
    ]  # fmt: skip


def test_extra_arguments_come_last_and_untouched() -> None:
    extra = ("-device", "virtio-rng-pci", "-append", "a,b", "")
    assert argv(2, extra_args=extra)[-5:] == list(extra)


@pytest.mark.parametrize(
    "argument",
    [
        "tap,id=x,vhost=on",
        "tap,vhostforce=on,id=x",
        "tap,queues=4",
        '{"type": "tap", "vhost": true}',
        '{"type": "tap", "queues": 2}',
        "vhost-user,queues=2",
    ],
)
def test_what_no_capture_sees_is_refused(argument: str) -> None:
    with pytest.raises(InvalidValueError, match="capture"):
        check_expressible(Topology.of(appliance(extra_args=("-netdev", argument)), 0))


@pytest.mark.parametrize(
    "argument",
    ["tap,vhost=off", "tap,queues=1", "virtio-blk-pci,num-queues=4", '{"vhost": false}', "x"],
)
def test_what_a_capture_sees_is_not_refused(argument: str) -> None:
    check_expressible(Topology.of(appliance(extra_args=("-device", argument)), 0))


def test_memory_in_a_file_is_mapped_as_it_is_told() -> None:
    shared = argv(host=facts(memory=MemoryFile(fd=9, shared=True)), memory_mib=64)
    assert values(shared, "-machine") == ["q35,memory-backend=ram"]
    assert values(shared, "-object") == [
        "memory-backend-file,id=ram,size=64M,mem-path=/proc/self/fd/9,share=on"
    ]
    private = argv(host=facts(memory=MemoryFile(fd=9, shared=False)))
    assert "share=off" in values(private, "-object")[0]


def test_a_machine_waits_for_a_state_only_if_it_gets_one() -> None:
    assert values(argv(host=facts(incoming=True)), "-incoming") == ["defer"]
    assert "-incoming" not in argv()


def test_the_process_inherits_each_descriptor_that_is_named() -> None:
    host = facts(tap_fds=(10, 11), memory=MemoryFile(fd=9, shared=True))
    assert host.descriptors == (3, 4, 10, 11, 9)
    assert facts().descriptors == (3, 4)
