# SPDX-License-Identifier: GPL-3.0-or-later
"""Files that QEMU works on in the run directory; they are no evidence, and go when it goes."""

from __future__ import annotations

import os
import re
import shutil
from collections.abc import Sequence
from pathlib import Path, PurePath
from typing import Final

from attrs import define, field

from alpy.adapters.host_error import host_error
from alpy.adapters.qemu.command import Drives
from alpy.adapters.qemu.data_disk import write_data_disk
from alpy.adapters.qemu.disk_overlay import base_link, create_overlay, saved_link
from alpy.adapters.qemu.firmware import FirmwareFiles, find_firmware
from alpy.adapters.sparse import copy_filled
from alpy.core.appliance import Appliance, Disk, Firmware
from alpy.core.data_disk import DataDisk
from alpy.core.ports import RunDirectory

# Files that are to be kept have names without it: so a folder tells by itself which of its files go
# when the process that would remove them has died.
_MARK: Final = "working-"
_VARIABLES: Final = "uefi-variables.fd"
_DATA_DISK: Final = "data.iso"
# The appliance writes to these; it only reads the others.
_WRITTEN: Final = (".qcow2", ".fd")
_NAMES: Final = re.compile(rf"{_MARK}(disk[0-9]+\.(qcow2|base|saved)|uefi-variables\.fd|data\.iso)")


def is_working_file(name: str) -> bool:
    """Whether a file of a run directory that is called *name* goes with its QEMU."""
    return _NAMES.fullmatch(name) is not None


@define(kw_only=True)
class WorkingFiles:
    """Made below *run*, with *image_program*, a qemu-img. *keep*: they are evidence, and stay.

    *saved*: the folder of a saved state; then they begin with what they held when it was saved.
    """

    _run: RunDirectory
    _image_program: str
    _keep: bool = False
    _saved: Path | None = None
    _made: list[Path] = field(factory=list, init=False)

    def create(self, appliance: Appliance) -> Drives:
        """All that *appliance* needs.

        Raises:
            HostError: one could not be made, for want of room for instance.
        """
        return Drives(
            overlays=self._create_overlays(appliance.disks),
            data_disk=self._create_data_disk(appliance.data_disk),
            firmware=self._copy_firmware(appliance.firmware),
        )

    def save(self, folder: Path) -> None:
        """Copy what they hold now to *folder*. The machine is paused meanwhile.

        Raises OSError.
        """
        for path in self._made:
            if path.suffix in _WRITTEN:
                with path.open("rb") as file:
                    copy_filled(file.fileno(), folder / path.name.removeprefix(_MARK))

    def remove(self) -> None:
        """Remove what was made and is not kept; again does nothing.

        Raises:
            HostError: a file is still there.
        """
        while self._made and not self._keep:
            path = self._made[-1]
            try:
                path.unlink(missing_ok=True)
            except OSError as error:
                raise host_error(
                    f"remove {path}", error, remedy="Remove it by hand; it is no evidence"
                ) from error
            self._made.pop()

    def _create_overlays(self, disks: Sequence[Disk]) -> tuple[Path, ...]:
        overlays = []
        for number, disk in enumerate(disks):
            name = f"disk{number}.qcow2"
            overlay = self._file(name)
            self._made += (overlay, base_link(overlay), saved_link(overlay))
            create_overlay(
                self._image_program,
                image=Path(disk.path),
                format_=disk.format,
                overlay=overlay,
                saved=self._saved and self._saved / name,
            )
            overlays.append(overlay)
        return tuple(overlays)

    def _copy_firmware(self, firmware: Firmware) -> FirmwareFiles | None:
        if firmware is not Firmware.UEFI:
            return None  # QEMU has a BIOS
        found = find_firmware(readable)
        variables = self._file(_VARIABLES)
        self._made.append(variables)
        try:
            empty_or_saved = self._saved / _VARIABLES if self._saved else found.variables
            shutil.copyfile(empty_or_saved, variables)
        except OSError as error:
            raise host_error(
                f"copy UEFI's variable store to {variables}",
                error,
                remedy="Make room, or choose another run directory",
            ) from error
        return FirmwareFiles(code=found.code, variables=variables)

    def _create_data_disk(self, disk: DataDisk | None) -> Path | None:
        if disk is None:
            return None
        image = self._file(_DATA_DISK)
        self._made.append(image)
        write_data_disk(disk, image)
        return image

    def _file(self, name: str) -> Path:
        return self._run.file(name if self._keep else f"{_MARK}{name}")


def readable(path: PurePath) -> bool:
    """Whether we may read *path*."""
    return os.access(path, os.R_OK)
