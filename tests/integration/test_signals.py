# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import signal
import subprocess
import sys
import threading

import pytest

from alpy.adapters.signals import ProcessSignals
from tests.contracts.signals import SignalsContract


class ProcessRig:
    """This process, and Ctrl-C on it."""

    signals = ProcessSignals()

    def interrupt(self) -> None:
        signal.raise_signal(signal.SIGINT)


class TestProcessSignals(SignalsContract):
    @pytest.fixture
    def rig(self) -> ProcessRig:
        return ProcessRig()


def test_the_handlers_of_the_program_are_back_after_the_block() -> None:
    before = [signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)]
    with ProcessSignals().deferred():
        assert signal.getsignal(signal.SIGTERM) not in before
    assert [signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)] == before


def test_in_another_thread_nothing_is_changed() -> None:
    seen = []

    def block() -> None:
        with ProcessSignals().deferred():
            seen.append(signal.getsignal(signal.SIGINT))

    thread = threading.Thread(target=block)
    thread.start()
    thread.join()
    assert seen == [signal.getsignal(signal.SIGINT)]


def test_a_termination_comes_at_the_end_and_ends_the_process() -> None:
    program = """
import signal
from alpy.adapters.signals import ProcessSignals
with ProcessSignals().deferred():
    signal.raise_signal(signal.SIGTERM)
    print("done all the same", flush=True)
print("not reached", flush=True)
"""
    ended = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, timeout=30, check=False
    )
    assert (ended.stdout, ended.returncode) == ("done all the same\n", -signal.SIGTERM)


@pytest.mark.parametrize(("number", "code"), [(signal.SIGTERM, 143), (signal.SIGHUP, 129)])
def test_a_termination_ends_the_test_as_an_exit_once_signals_are_taken(
    number: signal.Signals, code: int
) -> None:
    signals = ProcessSignals()
    signals.take()
    try:
        with pytest.raises(SystemExit) as end:
            signal.raise_signal(number)
    finally:
        signals.release()
    assert end.value.code == code
    assert signal.getsignal(number) is signal.SIG_DFL


def test_a_handler_of_the_program_is_respected() -> None:
    heard = []
    before = signal.signal(signal.SIGTERM, lambda number, _frame: heard.append(number))
    signals = ProcessSignals()
    signals.take()
    try:
        signal.raise_signal(signal.SIGTERM)
    finally:
        signals.release()
        signal.signal(signal.SIGTERM, before)
    assert heard == [signal.SIGTERM]


def run(program: str) -> tuple[str, int]:
    """What *program* prints, and its exit status. `press` sends it a real Ctrl-C."""
    preamble = """
import os, signal, threading
from alpy.adapters.signals import ProcessSignals
signals = ProcessSignals()
press = lambda: os.kill(os.getpid(), signal.SIGINT)
"""
    ended = subprocess.run(
        [sys.executable, "-c", preamble + program],
        capture_output=True,
        text=True,
        timeout=30,
        check=False,
    )
    return ended.stdout, ended.returncode


def test_the_third_signal_ends_the_process_at_once() -> None:
    program = """
with signals.deferred():
    press()
    press()
    print("twice", flush=True)
    press()
    print("not reached", flush=True)
"""
    assert run(program) == ("twice\n", 130)


@pytest.mark.parametrize(
    "begin", ["press()", "signals.take(); os.kill(os.getpid(), signal.SIGTERM)"]
)
def test_the_signal_that_has_begun_it_all_is_the_first(begin: str) -> None:
    program = f"""
try:
    {begin}
except BaseException as first:
    with signals.deferred(first):
        press()
        print("twice", flush=True)
        press()
        print("not reached", flush=True)
"""
    assert run(program) == ("twice\n", 130)


@pytest.mark.parametrize("end", ["SystemExit(2)", "SystemExit([])", "OSError()", "None"])
def test_another_end_is_no_signal(end: str) -> None:
    program = f"""
try:
    with signals.deferred({end}):
        press()
        press()
        print("twice", flush=True)
except KeyboardInterrupt:
    print("delivered", flush=True)
"""
    assert run(program) == ("twice\ndelivered\n", 0)


def test_what_the_program_ignores_does_not_count() -> None:
    program = """
signal.signal(signal.SIGHUP, signal.SIG_IGN)
with signals.deferred():
    for _ in range(5):
        signal.raise_signal(signal.SIGHUP)
assert signal.getsignal(signal.SIGHUP) is signal.SIG_IGN
print("over", flush=True)
"""
    assert run(program) == ("over\n", 0)


def test_each_of_different_signals_is_delivered_once_and_what_the_first_raises_counts() -> None:
    heard = []
    before = signal.signal(signal.SIGTERM, lambda number, _frame: heard.append(number))
    signals = ProcessSignals()
    signals.take()
    try:
        with pytest.raises(KeyboardInterrupt) as raised, signals.deferred():
            signal.raise_signal(signal.SIGINT)
            signal.raise_signal(signal.SIGTERM)
        assert heard == [signal.SIGTERM]
        with pytest.raises(SystemExit) as end, signals.deferred():
            signal.raise_signal(signal.SIGHUP)
            signal.raise_signal(signal.SIGINT)
    finally:
        signals.release()
        signal.signal(signal.SIGTERM, before)
    assert raised.value.__context__ is None
    assert isinstance(end.value.__context__, KeyboardInterrupt)


def test_interrupts_that_another_thread_takes_do_not_stop_the_handlers_from_coming_back() -> None:
    program = """
taken = []

def put_back(number, handler):
    # As if they had come to another thread at this moment.
    set_handler(number, handler)
    if handler is raises and number not in taken:
        taken.append(number)
        signal.raise_signal(number)

def raises(number, frame):
    raise KeyboardInterrupt(number)

for number in (signal.SIGTERM, signal.SIGHUP):
    signal.signal(number, raises)
mask = signal.pthread_sigmask(signal.SIG_BLOCK, [])
set_handler = signal.signal
try:
    with signals.deferred():
        signal.signal = put_back
except KeyboardInterrupt as end:
    print(type(end.__context__).__name__, flush=True)
signal.signal = set_handler
for number in (signal.SIGTERM, signal.SIGHUP):
    assert signal.getsignal(number) is raises
assert signal.getsignal(signal.SIGINT) is signal.default_int_handler
assert signal.pthread_sigmask(signal.SIG_BLOCK, []) == mask
"""
    assert run(program) == ("KeyboardInterrupt\n", 0)
