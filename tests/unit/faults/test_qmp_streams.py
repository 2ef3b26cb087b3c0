# SPDX-License-Identifier: GPL-3.0-or-later
"""What the hypervisor sends on its monitor, cut at every byte and in every two pieces.

The real monitor reads it, from a real socket that keeps the pieces apart. Whatever comes, it gives
the right answer or raises an error of alpy, before its deadline.
"""

from __future__ import annotations

import json
import socket
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from attrs import frozen

from alpy.adapters.clock import SystemClock
from alpy.adapters.qmp.monitor import QmpMonitor
from alpy.core.errors import AlpyError, MachineDiedError, MonitorError, MonitorTimeoutError
from tests.unit.faults.tally import Tally

ENOUGH = 5.0
# Of a peer that falls silent nothing more comes, so it is not worth a wait.
SHORT = 0.002

RESULT = {"status": "running", "running": True}


def _lines(*messages: dict[str, Any]) -> bytes:
    return b"".join(
        json.dumps(message, ensure_ascii=False).encode() + b"\r\n" for message in messages
    )


GREETING = _lines({"QMP": {"version": {"qemu": {"major": 7}}, "capabilities": ["oob"]}})
AGREED = _lines({"return": {}})
ANSWER = _lines({"return": RESULT, "id": 1})
REFUSAL = _lines({"error": {"class": "GenericError", "desc": "not \u00e9 now"}, "id": 1})
EVENT = _lines({"event": "RESUME", "data": {"n": 1}, "timestamp": {"seconds": 1}})
LATE = _lines({"return": "of another command", "id": 99})


@frozen
class Stream:
    """All that the peer sends, and where what the test waits for has come."""

    data: bytes
    refused: bool = False

    @property
    def greeted(self) -> int:
        return self.data.index(AGREED) + len(AGREED)

    @property
    def answered(self) -> int:
        answer = REFUSAL if self.refused else ANSWER
        return max(self.greeted, self.data.index(answer) + len(answer))

    @property
    def told(self) -> int:
        """Where the event has come too."""
        return max(self.answered, self.data.index(EVENT) + len(EVENT))


STREAMS = {
    "event between command and answer": Stream(GREETING + AGREED + EVENT + ANSWER),
    "event after the answer": Stream(GREETING + AGREED + ANSWER + EVENT),
    "event before the greeting's answer": Stream(GREETING + EVENT + AGREED + ANSWER),
    "late answer to another command": Stream(GREETING + AGREED + LATE + ANSWER + EVENT),
    "refusal": Stream(GREETING + AGREED + EVENT + REFUSAL, refused=True),
}
every_stream = pytest.mark.parametrize("stream", STREAMS.values(), ids=STREAMS)


@contextmanager
def _talk(
    pieces: Sequence[bytes], transcript: Path, *, hangs_up: bool, timeout: float
) -> Iterator[tuple[QmpMonitor, float]]:
    # SOCK_SEQPACKET: each piece is received by itself.
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    monitor = QmpMonitor(
        connection=ours,
        transcript=transcript,
        clock=SystemClock(),
        command_timeout=timeout,
        on_lost=lambda: MachineDiedError(status=None, stderr="the peer hung up"),
    )
    with theirs:
        for piece in filter(None, pieces):
            theirs.send(piece)
        if hangs_up:
            theirs.shutdown(socket.SHUT_WR)
        try:
            yield monitor, timeout
        finally:
            monitor.close()


def _outcome(monitor: QmpMonitor, timeout: float) -> list[object]:
    """What each step of a talk returned; the error that ended it is the last."""
    found: list[object] = []
    try:
        monitor.connect(timeout=timeout)
        found.append("greeted")
        found.append(monitor.execute("query-status"))
        found.append(monitor.wait_for_event("RESUME", timeout=timeout).data)
    except Exception as error:  # noqa: BLE001  looked at by the tests
        found.append(error)
    return found


def _wrong(stream: Stream, came: int, found: list[object], lost: type[AlpyError]) -> str | None:
    """What is wrong with *found*, given that so many bytes came before the peer was *lost*."""
    right: list[object] = ["greeted"] if came >= stream.greeted else []
    ending: type[Exception] | None = lost
    if came >= stream.answered:
        right += [] if stream.refused else [RESULT]
        ending = MonitorError if stream.refused else lost
    if came >= stream.told and not stream.refused:
        right, ending = [*right, {"n": 1}], None
    steps, error = (found[:-1], found[-1]) if isinstance(found[-1], Exception) else (found, None)
    if steps == right and (error is None if ending is None else isinstance(error, ending)):
        return None
    return f"{came} bytes: {found}"


@every_stream
def test_a_stream_cut_at_any_byte_gives_what_came_whole_and_then_the_loss(
    stream: Stream, tmp_path: Path, tally: Tally
) -> None:
    wrong = []
    for cut in range(len(stream.data) + 1):
        pieces = [stream.data[:cut]]
        with _talk(pieces, tmp_path / "qmp.log", hangs_up=True, timeout=ENOUGH) as talk:
            wrong.append(_wrong(stream, cut, _outcome(*talk), MachineDiedError))
    _note(tally, "QMP stream cut", wrong)


@every_stream
def test_a_stream_in_any_two_pieces_gives_what_it_gives_in_one(
    stream: Stream, tmp_path: Path, tally: Tally
) -> None:
    wrong = []
    for cut in range(1, len(stream.data)):
        pieces = [stream.data[:cut], stream.data[cut:]]
        with _talk(pieces, tmp_path / "qmp.log", hangs_up=False, timeout=ENOUGH) as talk:
            wrong.append(_wrong(stream, len(stream.data), _outcome(*talk), MachineDiedError))
    _note(tally, "QMP stream in two pieces", wrong)


@pytest.mark.parametrize("stream", [STREAMS["event between command and answer"]], ids=["event"])
def test_a_peer_that_falls_silent_at_any_byte_is_an_error_within_the_deadline(
    stream: Stream, tmp_path: Path, tally: Tally
) -> None:
    wrong: list[str | None] = []
    for cut in range(len(stream.data)):
        pieces = [stream.data[:cut]]
        begun = time.monotonic()
        with _talk(pieces, tmp_path / "qmp.log", hangs_up=False, timeout=SHORT) as talk:
            found = _outcome(*talk)
        # The steps that get their answer may take as long as a busy machine needs.
        late = time.monotonic() - begun > 3 * SHORT + ENOUGH
        error = found[-1]
        in_time = isinstance(error, MonitorTimeoutError) and not late
        wrong.append(None if in_time else f"{cut} bytes: {found}")
    _note(tally, "QMP peer silent", wrong)


def _note(tally: Tally, kind: str, wrong: Sequence[str | None]) -> None:
    violations = [each for each in wrong if each is not None]
    tally.cases[kind] += len(wrong)
    tally.violations += len(violations)
    assert violations[:5] == []
