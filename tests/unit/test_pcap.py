# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import struct
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from alpy.adapters.pcap import count_frames, read_frames
from alpy.core.errors import CaptureError

FRAMES = [bytes([number]) * size for number, size in enumerate((60, 1514, 342))]


def pcap(
    frames: list[bytes], *, order: str = "<", magic: int = 0xA1B2C3D4, limit: int = 262144
) -> bytes:
    records = b"".join(
        struct.pack(f"{order}4I", 0, 0, len(frame), len(frame)) + frame for frame in frames
    )
    return struct.pack(f"{order}IHHiIII", magic, 2, 4, 0, 0, limit, 1) + records


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "link0.pcap"


def test_frames_come_as_they_were_written(path: Path) -> None:
    path.write_bytes(pcap(FRAMES))
    assert list(read_frames(path)) == FRAMES
    assert count_frames(path) == (3, 60 + 1514 + 342)


def test_a_capture_without_frames_is_whole(path: Path) -> None:
    path.write_bytes(pcap([]))
    assert count_frames(path) == (0, 0)


@pytest.mark.parametrize("order", ["<", ">"])
@pytest.mark.parametrize("magic", [0xA1B2C3D4, 0xA1B23C4D])
def test_both_byte_orders_and_both_time_units_are_read(path: Path, order: str, magic: int) -> None:
    path.write_bytes(pcap(FRAMES, order=order, magic=magic))
    assert list(read_frames(path)) == FRAMES


def test_a_missing_capture_is_an_error(path: Path) -> None:
    with pytest.raises(CaptureError, match="missing"):
        count_frames(path)


def test_a_folder_in_its_place_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(CaptureError, match="can't be read"):
        count_frames(tmp_path)


def test_a_capture_without_header_is_an_error(path: Path) -> None:
    path.touch()
    with pytest.raises(CaptureError, match="empty"):
        count_frames(path)


def test_something_else_is_no_capture(path: Path) -> None:
    path.write_bytes(b"Dear diary, today I saw a frame of 60 bytes.")
    with pytest.raises(CaptureError, match="pcap"):
        count_frames(path)


def test_another_link_type_is_no_capture_of_ours(path: Path) -> None:
    path.write_bytes(pcap([])[:20] + struct.pack("<I", 113))
    with pytest.raises(CaptureError, match="113"):
        count_frames(path)


def test_a_cut_frame_is_an_error_that_names_it(path: Path) -> None:
    path.write_bytes(pcap(FRAMES) + struct.pack("<4I", 0, 0, 10, 60) + bytes(10))
    with pytest.raises(CaptureError, match="frame 3 was cut to 10 of 60"):
        count_frames(path)


@pytest.mark.parametrize(("kept", "length"), [(1 << 31, 1 << 31), (60, 10), (300000, 300000)])
def test_a_length_that_cannot_be_is_an_error(path: Path, kept: int, length: int) -> None:
    path.write_bytes(pcap(FRAMES) + struct.pack("<4I", 0, 0, kept, length) + bytes(300000))
    with pytest.raises(CaptureError, match="frame 3 claims"):
        count_frames(path)


@given(frames=st.lists(st.binary(min_size=14, max_size=80), max_size=4), data=st.data())
def test_a_capture_cut_anywhere_but_between_records_is_torn(
    tmp_path_factory: pytest.TempPathFactory, frames: list[bytes], data: st.DataObject
) -> None:
    whole = pcap(frames)
    ends = [len(pcap(frames[:count])) for count in range(len(frames) + 1)]
    cut = data.draw(st.integers(0, len(whole)))
    path = tmp_path_factory.mktemp("cut") / "link0.pcap"
    path.write_bytes(whole[:cut])
    if cut in ends:
        assert count_frames(path)[0] == ends.index(cut)
        return
    with pytest.raises(CaptureError):
        count_frames(path)
