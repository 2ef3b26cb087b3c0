# SPDX-License-Identifier: GPL-3.0-or-later
"""Files that are empty for the most part, as a machine's memory and disks are."""

from __future__ import annotations

import errno
import hashlib
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Final

# Smaller ones leave out a few per cent more of a guest's memory, and take twice as long.
_BLOCK: Final = 1 << 16
_EMPTY: Final = bytes(_BLOCK)


def copy_filled(source: int, target: Path) -> None:
    """Copy the file that the descriptor *source* is open on to *target*, a new file.

    What holds nothing but zeros takes no room in it. Raises OSError.
    """
    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC
    with os.fdopen(os.open(target, flags, 0o600), "wb") as file:
        file.truncate(os.fstat(source).st_size)
        for offset, block in _filled(source):
            file.seek(offset)
            file.write(block)


def digest_filled(source: int) -> str:
    """What is another text for another content, however the zeros in it are stored.

    Raises OSError.
    """
    # Of all in hashlib it is the fastest where the CPU helps, and that is so since about 2017.
    digest = hashlib.sha256(str(os.fstat(source).st_size).encode())
    for offset, block in _filled(source):
        digest.update(offset.to_bytes(8, "big"))
        digest.update(block)
    return digest.hexdigest()


def _filled(source: int) -> Iterator[tuple[int, bytes]]:
    """Each block that holds more than zeros, and where it stands."""
    end = 0
    while (start := _seek_data(source, end)) is not None:
        # A file system may know nothing of holes, or in other units than ours.
        end = -(-os.lseek(source, start, os.SEEK_HOLE) // _BLOCK) * _BLOCK
        for offset in range(start // _BLOCK * _BLOCK, end, _BLOCK):
            block = os.pread(source, _BLOCK, offset)
            if block != _EMPTY[: len(block)]:
                yield offset, block


def _seek_data(source: int, offset: int) -> int | None:
    try:
        return os.lseek(source, offset, os.SEEK_DATA)
    except OSError as error:
        if error.errno == errno.ENXIO:
            return None
        raise
