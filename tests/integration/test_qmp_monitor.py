# SPDX-License-Identifier: GPL-3.0-or-later
"""The real monitor: its contract, and peers that break the protocol in every way."""

from __future__ import annotations

import json
import socket
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from alpy.adapters.clock import SystemClock
from alpy.adapters.qmp.monitor import QmpMonitor
from alpy.adapters.qmp.transport import LINE_LIMIT
from alpy.core.errors import (
    InvalidValueError,
    MachineDiedError,
    MonitorError,
    MonitorTimeoutError,
    RunDirectoryError,
)
from tests.contracts.lookout import Lookout
from tests.contracts.monitor import ENOUGH, SHORT, MonitorContract
from tests.integration.qmp_peer import GREETING, QmpPeer

OK = b'{"return": {}}\r\n'


class SocketRig(QmpPeer):
    """The monitor on one end of a socket pair, the obedient peer on the other."""

    def __init__(self, transcript: Path, *, greeting: bytes | None = GREETING) -> None:
        ours, theirs = socket.socketpair()
        self.transcript = transcript
        self.lookout = Lookout()
        self.monitor = QmpMonitor(
            connection=ours,
            transcript=transcript,
            clock=SystemClock(),
            command_timeout=ENOUGH,
            on_lost=lambda: MachineDiedError(status=None, stderr="the peer hung up"),
            watch=self.lookout,
        )
        super().__init__(theirs, greeting=greeting)

    def connected(self) -> SocketRig:
        self.monitor.connect(timeout=ENOUGH)
        return self

    def report(self, name: str, data: object = None, *, after: float = 0) -> None:
        assert data is None or isinstance(data, dict)
        super().report(name, data, after=after)
        if not after:
            self._wait_until_read()

    def end(self) -> None:
        super().end()
        self.monitor.wait_for_end()

    def _wait_until_read(self) -> None:
        # The reader takes lines in order: when it has this one, it has all before.
        self.send(b'{"event": "READ"}\r\n')
        self.monitor.wait_for_event("READ", timeout=ENOUGH)

    def finish(self) -> None:
        self.monitor.close()
        self.close()


@pytest.fixture
def rig(tmp_path: Path) -> Iterator[SocketRig]:
    made = SocketRig(tmp_path / "qmp.log").connected()
    yield made
    made.finish()


@pytest.fixture
def quiet(tmp_path: Path) -> Iterator[SocketRig]:
    """One that sends no greeting, and is not connected."""
    made = SocketRig(tmp_path / "qmp.log", greeting=None)
    yield made
    made.finish()


class TestQmpMonitor(MonitorContract):
    @pytest.fixture
    def rig(self, rig: SocketRig) -> SocketRig:
        return rig


def test_a_peer_without_greeting_is_given_up_at_the_deadline(quiet: SocketRig) -> None:
    with pytest.raises(MonitorTimeoutError):
        quiet.monitor.connect(timeout=SHORT)


@pytest.mark.parametrize(
    "greeting",
    [
        b"HTTP/1.1 400 Bad Request\r\n",
        b"[]\n",
        b"5\n",
        b"{}\n",
        b"\xff\xfe\n",
        b"[" * 99999 + b"\n",
    ],
    ids=["http", "list", "number", "empty", "binary", "deep"],
)
def test_a_greeting_in_another_protocol_is_no_monitor(quiet: SocketRig, greeting: bytes) -> None:
    quiet.send(greeting)
    with pytest.raises(MonitorError) as caught:
        quiet.monitor.connect(timeout=ENOUGH)
    assert not isinstance(caught.value, MonitorTimeoutError)


def test_a_refusal_of_the_capabilities_is_no_monitor(quiet: SocketRig) -> None:
    quiet.plan_refusal("qmp_capabilities", "no")
    quiet.send(GREETING)
    with pytest.raises(MonitorError):
        quiet.monitor.connect(timeout=ENOUGH)


