# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from alpy.core.exit_status import ExitStatus


@given(st.integers(0, 255))
def test_every_code_of_a_container_is_an_exit_code_or_a_signal(code: int) -> None:
    status = ExitStatus.from_container(code)
    assert (status.code is None) != (status.signal is None)
    assert (status.code if status.signal is None else 128 + status.signal) == code
    assert status.ok == (code == 0)
    assert str(status)


@given(st.integers(-64, 255))
def test_every_return_code_of_a_process_is_an_exit_code_or_a_signal(returncode: int) -> None:
    status = ExitStatus.from_wait(returncode)
    assert (status.code is None) != (status.signal is None)
    assert (status.code if status.signal is None else -status.signal) == returncode
    assert status.ok == (returncode == 0)


@pytest.mark.parametrize(
    ("code", "text", "sentence"),
    [
        (0, "exit code 0", "ended with exit code 0"),
        (1, "exit code 1", "ended with exit code 1"),
        (127, "exit code 127", "ended with exit code 127"),
        (128, "exit code 128", "ended with exit code 128"),
        (129, "SIGHUP", "was killed by SIGHUP"),
        (137, "SIGKILL", "was killed by SIGKILL"),
        (143, "SIGTERM", "was killed by SIGTERM"),
        (192, "signal 64", "was killed by signal 64"),
        (193, "exit code 193", "ended with exit code 193"),
        (255, "exit code 255", "ended with exit code 255"),
    ],
)
def test_a_container_code_is_told_in_words(code: int, text: str, sentence: str) -> None:
    status = ExitStatus.from_container(code)
    assert (str(status), status.sentence) == (text, sentence)


@given(st.integers(0, 255))
def test_a_process_that_exits_by_itself_was_not_killed(code: int) -> None:
    assert ExitStatus.from_wait(code) == ExitStatus(code=code)


@pytest.mark.parametrize(
    ("returncode", "own"),
    [(0, False), (1, True), (-9, False), (-15, False), (-6, True), (-11, True)],
)
def test_a_process_that_somebody_ended_is_told_from_one_that_failed(
    returncode: int, own: bool
) -> None:
    assert ExitStatus.from_wait(returncode).is_own_fault == own
