# SPDX-License-Identifier: GPL-3.0-or-later
"""QEMU's command line, as a pure function of the topology and of what was found on the host."""

from __future__ import annotations

import re
from collections.abc import Iterator
from itertools import count
from pathlib import PurePath
from typing import Final

from attrs import frozen

from alpy.adapters.qemu.firmware import FirmwareFiles
from alpy.core.appliance import Acceleration, Appliance
from alpy.core.errors import InvalidValueError
from alpy.core.link import Link
from alpy.core.topology import Topology

# A guest numbers its NICs by their PCI addresses: first what is on the root bus, in the order of
# the slots, then what is behind the bridges. Slots below the first one are left to QEMU, for disks
# and for the user's own devices; the chipset of q35 sits in the last.
_FIRST_ROOT_SLOT: Final = 0x08
_ROOT_NICS: Final = 16
_BRIDGES: Final = 2
# Slot 0 of a bridge belongs to its hot-plug controller.
_NICS_PER_BRIDGE: Final = 31
LINK_LIMIT: Final = _ROOT_NICS + _BRIDGES * _NICS_PER_BRIDGE

# The longest frame that a capture keeps whole: as much as libpcap allows.
CAPTURE_LENGTH: Final = 262144

# With these the kernel moves frames past QEMU, so that filter-dump sees none, or not all.
_UNSEEN: Final = re.compile(
    r"""(?<![-\w])(vhost(force)?=(on|yes|true|y)\b | queues=(?!1\b)\d+ | "vhost(force)?":\s*true
        | "queues":\s*(?!1\b)\d+)""",
    re.VERBOSE,
)


@frozen(kw_only=True)
class MemoryFile:
    """The file, by a descriptor that QEMU inherits, which the appliance's RAM is mapped from.

    *shared*: what the appliance writes goes to the file. Else the file is only read, as far as the
    appliance needs it, and stays as it is.
    """

    fd: int
    shared: bool


@frozen(kw_only=True)
class Drives:
    """The files that were made for this launch: an overlay for each disk, an image of the data
    disk, UEFI's code and variables.
    """

    overlays: tuple[PurePath, ...] = ()
    data_disk: PurePath | None = None
    firmware: FirmwareFiles | None = None


@frozen(kw_only=True)
class HostFacts:
    """What the host chose or opened for this launch.

    *directory*: where the appliance's relative paths begin. *memory*: where RAM is, if not in QEMU
    alone. *incoming*: wait for a saved state.
    The descriptors are those that the process inherits, *tap_fds* in the order of the links.
    """

    program: str
    acceleration: Acceleration
    directory: PurePath
    captures: PurePath
    monitor_fd: int
    console_fd: int
    tap_fds: tuple[int, ...] = ()
    drives: Drives = Drives()
    memory: MemoryFile | None = None
    incoming: bool = False

    @property
    def descriptors(self) -> tuple[int, ...]:
        """All that the process inherits."""
        memory = (self.memory.fd,) if self.memory else ()
        return (self.monitor_fd, self.console_fd, *self.tap_fds, *memory)


def check_expressible(topology: Topology) -> None:
    """Look whether *topology* can be written as a command line, and every link be captured.

    Raises:
        InvalidValueError: it can't.
    """
    if len(topology.links) > LINK_LIMIT:
        raise InvalidValueError(
            f"{len(topology.links)} links: a QEMU machine takes at most {LINK_LIMIT}"
        )
    for argument in topology.appliance.extra_args:
        if unseen := _UNSEEN.search(argument):
            raise InvalidValueError(
                f"extra argument {argument!r}: with {unseen[0]} frames go past QEMU, where no"
                " capture sees them; leave it out"
            )


def command_line(topology: Topology, host: HostFacts) -> list[str]:
    """The arguments that start *topology* with its VM paused before the first instruction.

    Raises:
        InvalidValueError: as for `check_expressible`.
    """
    check_expressible(topology)
    return [
        host.program,
        *_machine(topology.appliance, host),
        *_boot(topology.appliance, host),
        *_channels(host),
        *_bridges(len(topology.links)),
        *_nics(topology, host),
        *_drives(topology.appliance, host),
        *topology.appliance.extra_args,
    ]


def escaped(value: object) -> str:
    """*value* inside an option of QEMU's: a comma would end it, so commas are doubled."""
    return str(value).replace(",", ",,")


