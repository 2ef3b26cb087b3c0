# SPDX-License-Identifier: GPL-3.0-or-later
"""Counts the cases of tier a, and tells the count at the end of the session."""

from __future__ import annotations

import logging
from collections.abc import Iterator

import pytest

from tests.unit.faults.tally import Tally

_TALLY = pytest.StashKey[Tally]()


@pytest.fixture(scope="session")
def tally(request: pytest.FixtureRequest) -> Tally:
    return request.config.stash.setdefault(_TALLY, Tally())


@pytest.fixture(autouse=True, scope="package")
def _no_narrative() -> Iterator[None]:
    # Thousands of failing lives tell thousands of stories; they still go to each debug.log.
    logger = logging.getLogger("alpy")
    level = logger.level
    logger.setLevel(logging.CRITICAL + 1)
    yield
    logger.setLevel(level)


def pytest_terminal_summary(
    terminalreporter: pytest.TerminalReporter, config: pytest.Config
) -> None:
    if tally := config.stash.get(_TALLY, None):
        terminalreporter.write_line(str(tally))
        for kind, cases in tally.cases.most_common():
            terminalreporter.write_line(f"  {cases:6} {kind}")
