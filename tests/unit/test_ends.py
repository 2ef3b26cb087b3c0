# SPDX-License-Identifier: GPL-3.0-or-later
"""What the record of a killed run says about processes whose end it did not see."""

from __future__ import annotations

from collections.abc import Sequence

import pytest

from alpy.adapters.recovery.ends import untold_ends
from alpy.adapters.recovery.traces import AppEnd

HEAD = b"2024-01-01T00:00:00.000Z DEBUG    "
QEMU_STARTS = HEAD + b"alpy.machine    QEMU starts\n"
QEMU_ENDED = HEAD + b"alpy.machine    QEMU ended status='exit code 0'\n"
APP_STARTS = HEAD + b"alpy.app        App starts app='node0-1-web'\n"
APP_ENDED = HEAD + b"alpy.app        App ended app='node0-1-web' status='exit code 0' asked=None\n"
KNOWN = [AppEnd("node0-1-web", "SIGKILL")]


@pytest.mark.parametrize("log", [[], [QEMU_STARTS, APP_STARTS, APP_ENDED, QEMU_ENDED]])
def test_nothing_is_added_where_nothing_is_missing(log: Sequence[bytes]) -> None:
    assert untold_ends(log, KNOWN if log else []) == []


def test_the_end_of_an_app_is_told_as_its_container_knows_it() -> None:
    assert untold_ends([APP_STARTS], KNOWN) == ["App ended app='node0-1-web' status='SIGKILL'"]


def test_an_app_that_left_only_a_container_is_told_too() -> None:
    assert untold_ends([], KNOWN) == ["App ended app='node0-1-web' status='SIGKILL'"]


def test_the_last_that_is_known_counts() -> None:
    ends = [AppEnd("node0-1-web", "unknown: it still ran"), *KNOWN]
    assert untold_ends([], ends) == ["App ended app='node0-1-web' status='SIGKILL'"]


def test_an_app_that_left_nothing_has_an_unknown_end_that_says_why() -> None:
    (line,) = untold_ends([APP_STARTS, QEMU_STARTS, QEMU_ENDED], [])
    assert line.startswith("App ended app='node0-1-web' status='unknown: its run was killed")


def test_qemu_that_died_with_its_run_has_an_unknown_end_that_says_why() -> None:
    (line,) = untold_ends([QEMU_STARTS, APP_STARTS, APP_ENDED], [])
    assert line.startswith("QEMU ended status='unknown: its run was killed")


def test_a_record_that_was_completed_before_is_not_completed_again() -> None:
    told = [line.encode() for line in untold_ends([QEMU_STARTS, APP_STARTS], KNOWN)]
    head = b"2024-01-01T00:00:00.000Z WARNING  alpy.recovery   "
    assert untold_ends([QEMU_STARTS, APP_STARTS, *(head + line for line in told)], KNOWN) == []


def test_an_appliance_can_not_tell_the_end_of_anything() -> None:
    printed = HEAD + b"alpy.console    Received line='QEMU ended'\n"
    (line,) = untold_ends([QEMU_STARTS, printed], [])
    assert line.startswith("QEMU ended status='unknown")