@pytest.mark.parametrize("cut", range(len(GREETING + OK)))
def test_an_end_at_any_byte_of_the_greeting_is_a_death(quiet: SocketRig, cut: int) -> None:
    quiet.plan_silence("qmp_capabilities")
    quiet.send((GREETING + OK)[:cut])
    quiet._connection.shutdown(socket.SHUT_WR)
    with pytest.raises(MachineDiedError):
        quiet.monitor.connect(timeout=ENOUGH)
    assert quiet.transcript.exists() == (cut > 0)


def test_a_peer_that_was_gone_before_we_came_is_a_death_whatever_it_had_said(
    tmp_path: Path,
) -> None:
    for _ in range(200):
        gone = SocketRig(tmp_path / "qmp.log", greeting=None)
        gone.send(GREETING)
        QmpPeer.end(gone)
        with pytest.raises(MachineDiedError):
            gone.connected()
        gone.finish()


@pytest.mark.parametrize("size", [1, 2, 3, 7])
def test_lines_that_arrive_in_pieces_are_put_together(rig: SocketRig, size: int) -> None:
    rig.plan_silence("query-name")
    stream = b'{"event": "RESET", "data": {}}\r\n{"id": 1, "return": {"name": "\xc3\xa4"}}\r\n'
    answers: list[object] = []
    thread = threading.Thread(
        target=lambda: answers.append(rig.monitor.execute("query-name", timeout=ENOUGH))
    )
    thread.start()
    for start in range(0, len(stream), size):
        rig.send(stream[start : start + size])
        time.sleep(0.001)
    thread.join(ENOUGH)
    assert answers == [{"name": "ä"}]
    assert rig.monitor.wait_for_event("RESET", timeout=ENOUGH).data == {}


def test_a_late_answer_is_not_taken_for_the_next_one(rig: SocketRig) -> None:
    rig.plan_silence("query-status")
    rig.plan_bytes("query-name", b'{"id": 1, "return": "late"}\n{"id": 2, "return": "right"}\n')
    with pytest.raises(MonitorTimeoutError):
        rig.monitor.execute("query-status", timeout=SHORT)
    assert rig.monitor.execute("query-name") == "right"


@pytest.mark.parametrize(
    "answer",
    [b"garbage\n", b"[]\n", b"null\n", b'{"id": 1}\n', b'{"id": 1, "error": "no"}\n', b"\xff\n"],
)
def test_an_answer_that_is_no_qmp_is_an_error_at_once(rig: SocketRig, answer: bytes) -> None:
    rig.plan_bytes("query-name", answer)
    with pytest.raises(MonitorError) as caught:
        rig.monitor.execute("query-name")
    assert not isinstance(caught.value, MonitorTimeoutError)


def test_the_monitor_is_in_step_again_after_garbage(rig: SocketRig) -> None:
    rig.plan_bytes("query-name", b'garbage\n{"id": 1, "return": "late"}\n')
    rig.plan_result("query-status", "right")
    with pytest.raises(MonitorError):
        rig.monitor.execute("query-name")
    assert rig.monitor.execute("query-status") == "right"


def test_an_answer_of_a_mebibyte_is_read(rig: SocketRig) -> None:
    rig.plan_result("query-qmp-schema", "x" * (1 << 20))
    assert len(rig.monitor.execute("query-qmp-schema")) == 1 << 20


def test_a_line_without_end_is_an_error_and_not_all_our_memory(rig: SocketRig) -> None:
    rig.plan_bytes("query-name", b"x" * (LINE_LIMIT + 100_000))
    with pytest.raises(MonitorError, match="a line of more than"):
        rig.monitor.execute("query-name", timeout=30)


@pytest.mark.parametrize("data", [b"5", b"[1]", b"null", b'"x"'])
def test_an_event_with_strange_data_does_not_end_the_monitor(rig: SocketRig, data: bytes) -> None:
    rig.send(b'{"event": "SHUTDOWN", "data": ' + data + b"}\n")
    assert rig.monitor.wait_for_event("SHUTDOWN", timeout=ENOUGH).data == {}
    assert rig.monitor.execute("query-name") == {}


