# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

from pathlib import PurePath
from typing import Any

import pytest

from alpy.core.appliance import (
    Acceleration,
    Appliance,
    Disk,
    DiskFormat,
    Firmware,
    Kernel,
    NicModel,
)
from alpy.core.errors import InvalidValueError

KERNEL = Kernel(image="vmlinuz")


def test_an_appliance_with_nothing_to_boot_is_refused_by_its_name() -> None:
    with pytest.raises(
        InvalidValueError,
        match=r"^appliance 'rabbit' has nothing to boot: give it a kernel, a disk or an ISO$",
    ):
        Appliance(name="rabbit")


@pytest.mark.parametrize(
    "boot", [{"kernel": KERNEL}, {"disks": (Disk(path="disk.qcow2"),)}, {"iso": "live.iso"}]
)
def test_any_one_thing_to_boot_is_enough(boot: dict[str, Any]) -> None:
    assert Appliance(name="rabbit", **boot).firmware is Firmware.BIOS


@pytest.mark.parametrize("model", list(NicModel))
def test_a_nic_model_may_be_given_by_its_name(model: NicModel) -> None:
    assert Appliance(name="rabbit", kernel=KERNEL, nic_model=model.value).nic_model is model


def test_an_unknown_nic_model_is_refused_with_those_known() -> None:
    with pytest.raises(InvalidValueError, match="NicModel 'ne2000': alpy knows virtio-net-pci, e"):
        Appliance(name="rabbit", kernel=KERNEL, nic_model="ne2000")


@pytest.mark.parametrize("name", ["memory_mib", "cpus"])
@pytest.mark.parametrize("value", [0, -1])
def test_no_memory_or_no_cpu_is_refused(name: str, value: int) -> None:
    with pytest.raises(InvalidValueError, match=f"{name} = {value}: at least 1 is wanted"):
        Appliance(name="rabbit", kernel=KERNEL, **{name: value})  # type: ignore[arg-type]


@pytest.mark.parametrize("name", ["memory_mib", "cpus"])
def test_one_is_enough(name: str) -> None:
    appliance = Appliance(name="rabbit", kernel=KERNEL, **{name: 1})  # type: ignore[arg-type]
    assert getattr(appliance, name) == 1


def test_paths_may_be_text() -> None:
    appliance = Appliance(
        name="rabbit", kernel=Kernel(image="a b/vmlinuz", initrd="initrd"), iso="x.iso"
    )
    assert appliance.kernel is not None
    assert appliance.kernel.image == PurePath("a b/vmlinuz")
    assert appliance.kernel.initrd == PurePath("initrd")
    assert appliance.iso == PurePath("x.iso")


def test_words_may_be_text() -> None:
    appliance = Appliance(
        name="rabbit",
        disks=(Disk(path="disk.img", format="raw"),),
        firmware="uefi",
        acceleration="tcg",
    )
    assert (appliance.firmware, appliance.acceleration) == (Firmware.UEFI, Acceleration.TCG)
    assert appliance.disks[0].format is DiskFormat.RAW


@pytest.mark.parametrize(
    ("name", "known"), [("firmware", "bios, uefi"), ("acceleration", "auto, kvm, tcg")]
)
def test_an_unknown_word_is_refused_with_those_known(name: str, known: str) -> None:
    with pytest.raises(InvalidValueError, match=f"^{name.title()} 'openbios': alpy knows {known}$"):
        Appliance(name="rabbit", kernel=KERNEL, **{name: "openbios"})  # type: ignore[arg-type]


def test_an_unknown_disk_format_is_refused_with_those_known() -> None:
    with pytest.raises(InvalidValueError, match=r"DiskFormat 'vmdk'.*qcow2, raw"):
        Disk(path="disk.vmdk", format="vmdk")
