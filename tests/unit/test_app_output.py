# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import logging
import os
import socket
import struct
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from alpy.adapters.docker.app_output import (
    LOGGED_LENGTH,
    LOGGED_LINES,
    STDERR,
    STDOUT,
    FrameDecoder,
    LineLogger,
    OutputReader,
    OutputRecord,
)
from alpy.core.app import OUTPUT_LIMIT, AppOutput
from alpy.core.errors import RunDirectoryError

PATIENCE = 30.0

frames = st.lists(st.tuples(st.sampled_from([STDOUT, STDERR]), st.binary(max_size=40)))


def framed(stream: int, data: bytes) -> bytes:
    return struct.pack(">BxxxL", stream, len(data)) + data


def logged(caplog: pytest.LogCaptureFixture) -> list[str]:
    return [record.getMessage() for record in caplog.records if record.name == "alpy.app"]


@given(frames, st.integers(min_value=1, max_value=60))
def test_frames_are_put_together_wherever_they_are_torn(
    sent: list[tuple[int, bytes]], piece: int
) -> None:
    wire = b"".join(framed(stream, data) for stream, data in sent)
    decoder = FrameDecoder()
    got = [
        frame
        for start in range(0, len(wire), piece)
        for frame in decoder.feed(wire[start : start + piece])
    ]
    for stream in (STDOUT, STDERR):
        expected = b"".join(data for number, data in sent if number == stream)
        assert b"".join(data for number, data in got if number == stream) == expected


def test_lines_are_logged_whole_and_the_last_one_without_its_end(
    caplog: pytest.LogCaptureFixture,
) -> None:
    caplog.set_level(logging.DEBUG, logger="alpy.app")
    lines = LineLogger(app="web", stream="stdout")
    for piece in (b"on", b"e\ntw", b"o\n\nthree"):
        lines.feed(piece)
    lines.finish()
    assert logged(caplog) == [f"web stdout line={text!r}" for text in ("one", "two", "", "three")]


@pytest.mark.parametrize("piece", [7, 100, 10_000])
def test_a_long_line_is_cut_in_the_debug_log(caplog: pytest.LogCaptureFixture, piece: int) -> None:
    caplog.set_level(logging.DEBUG, logger="alpy.app")
    lines = LineLogger(app="web", stream="stdout")
    long = b"x" * 5 * LOGGED_LENGTH + b"\nshort\n"
    for start in range(0, len(long), piece):
        lines.feed(long[start : start + piece])
    cut = "x" * LOGGED_LENGTH + "..."
    assert logged(caplog) == [f"web stdout line={cut!r}", "web stdout line='short'"]


def test_of_many_lines_the_first_are_logged_and_that_there_are_more(
    caplog: pytest.LogCaptureFixture,
) -> None:
    caplog.set_level(logging.DEBUG, logger="alpy.app")
    lines = LineLogger(app="web", stream="stderr")
    for _ in range(3):
        lines.feed(b"line\n" * LOGGED_LINES)
    lines.finish()
    said = logged(caplog)
    assert len(said) == LOGGED_LINES + 1
    assert said[-1] == "web stderr: the rest is in its own log only"


def test_a_record_keeps_each_stream_and_its_file_both(tmp_path: Path) -> None:
    record = OutputRecord(app="web", path=tmp_path / "web.log")
    record.write(STDOUT, b"one ")
    record.write(STDERR, b"two ")
    record.write(STDOUT, b"three")
    record.close()
    assert record.output() == AppOutput(stdout=b"one three", stderr=b"two ")
    assert (tmp_path / "web.log").read_bytes() == b"one two three"


def test_a_record_keeps_its_beginning_up_to_the_limit(tmp_path: Path) -> None:
    record = OutputRecord(app="web", path=tmp_path / "web.log")
    record.write(STDOUT, b"a" + bytes(OUTPUT_LIMIT - 1))
    assert not record.output().truncated
    record.write(STDOUT, b"b")
    record.write(STDERR, b"c")
    record.close()
    output = record.output()
    assert (len(output.stdout), output.stdout[:1], output.stderr) == (OUTPUT_LIMIT, b"a", b"c")
    assert output.truncated


def test_a_full_disk_is_told_when_the_record_is_checked() -> None:
    record = OutputRecord(app="web", path=Path("/dev/full"))
    record.write(STDOUT, b"one")
    record.write(STDOUT, b"two")
    record.close()
    with pytest.raises(RunDirectoryError, match="No space left"):
        record.check()
    assert record.output().stdout == b"onetwo"


def test_a_reader_ends_with_the_connection(tmp_path: Path) -> None:
    near, far = socket.socketpair()
    record = OutputRecord(app="web", path=tmp_path / "web.log")
    reader = OutputReader(connection=near, record=record, terminal=False)
    with far:
        assert not reader.wait_for_end(timeout=0)
        far.sendall(framed(STDOUT, b"hello") + framed(STDERR, b"oh"))
    assert reader.wait_for_end(timeout=PATIENCE)
    assert record.output() == AppOutput(stdout=b"hello", stderr=b"oh")
    reader.stop(timeout=0)
    record.close()


def test_a_reader_is_stopped_though_the_connection_goes_on(tmp_path: Path) -> None:
    near, far = socket.socketpair()
    record = OutputRecord(app="web", path=tmp_path / "web.log")
    reader = OutputReader(connection=near, record=record, terminal=True)
    with far:
        reader.stop(timeout=0)
        assert reader.wait_for_end(timeout=0)
    record.close()


def test_a_log_in_no_folder_is_refused(tmp_path: Path) -> None:
    missing = tmp_path / "missing" / "web.log"
    with pytest.raises(RunDirectoryError, match=os.fspath(missing)):
        OutputRecord(app="web", path=missing)
