# SPDX-License-Identifier: GPL-3.0-or-later
"""Captures: files in the classic pcap format, read through record by record."""

from __future__ import annotations

import struct
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO, Final

from alpy.core.errors import CaptureError

# The magic number tells the byte order of the rest, and whether it counts micro- or nanoseconds.
_BYTE_ORDERS: Final = {
    b"\xd4\xc3\xb2\xa1": "<", b"\x4d\x3c\xb2\xa1": "<",
    b"\xa1\xb2\xc3\xd4": ">", b"\xa1\xb2\x3c\x4d": ">",
}  # fmt: skip
_FILE_HEADER: Final = 24
_RECORD_HEADER: Final = 16
_ETHERNET: Final = 1
# One read of this size costs next to nothing, and a capture of any size needs no more memory.
_CHUNK: Final = 1 << 20


def count_frames(path: Path) -> tuple[int, int]:
    """How many frames *path* holds, and how many octets in all.

    Raises:
        CaptureError: it is missing, is no capture, ends inside a record, or holds a cut frame.
    """
    frames = octets = 0
    for frame in read_frames(path):
        frames += 1
        octets += len(frame)
    return frames, octets


def read_frames(path: Path) -> Iterator[bytes]:
    """Each frame of the capture *path*, oldest first, in constant memory.

    Raises:
        CaptureError: it is missing, is no capture, ends inside a record, or holds a cut frame.
    """
    try:
        with path.open("rb", buffering=_CHUNK) as file:
            yield from _read_frames(file, path)
    except FileNotFoundError as error:
        raise CaptureError(file=str(path), reason="it is missing") from error
    except OSError as error:
        raise CaptureError(file=str(path), reason=f"it can't be read: {error.strerror}") from error


def _read_frames(file: BinaryIO, path: Path) -> Iterator[bytes]:
    byte_order, limit = _read_header(file, path)
    record = struct.Struct(f"{byte_order}8xII")
    number = 0
    while head := file.read(_RECORD_HEADER):
        if len(head) < _RECORD_HEADER:
            raise _torn(path, number)
        kept, length = record.unpack(head)
        if kept > limit or kept > length:
            raise CaptureError(
                file=str(path), reason=f"frame {number} claims {kept} of {length} bytes"
            )
        if kept < length:
            raise CaptureError(
                file=str(path), reason=f"frame {number} was cut to {kept} of {length} bytes"
            )
        frame = file.read(kept)
        if len(frame) < kept:
            raise _torn(path, number)
        yield frame
        number += 1


def _read_header(file: BinaryIO, path: Path) -> tuple[str, int]:
    header = file.read(_FILE_HEADER)
    if not header:
        raise CaptureError(file=str(path), reason="it is empty; not even its header was written")
    byte_order = _BYTE_ORDERS.get(header[:4])
    if byte_order is None:
        raise CaptureError(file=str(path), reason="it does not begin as a pcap file does")
    if len(header) < _FILE_HEADER:
        raise CaptureError(file=str(path), reason="its header is torn")
    limit, link_type = struct.unpack(f"{byte_order}16xII", header)
    if link_type != _ETHERNET:
        raise CaptureError(file=str(path), reason=f"its link type {link_type} is not Ethernet")
    return byte_order, limit


def _torn(path: Path, number: int) -> CaptureError:
    return CaptureError(file=str(path), reason=f"it ends inside frame {number}")
