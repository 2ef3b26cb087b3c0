# SPDX-License-Identifier: GPL-3.0-or-later
"""All the files that an appliance needs, looked at before it runs."""

from __future__ import annotations

from pathlib import Path

from alpy.adapters.qemu.data_disk import check_data_disk
from alpy.adapters.qemu.disk_overlay import check_image
from alpy.adapters.qemu.files import check_iso, check_kernel, check_readable
from alpy.adapters.qemu.firmware import find_firmware
from alpy.adapters.qemu.working_files import readable
from alpy.core.appliance import Appliance, Firmware


def check_files(appliance: Appliance, image_program: str) -> None:
    """Look at each file of *appliance*, at disk images by *image_program*, a qemu-img.

    Raises:
        ApplianceFileError: one is missing, or something else.
        HostError: the firmware or the program is missing.
    """
    if appliance.kernel:
        check_kernel(Path(appliance.kernel.image))
        if appliance.kernel.initrd:
            check_readable(Path(appliance.kernel.initrd), what="initrd")
    for disk in appliance.disks:
        check_image(image_program, Path(disk.path), disk.format)
    if appliance.data_disk:
        check_data_disk(appliance.data_disk)
    if appliance.iso:
        check_iso(Path(appliance.iso))
    if appliance.firmware is Firmware.UEFI:
        find_firmware(readable)
