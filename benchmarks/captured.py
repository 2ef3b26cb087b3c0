# SPDX-License-Identifier: GPL-3.0-or-later
"""Bursts of `carrot.frames.numbered_frames` in a capture: which of them, and when."""

from __future__ import annotations

import struct
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

from attrs import define, field

from carrot.frames import ETHER_TYPE

_FILE_HEADER = 24
# As QEMU writes it: seconds, microseconds, the length in the file, and the length on the wire.
_RECORD = struct.Struct("=IIII")
_NUMBER = struct.Struct(">14xI")


@define
class Burst:
    """What is there of one burst: the numbers of its frames, each once, and seconds of the epoch
    for its *begin* and *end*.
    """

    begin: float
    end: float
    seen: set[int] = field(factory=set)


def bursts_of(capture: Path, size: int) -> list[Burst]:
    """All that *capture* has, of bursts with the numbers up to *size*, one after the other."""
    with capture.open("rb", buffering=1 << 20) as file:
        return in_bursts(_numbered(file), size)


def in_bursts(frames: Iterator[tuple[float, int]], size: int) -> list[Burst]:
    """*frames*: when each came, and its number. One that came twice is there once."""
    bursts: list[Burst] = []
    last = 2 * size
    for moment, number in frames:
        # A frame that was overtaken is a little behind; the next burst begins from far below.
        if number < last - size // 2:
            bursts.append(Burst(moment, moment))
        bursts[-1].seen.add(number)
        bursts[-1].end = moment
        last = number
    return bursts


def _numbered(file: BinaryIO) -> Iterator[tuple[float, int]]:
    # Whether the capture is whole was checked at the end of the testbed.
    file.seek(_FILE_HEADER)
    while head := file.read(_RECORD.size):
        seconds, micros, kept, _length = _RECORD.unpack(head)
        frame = file.read(kept)
        if frame[12:14] == ETHER_TYPE:
            yield seconds + micros / 1e6, _NUMBER.unpack_from(frame)[0]
