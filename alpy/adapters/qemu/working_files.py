# SPDX-License-Identifier: GPL-3.0-or-later
"""Files that QEMU works on in the run directory; they are no evidence, and go when it goes."""

from __future__ import annotations

import os
import shutil
from collections.abc import Sequence
from pathlib import Path, PurePath

from attrs import define, field

from alpy.adapters.qemu.disk_overlay import base_link, create_overlay
from alpy.adapters.qemu.firmware import FirmwareFiles, find_firmware
from alpy.core.appliance import Disk, Firmware
from alpy.core.errors import HostError
from alpy.core.ports import RunDirectory


@define(kw_only=True)
class WorkingFiles:
    """Made below *run*, with *image_program*, a qemu-img."""

    _run: RunDirectory
    _image_program: str
    _made: list[Path] = field(factory=list, init=False)

    def create_overlays(self, disks: Sequence[Disk]) -> tuple[Path, ...]:
        """An overlay for each disk.

        Raises:
            HostError: one could not be made.
        """
        overlays = []
        for number, disk in enumerate(disks):
            overlay = self._run.file(f"disk{number}.qcow2")
            self._made += (overlay, base_link(overlay))
            create_overlay(
                self._image_program, image=Path(disk.path), format_=disk.format, overlay=overlay
            )
            overlays.append(overlay)
        return tuple(overlays)

    def copy_firmware(self, firmware: Firmware) -> FirmwareFiles | None:
        """UEFI's code, and a variable store of its own; nothing for a BIOS, which QEMU has.

        Raises:
            HostError: it is not there, or could not be copied.
        """
        if firmware is not Firmware.UEFI:
            return None
        found = find_firmware(readable)
        variables = self._run.file("uefi-variables.fd")
        self._made.append(variables)
        try:
            shutil.copyfile(found.variables, variables)
        except OSError as error:
            raise HostError(
                asked=f"copy UEFI's variable store to {variables}",
                found=os.strerror(error.errno or 0),
                remedy="Make room, or choose another run directory",
            ) from error
        return FirmwareFiles(code=found.code, variables=variables)

    def remove(self) -> None:
        """Remove what was made; again does nothing.

        Raises:
            HostError: a file is still there.
        """
        while self._made:
            path = self._made[-1]
            try:
                path.unlink(missing_ok=True)
            except OSError as error:
                raise HostError(
                    asked=f"remove {path}",
                    found=os.strerror(error.errno or 0),
                    remedy="Remove it by hand; it is no evidence",
                ) from error
            self._made.pop()


def readable(path: PurePath) -> bool:
    """Whether we may read *path*."""
    return os.access(path, os.R_OK)
