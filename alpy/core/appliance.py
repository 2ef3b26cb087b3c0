# SPDX-License-Identifier: GPL-3.0-or-later
"""The appliance: what is booted, and the machine it believes to run on."""

from __future__ import annotations

from collections.abc import Iterable
from enum import StrEnum
from pathlib import PurePath
from typing import Any, NoReturn

from attrs import Attribute, field, frozen
from attrs.converters import optional

from alpy.core.checks import many
from alpy.core.data_disk import DataDisk
from alpy.core.errors import InvalidValueError


class _Word(StrEnum):
    """One of a few words, refused in words that name the others."""

    @classmethod
    def _missing_(cls, value: object) -> NoReturn:
        raise InvalidValueError(f"{cls.__name__} {value!r}: alpy knows {', '.join(cls)}")


class Firmware(_Word):
    BIOS = "bios"
    UEFI = "uefi"


class NicModel(_Word):
    """The network cards that an appliance can be given, by QEMU's names."""

    VIRTIO = "virtio-net-pci"
    E1000 = "e1000"
    E1000E = "e1000e"
    VMXNET3 = "vmxnet3"
    RTL8139 = "rtl8139"


class Acceleration(_Word):
    """AUTO tries KVM with a guest of a few bytes and falls back to TCG, with a warning."""

    AUTO = "auto"
    KVM = "kvm"
    TCG = "tcg"


class DiskFormat(_Word):
    QCOW2 = "qcow2"
    RAW = "raw"


@frozen(kw_only=True)
class Kernel:
    """A kernel that the hypervisor loads by itself, past any boot loader."""

    image: PurePath = field(converter=PurePath)
    initrd: PurePath | None = field(default=None, converter=optional(PurePath))
    command_line: str = ""


@frozen(kw_only=True)
class Disk:
    """A disk image. The file is only read: what the appliance writes goes to an overlay."""

    path: PurePath = field(converter=PurePath)
    format: DiskFormat = field(default=DiskFormat.QCOW2, converter=DiskFormat)


def _disks(values: Iterable[Disk]) -> tuple[Disk, ...]:
    return many(values, Disk, "disks")


def _extra_args(values: Iterable[str]) -> tuple[str, ...]:
    return many(values, str, "extra_args")


def _data_disk(_appliance: Appliance, _attribute: Attribute[Any], value: object) -> None:
    if not isinstance(value, DataDisk | None):
        raise InvalidValueError(f"data_disk {value!r}: a DataDisk is wanted")


def _positive(_appliance: Appliance, attribute: Attribute[int], value: object) -> None:
    if not isinstance(value, int):
        raise InvalidValueError(f"{attribute.name} = {value!r}: a whole number is wanted")
    if value < 1:
        raise InvalidValueError(f"{attribute.name} = {value}: at least 1 is wanted")


@frozen(kw_only=True)
class Appliance:
    """A network virtual appliance as its vendor ships it, and the machine to run it on.

    *data_disk* comes after all *disks*. *memory_mib*: RAM in MiB. *cpu* and *machine* are QEMU's
    names. *extra_args* go to the hypervisor's command line as they are, after everything else.
    """

    name: str
    kernel: Kernel | None = None
    disks: tuple[Disk, ...] = field(default=(), converter=_disks)
    iso: PurePath | None = field(default=None, converter=optional(PurePath))
    data_disk: DataDisk | None = field(default=None, validator=_data_disk)
    firmware: Firmware = field(default=Firmware.BIOS, converter=Firmware)
    memory_mib: int = field(default=512, validator=_positive)
    cpus: int = field(default=1, validator=_positive)
    machine: str = "q35"
    cpu: str = "max"
    nic_model: NicModel = field(default=NicModel.VIRTIO, converter=NicModel)
    acceleration: Acceleration = field(default=Acceleration.AUTO, converter=Acceleration)
    extra_args: tuple[str, ...] = field(default=(), converter=_extra_args)

    def __attrs_post_init__(self) -> None:
        if not (self.kernel or self.disks or self.iso):
            raise InvalidValueError(
                f"appliance {self.name!r} has nothing to boot: give it a kernel, a disk or an ISO"
            )
