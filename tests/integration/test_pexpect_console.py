# SPDX-License-Identifier: GPL-3.0-or-later
"""The console on one end of a socket pair; the test is the appliance on the other."""

from __future__ import annotations

import errno
import logging
import socket
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pexpect
import pytest
from attrs import define, field

from alpy.adapters.clock import SystemClock
from alpy.adapters.console.pexpect_console import PexpectConsole
from alpy.core.errors import (
    AlpyError,
    ConsoleClosedError,
    ConsoleLostError,
    ConsoleTimeoutError,
    HostError,
    MachineDiedError,
    RunDirectoryError,
)
from tests.contracts.console import LONG, SHORT, ConsoleContract
from tests.contracts.lookout import Lookout


@define
class SocketRig:
    folder: Path
    connection: socket.socket
    far_end: socket.socket
    console: PexpectConsole
    lookout: Lookout
    timers: list[threading.Timer] = field(factory=list)

    @property
    def raw_log(self) -> Path:
        return self.folder / "console.log"

    @property
    def text_log(self) -> Path:
        return self.folder / "console.txt"

    def prints(self, text: str | bytes) -> None:
        self.far_end.sendall(text.encode() if isinstance(text, str) else text)

    def prints_later(self, seconds: float, text: str | bytes) -> None:
        self.timers.append(threading.Timer(seconds, self.prints, [text]))
        self.timers[-1].start()

    def typed(self) -> bytes:
        try:
            return self.far_end.recv(2**20, socket.MSG_DONTWAIT)
        except BlockingIOError:
            return b""

    def ends(self) -> None:
        self.far_end.close()

    def release(self) -> None:
        for timer in self.timers:
            timer.join()
        self.far_end.close()
        self.console.close()


Make = Callable[..., SocketRig]


@pytest.fixture
def make(tmp_path: Path) -> Iterator[Make]:
    rigs: list[SocketRig] = []

    def make_rig(**options: Any) -> SocketRig:
        near, far = socket.socketpair()
        lookout = Lookout()
        defaults: dict[str, Any] = {
            "watch": lookout,
            "connection": near,
            "raw_log": tmp_path / "console.log",
            "text_log": tmp_path / "console.txt",
            "clock": SystemClock(),
            "on_lost": lambda: None,
        }
        try:
            console = PexpectConsole(**(defaults | options))
        except AlpyError:
            near.close()
            far.close()
            raise
        rigs.append(SocketRig(tmp_path, near, far, console, lookout))
        return rigs[-1]

    yield make_rig
    for rig in rigs:
        rig.release()


@pytest.fixture
def rig(make: Make) -> SocketRig:
    return make()


class TestPexpectConsole(ConsoleContract):
    pass


class TestLogs:
    def test_the_raw_log_holds_each_byte_as_soon_as_it_can_be_expected(
        self, rig: SocketRig
    ) -> None:
        rig.prints(b"\x1b[1mboot\r\n\xff\x00login: ")
        rig.console.expect("login: ", timeout=LONG)
        assert rig.raw_log.read_bytes() == b"\x1b[1mboot\r\n\xff\x00login: "

    def test_the_text_log_is_safe_to_look_at(self, rig: SocketRig) -> None:
        rig.prints("\x1b[1mbööt\x07\r\r\n\tone\r\n".encode() + b"\xff\x00\xc2\x9b2J\x7f\rtwo")
        rig.console.close()
        expected = "\\x1b[1mbööt\\x07\n\tone\n\\xff\\x00\\xc2\\x9b2J\\x7f\\x0dtwo"
        assert rig.text_log.read_text(encoding="utf-8") == expected

    def test_what_is_torn_between_two_reads_is_whole_in_the_text_log(self, rig: SocketRig) -> None:
        for byte in "ü兎\r\n".encode():
            rig.prints(bytes([byte]))
            rig.console.spawn.read_nonblocking(1, LONG)
        rig.console.close()
        assert rig.text_log.read_text(encoding="utf-8") == "ü兎\n"

    def test_what_was_there_before_stays_and_is_not_expected(
        self, make: Make, tmp_path: Path
    ) -> None:
        (tmp_path / "console.log").write_text("an older run: login: ")
        rig = make()
        rig.prints("# ")
        assert rig.console.expect("# ", timeout=LONG).before == ""
        assert rig.raw_log.read_text() == "an older run: login: # "

    def test_closing_keeps_what_is_still_in_the_socket(self, rig: SocketRig) -> None:
        rig.prints(b"x" * 100_000)
        rig.console.close()
        assert rig.raw_log.stat().st_size == rig.text_log.stat().st_size == 100_000

    def test_lines_are_logged_both_ways(
        self, rig: SocketRig, caplog: pytest.LogCaptureFixture
    ) -> None:
        caplog.set_level(logging.DEBUG, "alpy.console")
        rig.prints("\x1b[1mlogin: ")
        rig.console.send("root\n")
        rig.prints("root\r\n")
        rig.prints("a" * 1200)
        rig.console.close()
        assert [record.getMessage() for record in caplog.records] == [
            "Sent text='root\\n' octets=5",
            "Received line='\\\\x1b[1mlogin: root'",
            f"Received line='{'a' * 500}'",
            f"Received line='{'a' * 500}'",
            f"Received line='{'a' * 200}'",
        ]


