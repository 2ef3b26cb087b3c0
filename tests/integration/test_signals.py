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