def test_a_peer_that_does_not_read_is_given_up_at_the_deadline(tmp_path: Path) -> None:
    ours, theirs = socket.socketpair()
    theirs.sendall(GREETING + OK)
    monitor = _monitor(ours, tmp_path)
    monitor.connect(timeout=ENOUGH)
    with pytest.raises(MonitorTimeoutError):
        monitor.execute("big", {"text": "x" * (4 << 20)}, timeout=SHORT)
    # What was left of it goes first, so that the peer's stream stays whole.
    peer = QmpPeer(theirs, greeting=None)
    peer.plan_result("query-name", "right")
    assert monitor.execute("query-name") == "right"
    assert peer.commands() == ["big", "query-name"]
    monitor.close()
    peer.close()


def test_commands_from_many_threads_get_their_own_answers(rig: SocketRig) -> None:
    names = [f"query-{number}" for number in range(20)]
    for name in names:
        rig.plan_result(name, name)
    answers: dict[str, object] = {}
    threads = [
        threading.Thread(target=lambda name=name: answers.update({name: rig.monitor.execute(name)}))
        for name in names
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(ENOUGH)
    assert answers == {name: name for name in names}


def test_a_command_behind_a_silent_one_keeps_its_own_deadline(rig: SocketRig) -> None:
    rig.plan_silence("slow")
    slow = threading.Thread(target=_give_up, args=(rig, "slow"))
    slow.start()
    while "slow" not in rig.commands():
        time.sleep(0.001)
    with pytest.raises(MonitorTimeoutError):
        rig.monitor.execute("query-name", timeout=SHORT)
    slow.join(ENOUGH)


def test_an_event_is_found_while_a_command_waits_for_its_answer(rig: SocketRig) -> None:
    rig.plan_silence("slow")
    slow = threading.Thread(target=_give_up, args=(rig, "slow"))
    slow.start()
    rig.report("RESET")
    assert rig.monitor.wait_for_event("RESET", timeout=SHORT).name == "RESET"
    slow.join(ENOUGH)


def test_arguments_that_json_does_not_know_are_refused(rig: SocketRig) -> None:
    with pytest.raises(InvalidValueError, match="set"):
        rig.monitor.execute("eject", {"id": {1, 2}})
    assert rig.commands() == []


def test_a_closed_monitor_says_so(rig: SocketRig) -> None:
    rig.monitor.close()
    with pytest.raises(MonitorError, match="closed"):
        rig.monitor.execute("query-name")
    with pytest.raises(MonitorError, match="closed"):
        rig.monitor.wait_for_event("RESET", timeout=ENOUGH)


def test_closing_leaves_no_thread(rig: SocketRig) -> None:
    rig.monitor.close()
    assert "alpy-monitor" not in [thread.name for thread in threading.enumerate()]


def test_the_transcript_holds_both_directions(rig: SocketRig) -> None:
    rig.report("RESET")
    rig.plan_result("query-name", "rabbit")
    rig.monitor.execute("query-name")
    lines = [line.split(" ", 2)[1:] for line in rig.transcript.read_text().splitlines()]
    said = [(direction, json.loads(text)) for direction, text in lines]
    assert ("<<<", {"event": "RESET", "data": {}}) in said
    assert said[-2:] == [
        (">>>", {"execute": "query-name", "id": 1}),
        ("<<<", {"return": "rabbit", "id": 1}),
    ]


def test_a_transcript_that_cannot_be_written_is_told_by_close(tmp_path: Path) -> None:
    (tmp_path / "qmp.log").symlink_to("/dev/full")
    made = SocketRig(tmp_path / "qmp.log").connected()
    assert made.monitor.execute("query-name") == {}
    with pytest.raises(RunDirectoryError):
        made.monitor.close()
    made.finish()


def _give_up(rig: SocketRig, command: str) -> None:
    with pytest.raises(MonitorTimeoutError):
        rig.monitor.execute(command, timeout=0.5)


def _monitor(connection: socket.socket, folder: Path) -> QmpMonitor:
    return QmpMonitor(
        connection=connection,
        transcript=folder / "qmp.log",
        clock=SystemClock(),
        command_timeout=ENOUGH,
        on_lost=lambda: MachineDiedError(status=None, stderr="the peer hung up"),
    )