class TestFullDisk:
    def test_the_test_goes_on_and_closing_tells(self, make: Make) -> None:
        rig = make(raw_log=Path("/dev/full"))
        rig.prints("login: ")
        rig.console.expect("login: ", timeout=LONG)
        rig.prints("a" * 100_000 + "# ")
        assert len(rig.console.expect("# ", timeout=LONG).before) == 100_000
        with pytest.raises(RunDirectoryError, match=r"/dev/full.*No space left"):
            rig.console.close()
        rig.console.close()

    def test_it_counts_for_the_text_log_too(self, make: Make) -> None:
        rig = make(text_log=Path("/dev/full"))
        rig.prints("login: ")
        rig.console.expect("login: ", timeout=LONG)
        with pytest.raises(RunDirectoryError) as raised:
            rig.console.close()
        assert isinstance(raised.value.__cause__, OSError)
        assert raised.value.__cause__.errno == errno.ENOSPC

    def test_more_than_fits_into_memory_drops_the_oldest_and_never_blocks(self, make: Make) -> None:
        rig = make(raw_log=Path("/dev/full"))
        for _ in range(20):
            rig.prints(b"x" * 2**20)
        rig.prints("login: ")
        assert rig.console.expect("login: ", timeout=LONG).matched == "login: "
        with pytest.raises(RunDirectoryError):
            rig.console.close()

    def test_a_log_that_cannot_be_opened_is_refused(self, make: Make, tmp_path: Path) -> None:
        with pytest.raises(RunDirectoryError, match="nowhere"):
            make(text_log=tmp_path / "nowhere" / "console.txt")


class TestMemory:
    def test_output_that_nobody_reads_is_not_in_memory(self, rig: SocketRig) -> None:
        line = b"0123456789abcdef" * 4 + b"\r\n"
        for _ in range(300):
            rig.prints(line * 1000)
        rig.prints("login: ")
        # All of it passes through this one wait as well.
        rig.console.expect("login: ", timeout=LONG)
        assert rig.raw_log.stat().st_size == 300 * 1000 * len(line) + 7
        assert len(rig.console.spawn.before or b"") < 4 * 2**20

    def test_a_timeout_loses_nothing_of_what_was_too_much_to_hold(self, rig: SocketRig) -> None:
        rig.prints("early\r\n")
        for _ in range(5):
            rig.prints(b"x" * 2**20)
        rig.prints("late")
        rig.console.expect("early", timeout=LONG)
        rig.prints("login: ")
        with pytest.raises(ConsoleTimeoutError):
            rig.console.expect("no such thing", timeout=0.5)
        assert rig.console.expect("\r\nx", timeout=LONG).before == ""
        rig.console.expect("latelogin: ", timeout=LONG)