def _machine(appliance: Appliance, host: HostFacts) -> Iterator[str]:
    # "host" exists under KVM alone; there it means what "max" means everywhere.
    tcg = host.acceleration is Acceleration.TCG
    cpu = "max" if tcg and appliance.cpu == "host" else appliance.cpu
    yield from ("-nodefaults", "-no-user-config", "-display", "none", "-S")
    yield from ("-name", f"guest={escaped(appliance.name)}")
    machine = f"{appliance.machine},memory-backend=ram" if host.memory else appliance.machine
    yield from ("-machine", machine, "-accel", host.acceleration.value, "-cpu", cpu)
    yield from ("-smp", str(appliance.cpus), "-m", f"{appliance.memory_mib}M")
    if host.memory:
        # By this path QEMU opens the file anew, also one that has no other name.
        place = f"mem-path=/proc/self/fd/{host.memory.fd}"
        share = f"share={'on' if host.memory.shared else 'off'}"
        size = f"size={appliance.memory_mib}M"
        yield from ("-object", f"memory-backend-file,id=ram,{size},{place},{share}")
    if host.incoming:
        yield from ("-incoming", "defer")


def _boot(appliance: Appliance, host: HostFacts) -> Iterator[str]:
    if firmware := host.drives.firmware:
        flash = "if=pflash,format=raw,unit"
        yield from ("-drive", f"{flash}=0,readonly=on,file={escaped(firmware.code)}")
        yield from ("-drive", f"{flash}=1,file={escaped(firmware.variables)}")
    if appliance.kernel:
        yield from ("-kernel", str(host.directory / appliance.kernel.image))
        if appliance.kernel.initrd:
            yield from ("-initrd", str(host.directory / appliance.kernel.initrd))
        if appliance.kernel.command_line:
            yield from ("-append", appliance.kernel.command_line)


def _channels(host: HostFacts) -> Iterator[str]:
    yield from ("-chardev", f"socket,id=monitor,fd={host.monitor_fd}")
    yield from ("-mon", "chardev=monitor,mode=control")
    yield from ("-chardev", f"socket,id=console,fd={host.console_fd}")
    yield from ("-serial", "chardev:console")


def _bridges(links: int) -> Iterator[str]:
    behind = max(0, links - _ROOT_NICS)
    for bridge in range(-(-behind // _NICS_PER_BRIDGE)):
        slot = _FIRST_ROOT_SLOT + _ROOT_NICS + bridge
        yield from ("-device", f"pci-bridge,id=nics{bridge},chassis_nr={bridge + 1},addr={slot:#x}")


def _place(number: int) -> str:
    if number < _ROOT_NICS:
        return f"addr={_FIRST_ROOT_SLOT + number:#x}"
    bridge, slot = divmod(number - _ROOT_NICS, _NICS_PER_BRIDGE)
    return f"bus=nics{bridge},addr={slot + 1:#x}"


def _nics(topology: Topology, host: HostFacts) -> Iterator[str]:
    for link, tap_fd in zip(topology.links, host.tap_fds, strict=True):
        yield from _nic(link, tap_fd, topology.appliance.nic_model.value, host.captures)


def _nic(link: Link, tap_fd: int, model: str, captures: PurePath) -> Iterator[str]:
    number = link.number
    yield from ("-netdev", f"tap,id=link{number},fd={tap_fd}")
    capture = f"file={escaped(captures / link.capture_name)},maxlen={CAPTURE_LENGTH}"
    yield from ("-object", f"filter-dump,id=capture{number},netdev=link{number},{capture}")
    # Without its boot ROM the NIC sends nothing before the appliance's own system does.
    options = f"netdev=link{number},mac={link.appliance_mac},romfile=,{_place(number)}"
    if model.startswith("virtio-net"):
        # A feature for live migration only. With it, a QEMU (7.2) that was restored without any
        # announcement uses a timer that it has freed, at the next reset or shutdown.
        options += ",guest_announce=off"
    yield from ("-device", f"{model},{options}")


def _drives(appliance: Appliance, host: HostFacts) -> Iterator[str]:
    # A kernel that QEMU loads by itself comes first in the order of what is booted.
    order = count(1 if appliance.kernel else 0)
    for number, overlay in enumerate(host.drives.overlays):
        # The overlay is thrown away after the run, so that nothing has to reach the platter.
        options = f"if=none,id=disk{number},format=qcow2,cache=unsafe,discard=unmap"
        yield from ("-drive", f"{options},file={escaped(overlay)}")
        yield from ("-device", f"virtio-blk-pci,drive=disk{number},bootindex={next(order)}")
    if host.drives.data_disk:
        data = escaped(host.drives.data_disk)
        yield from ("-drive", f"if=none,id=data,format=raw,readonly=on,file={data}")
        yield from ("-device", "virtio-blk-pci,drive=data")
    if appliance.iso:
        iso = escaped(host.directory / appliance.iso)
        yield from ("-drive", f"if=none,id=iso,media=cdrom,format=raw,readonly=on,file={iso}")
        # Both q35 and pc have an "ide.1"; an appliance that is installed boots from its disk.
        yield from ("-device", f"ide-cd,drive=iso,bus=ide.1,bootindex={next(order)}")
