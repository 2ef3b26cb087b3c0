# SPDX-License-Identifier: GPL-3.0-or-later
"""UEFI firmware: where distributions put OVMF's code and its empty variable store."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import PurePath
from typing import Final

from attrs import field, frozen

from alpy.core.errors import HostError


@frozen(kw_only=True)
class FirmwareFiles:
    """The code, which is shared and only read, and a variable store that fits it."""

    code: PurePath = field(converter=PurePath)
    variables: PurePath = field(converter=PurePath)


def _pair(folder: str, code: str, variables: str) -> FirmwareFiles:
    return FirmwareFiles(code=PurePath(folder) / code, variables=PurePath(folder) / variables)


# No build for Secure Boot is among them: it needs a machine with system management mode.
CANDIDATES: Final[Sequence[FirmwareFiles]] = (
    _pair("/usr/share/OVMF", "OVMF_CODE_4M.fd", "OVMF_VARS_4M.fd"),  # Debian 12, Ubuntu 22.04 on
    _pair("/usr/share/OVMF", "OVMF_CODE.fd", "OVMF_VARS.fd"),  # Debian 11, Alpine
    _pair("/usr/share/edk2/ovmf", "OVMF_CODE.fd", "OVMF_VARS.fd"),  # Fedora
    _pair("/usr/share/edk2/x64", "OVMF_CODE.4m.fd", "OVMF_VARS.4m.fd"),  # Arch
    _pair("/usr/share/edk2/x64", "OVMF_CODE.fd", "OVMF_VARS.fd"),  # Arch before 2024
    _pair("/usr/share/qemu", "ovmf-x86_64-code.bin", "ovmf-x86_64-vars.bin"),  # openSUSE
    _pair("/usr/share/qemu", "edk2-x86_64-code.fd", "edk2-i386-vars.fd"),  # QEMU's own
    _pair("/usr/local/share/qemu", "edk2-x86_64-code.fd", "edk2-i386-vars.fd"),
)


def find_firmware(readable: Callable[[PurePath], bool]) -> FirmwareFiles:
    """The first pair of which both files are *readable*.

    Raises:
        HostError: there is none.
    """
    for files in CANDIDATES:
        if readable(files.code) and readable(files.variables):
            return files
    places = ", ".join(dict.fromkeys(str(files.code.parent) for files in CANDIDATES))
    raise HostError(
        asked="UEFI firmware for the appliance",
        found=f"no OVMF in {places}",
        remedy="Install it: 'apt-get install ovmf' (Debian, Ubuntu), 'dnf install edk2-ovmf'"
        " (Fedora), 'apk add ovmf' (Alpine)",
    )
