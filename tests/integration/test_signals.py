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


def test_the_third_signal_ends_the_process_at_once() -> None:
    program = """
import signal
from alpy.adapters.signals import ProcessSignals
with ProcessSignals().deferred():
    for _ in range(3):
        signal.raise_signal(signal.SIGINT)
    print("not reached", flush=True)
"""
    ended = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, timeout=30, check=False
    )
    assert (ended.stdout, ended.returncode) == ("", 130)
