# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

from typing import Any

import pytest

from alpy.core.app import RESERVED_OPTIONS, AppOutput, AppResult, AppSpec
from alpy.core.errors import AppFailedError, InvalidValueError
from alpy.core.exit_status import ExitStatus


def _result(status: ExitStatus, stderr: bytes = b"", **facts: Any) -> AppResult:
    return AppResult(
        name="ping-1",
        spec=AppSpec(image="tools", command=["ping", "a b"], **facts),
        status=status,
        output=AppOutput(stdout=b"out\xff\n", stderr=stderr),
    )


def test_a_command_is_a_list_of_words() -> None:
    assert AppSpec(image="tools", command=["ping", "-c", 3]).command == ("ping", "-c", "3")


def test_a_command_as_one_text_is_refused_with_the_list_that_was_meant() -> None:
    with pytest.raises(InvalidValueError) as refused:
        AppSpec(image="tools", command="echo 'a b' c")
    assert str(refused.value) == (
        "command \"echo 'a b' c\": a list of words is wanted, as in ['echo', 'a b', 'c']"
    )


def test_a_command_with_an_open_quote_is_refused_in_the_same_way() -> None:
    with pytest.raises(InvalidValueError, match="a list of words is wanted"):
        AppSpec(image="tools", command="echo it's")


def test_an_empty_command_is_refused() -> None:
    with pytest.raises(InvalidValueError, match="at least one word"):
        AppSpec(image="tools", command=[])


@pytest.mark.parametrize("option", sorted(RESERVED_OPTIONS))
def test_an_option_that_makes_an_app_an_app_is_refused(option: str) -> None:
    with pytest.raises(InvalidValueError, match=f"^option {option}: alpy sets it by itself"):
        AppSpec(image="tools", command=["true"], options={option: 1, "privileged": True})


def test_any_other_option_is_kept() -> None:
    options = {"privileged": True, "ulimits": []}
    assert AppSpec(image="tools", command=["true"], options=options).options == options


def test_bytes_that_are_no_text_show_as_hex() -> None:
    result = _result(ExitStatus(code=0), stderr=b"err\x80")
    assert (result.stdout, result.stderr) == ("out\\xff\n", "err\\x80")
    assert result.output.text == "out\\xff\nerr\\x80"


def test_an_exit_code_of_0_passes() -> None:
    _result(ExitStatus(code=0)).check()


def test_another_exit_code_passes_only_if_it_is_no_failure() -> None:
    _result(ExitStatus(code=1), exit_codes={0, 1}).check()
    with pytest.raises(AppFailedError):
        _result(ExitStatus(code=0), exit_codes={1}).check()


@pytest.mark.parametrize("status", [ExitStatus(code=127), ExitStatus(signal=9)])
def test_a_failure_tells_how_it_ended_and_what_it_said(status: ExitStatus) -> None:
    result = _result(status, stderr=b"no route\n")
    with pytest.raises(AppFailedError) as failed:
        result.check()
    assert str(failed.value) == (
        f"app ping-1 ['ping', 'a b'] {status.sentence}; it last said:\nout\\xff\nno route"
    )
    assert (failed.value.app, failed.value.status) == ("ping-1", status)


def test_a_signal_is_never_an_exit_code_that_passes() -> None:
    with pytest.raises(AppFailedError, match="was killed by SIGTERM"):
        _result(ExitStatus(signal=15), exit_codes={0, 15, 143}).check()
