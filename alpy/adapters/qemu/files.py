# SPDX-License-Identifier: GPL-3.0-or-later
"""The appliance's files, looked at before the run: QEMU would boot a wrong one into silence."""

from __future__ import annotations

import stat
from pathlib import Path
from typing import Final

from alpy.core.errors import ApplianceFileError

# Linux, Documentation/arch/x86/boot.rst: every kernel since 1996 has this mark.
_LINUX: Final = (0x202, b"HdrS")
_ELF: Final = b"\x7fELF"
# Multiboot puts its mark anywhere in the first 8 KiB.
_MULTIBOOT: Final = (8192, b"\x02\xb0\xad\x1b")
# ECMA-119 and ECMA-167: the first volume descriptor, in the sector after 32 KiB.
_VOLUME: Final = (0x8001, (b"CD001", b"BEA01"))


def check_file(path: Path, *, what: str) -> None:
    """Look whether *path* is a file that we can read.

    Raises:
        ApplianceFileError: it is not.
    """
    _read(path, what, length=1)


def check_readable(path: Path, *, what: str) -> None:
    """Look whether *path* is a file that we can read, and holds something.

    Raises:
        ApplianceFileError: it is not, or it is empty.
    """
    if not _read(path, what, length=1):
        raise _refusal(path, what, "it is empty")


def check_kernel(path: Path) -> None:
    """Look whether *path* is something that QEMU can boot without a boot loader.

    Raises:
        ApplianceFileError: it is missing, or no kernel.
    """
    head = _read(path, "kernel", length=_MULTIBOOT[0])
    at, mark = _LINUX
    linux = head[at : at + len(mark)] == mark
    if not (linux or head.startswith(_ELF) or _MULTIBOOT[1] in head):
        raise _refusal(path, "kernel", "it is no Linux, ELF or Multiboot kernel")


def check_iso(path: Path) -> None:
    """Look whether *path* is the image of a CD or DVD.

    Raises:
        ApplianceFileError: it is missing, or no such image.
    """
    at, marks = _VOLUME
    if not _read(path, "ISO image", length=at + 5)[at:].startswith(marks):
        raise _refusal(path, "ISO image", "it holds no ISO 9660 or UDF file system")


def _read(path: Path, what: str, *, length: int) -> bytes:
    try:
        # To open a pipe would wait for its other end.
        mode = path.stat().st_mode
        if not (stat.S_ISREG(mode) or stat.S_ISBLK(mode)):
            raise _refusal(path, what, "it is no plain file")
        with path.open("rb") as file:
            return file.read(length)
    except (OSError, ValueError) as error:
        raise _refusal(path, what, getattr(error, "strerror", None) or str(error)) from error


def _refusal(path: Path, what: str, found: str) -> ApplianceFileError:
    return ApplianceFileError(
        asked=f"{what} {path}",
        found=found,
        remedy="Give the path of one that this user can read",
    )