class TestSpawn:
    def test_it_is_used_as_any_pexpect_object(self, rig: SocketRig) -> None:
        spawn = rig.console.spawn
        rig.prints("login: ")
        assert spawn.expect([b"Password", "login: ", pexpect.TIMEOUT]) == 1
        assert spawn.sendline("root") == 5
        spawn.write("a")
        spawn.writelines(["b", b"c"])
        spawn.sendcontrol("c")
        spawn.sendcontrol("]")
        assert rig.typed() == b"root\nabc\x03\x1d"
        rig.prints("one two")
        assert spawn.expect_exact("one") == 0
        assert spawn.expect([pexpect.EOF, pexpect.TIMEOUT], timeout=SHORT) == 1
        assert spawn.isalive()

    def test_the_end_is_pexpects_own(self, rig: SocketRig) -> None:
        rig.prints("bye")
        rig.ends()
        with pytest.raises(pexpect.EOF):
            rig.console.spawn.expect("login")
        assert rig.console.spawn.before == b"bye"
        assert not rig.console.spawn.isalive()

    def test_closing_it_closes_the_console(self, rig: SocketRig) -> None:
        rig.console.spawn.close()
        with pytest.raises(ConsoleClosedError):
            rig.console.send("x")

    def test_a_close_from_elsewhere_ends_a_wait(self, rig: SocketRig) -> None:
        rig.timers.append(threading.Timer(SHORT, rig.console.close))
        rig.timers[-1].start()
        with pytest.raises(ConsoleClosedError):
            rig.console.expect("login: ", timeout=LONG)


class TestEnds:
    def test_the_death_of_the_machine_is_told_instead(self, make: Make) -> None:
        died = MachineDiedError(status=None, stderr="boom")
        rig = make(on_lost=lambda: died)
        rig.ends()
        with pytest.raises(MachineDiedError):
            rig.console.expect("login: ", timeout=LONG)
        with pytest.raises(MachineDiedError):
            rig.console.spawn.expect([pexpect.EOF], timeout=LONG)
        with pytest.raises(MachineDiedError):
            rig.console.send("root\n")

    def test_an_end_during_the_wait_is_seen_at_once(self, rig: SocketRig) -> None:
        rig.timers.append(threading.Timer(SHORT, rig.far_end.close))
        rig.timers[-1].start()
        with pytest.raises(ConsoleLostError):
            rig.console.expect("login: ", timeout=LONG)

    def test_an_appliance_that_does_not_read_is_a_timeout(self, make: Make) -> None:
        rig = make(send_timeout=SHORT)
        with pytest.raises(ConsoleTimeoutError, match="room for"):
            rig.console.send(b"x" * 2**24)

    def test_no_descriptor_and_no_thread_is_left(self, make: Make) -> None:
        descriptors, threads = _descriptors(), threading.active_count()
        rig = make(tcp_port=0)
        with socket.create_connection(("127.0.0.1", rig.console.tcp_port or 0)):
            rig.prints("login: ")
            rig.console.expect("login: ", timeout=LONG)
            rig.release()
        assert _descriptors() == descriptors
        assert threading.active_count() == threads


class TestTcp:
    def test_a_client_sees_what_is_printed_from_then_on_and_can_type(self, make: Make) -> None:
        rig = make(tcp_port=0)
        with _watch(rig) as first, _watch(rig) as second:
            rig.prints("login: ")
            assert _read(first, 7) == _read(second, 7) == b"login: "
            first.sendall(b"\xff\xfd\x03")  # as telnet greets
            second.sendall(b"root\n")
            rig.far_end.settimeout(LONG)
            assert rig.far_end.recv(5) == b"root\n"
        rig.prints("# ")
        assert rig.console.expect("# ", timeout=LONG).before == "login: "

    def test_a_client_that_does_not_read_is_dropped(self, make: Make) -> None:
        rig = make(tcp_port=0)
        with _watch(rig) as client:
            for _ in range(20):
                rig.prints(b"x" * 2**20)
            rig.prints("login: ")
            rig.console.expect("login: ", timeout=LONG)
            with pytest.raises((ConnectionError, EOFError)):
                _read(client, 20 * 2**20)

    def test_a_port_that_is_taken_is_refused(self, make: Make) -> None:
        first = make(tcp_port=0)
        with pytest.raises(HostError, match="Choose another console port"):
            make(tcp_port=first.console.tcp_port)


def _descriptors() -> set[str]:
    return {entry.name for entry in Path("/proc/self/fd").iterdir()}


def _watch(rig: SocketRig) -> socket.socket:
    client = socket.create_connection(("127.0.0.1", rig.console.tcp_port or 0), timeout=LONG)
    # Nothing tells a client that it is heard, other than its typing arriving.
    client.sendall(b"!")
    rig.far_end.settimeout(LONG)
    assert rig.far_end.recv(1) == b"!"
    return client


def _read(client: socket.socket, size: int) -> bytes:
    data = b""
    while len(data) < size:
        more = client.recv(size - len(data))
        if not more:
            raise EOFError
        data += more
    return data
