# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import logging

import pytest

from alpy.core.narrative import add_sink, get_logger, remove_sink, step

log = get_logger("alpy.testbed")


@pytest.fixture
def told(caplog: pytest.LogCaptureFixture) -> pytest.LogCaptureFixture:
    caplog.set_level(logging.INFO, logger="alpy")
    return caplog


def test_a_step_is_told_when_it_begins_and_when_it_is_done(
    told: pytest.LogCaptureFixture,
) -> None:
    with step(log, "Create tap interfaces"):
        told_at_first = list(told.messages)
    assert told_at_first == ["Create tap interfaces..."]
    assert told.messages == ["Create tap interfaces...", "Create tap interfaces... done"]
    assert {record.name for record in told.records} == {"alpy.testbed"}


@pytest.mark.parametrize("error", [OSError("busy"), KeyboardInterrupt("busy")])
def test_a_step_that_fails_says_why_and_lets_the_error_through(
    told: pytest.LogCaptureFixture, error: BaseException
) -> None:
    with pytest.raises(type(error), match="busy") as raised, step(log, "Create nodes"):
        raise error
    assert raised.value is error
    assert told.messages[-1] == f"Create nodes... failed why='{type(error).__name__}: busy'"
    assert told.records[-1].levelname == "ERROR"


def test_facts_follow_the_phrase(told: pytest.LogCaptureFixture) -> None:
    log.info("App ended", app="web", code=0)
    assert told.messages == ["App ended app='web' code=0"]


def test_a_percent_sign_stays_one(told: pytest.LogCaptureFixture) -> None:
    log.info("100 %s", left="5 %d")
    assert told.messages == ["100 %s left='5 %d'"]


def test_levels_are_those_of_standard_logging(told: pytest.LogCaptureFixture) -> None:
    log.debug("detail")
    log.warning("odd")
    assert [(record.levelname, record.message) for record in told.records] == [("WARNING", "odd")]


def test_a_traceback_is_passed_on(told: pytest.LogCaptureFixture) -> None:
    try:
        raise OSError("busy")
    except OSError:
        log.exception("It failed")
    assert told.records[0].exc_info is not None
    assert told.records[0].levelname == "ERROR"


def test_a_sink_gets_every_line_whatever_the_level(told: pytest.LogCaptureFixture) -> None:
    lines: list[str] = []
    add_sink(lines.append)
    log.debug("detail", fact=1)
    log.info("news")
    remove_sink(lines.append)
    log.info("later")
    assert lines == [
        "DEBUG    alpy.testbed    detail fact=1",
        "INFO     alpy.testbed    news",
    ]
    assert told.messages == ["news", "later"]


def test_runs_within_each_other_have_each_their_own_sink() -> None:
    outer: list[str] = []
    inner: list[str] = []
    add_sink(outer.append)
    add_sink(inner.append)
    log.info("one")
    remove_sink(inner.append)
    log.info("two")
    remove_sink(outer.append)
    assert (len(outer), len(inner)) == (2, 1)


def test_removing_a_sink_that_is_not_there_is_no_error() -> None:
    remove_sink(print)
