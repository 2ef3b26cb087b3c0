# SPDX-License-Identifier: GPL-3.0-or-later
"""What a saved state depends on: with the same facts a machine can begin with it, else it can't."""

from __future__ import annotations

import shlex
import shutil
from collections.abc import Callable, Iterator
from hashlib import sha256
from pathlib import Path, PurePath
from typing import Final

from attrs import evolve

from alpy.adapters.qemu.command import Drives, HostFacts, MemoryFile, command_line
from alpy.adapters.qemu.disk_overlay import images_of
from alpy.adapters.qemu.firmware import FirmwareFiles, find_firmware
from alpy.adapters.qemu.program import ask
from alpy.adapters.qemu.working_files import readable
from alpy.core.appliance import Acceleration, Appliance, Firmware
from alpy.core.data_disk import DataDisk
from alpy.core.link import Link
from alpy.core.topology import Topology

# Whoever changes what is in a saved state, or how a machine is set up, counts on.
_FORMAT: Final = "1"
_SOMEWHERE: Final = PurePath()

Digest = Callable[[Path], str]


def identity(
    topology: Topology,
    *,
    program: str,
    image_program: str,
    acceleration: Acceleration,
    digest: Digest,
) -> dict[str, str]:
    """The facts by name, in words for people. *digest* tells a file's content.

    Raises:
        ApplianceFileError: a file of the appliance can't be read.
        HostError: a program or the firmware is missing.
    """
    appliance = topology.appliance
    return {
        "format": _FORMAT,
        "appliance": appliance.name,
        "qemu": _program(program),
        "cpu": _host_cpu() if acceleration is Acceleration.KVM else "emulated",
        "arguments": shlex.join(_arguments(topology, acceleration)),
        "links": "; ".join(_link(link) for link in topology.links),
        "data disk": _data_disk(appliance.data_disk, digest),
        "named files": "; ".join(_named_files(appliance)),
        **{name: digest(path) for name, path in _files(appliance, image_program)},
    }


def _arguments(topology: Topology, acceleration: Acceleration) -> list[str]:
    """The command line, without what is another in each run."""
    appliance = topology.appliance
    kernel = appliance.kernel and evolve(
        appliance.kernel,
        image="kernel",
        initrd="initrd" if appliance.kernel.initrd else None,
    )
    uefi = appliance.firmware is Firmware.UEFI
    facts = HostFacts(
        program="qemu",
        acceleration=acceleration,
        directory=_SOMEWHERE,
        captures=_SOMEWHERE,
        monitor_fd=0,
        console_fd=0,
        tap_fds=tuple(0 for _ in topology.links),
        drives=Drives(
            overlays=tuple(PurePath(f"disk{number}") for number, _ in enumerate(appliance.disks)),
            data_disk=PurePath("data") if appliance.data_disk else None,
            firmware=FirmwareFiles(code="code", variables="variables") if uefi else None,
        ),
        memory=MemoryFile(fd=0, shared=False),
    )
    same = evolve(appliance, kernel=kernel, iso="iso" if appliance.iso else None)
    return command_line(evolve(topology, appliance=same), facts)


def _link(link: Link) -> str:
    """What the appliance can have seen of it: it may know its neighbour by address."""
    offload = ", offload" if link.offload else ""
    return f"{link.appliance_mac} to {link.node_mac}, MTU {link.mtu}{offload}"


def _files(appliance: Appliance, image_program: str) -> Iterator[tuple[str, Path]]:
    if appliance.kernel:
        yield "kernel", Path(appliance.kernel.image)
        if appliance.kernel.initrd:
            yield "initrd", Path(appliance.kernel.initrd)
    for number, disk in enumerate(appliance.disks):
        for below, path in enumerate(images_of(image_program, Path(disk.path))):
            yield f"disk {number}.{below}", path
    if appliance.iso:
        yield "iso", Path(appliance.iso)
    if appliance.firmware is Firmware.UEFI:
        firmware = find_firmware(readable)
        yield "firmware", Path(firmware.code)
        yield "variables", Path(firmware.variables)


def _data_disk(disk: DataDisk | None, digest: Digest) -> str:
    """Its label, and each file with its content."""
    if disk is None:
        return ""
    contents = (
        (name, sha256(content).hexdigest() if isinstance(content, bytes) else digest(Path(content)))
        for name, content in disk.files
    )
    return "; ".join((disk.label, *(f"{name} {content}" for name, content in contents)))


def _named_files(appliance: Appliance) -> Iterator[str]:
    """Files in the user's own arguments: another time is taken for another content."""
    for argument in appliance.extra_args:
        for word in argument.replace("=", ",").split(","):
            path = Path(word)
            if word and "\0" not in word and path.is_file():
                status = path.stat()
                yield f"{word} {status.st_size} {status.st_mtime_ns}"


def _program(program: str) -> str:
    path = Path(shutil.which(program) or program).resolve()
    status = path.stat() if path.exists() else None
    version = ask(program, "--version").stdout.partition("\n")[0]
    return f"{version}; {path}, {status and (status.st_size, status.st_mtime_ns)}"


def _host_cpu() -> str:
    """Under KVM the appliance has seen what this CPU can do."""
    facts = Path("/proc/cpuinfo").read_text(encoding="utf-8").partition("\n\n")[0].splitlines()
    known = [line for line in facts if line.startswith(("model name", "flags", "stepping"))]
    return sha256("\n".join(known).encode()).hexdigest()
