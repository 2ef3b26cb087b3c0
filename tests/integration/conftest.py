# SPDX-License-Identifier: GPL-3.0-or-later
"""After all of them: nothing of ours may be left on this host."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from alpy.adapters.clock import SystemClock
from alpy.core.waiting import Deadline
from tests.integration import remains

# A run of somebody else that was killed just now is cleared up after by its guard meanwhile.
PATIENCE = 10.0


@pytest.fixture(scope="session", autouse=True)
def _nothing_is_left_behind() -> Iterator[None]:
    before = remains.of_this_process()
    yield
    deadline = Deadline.after(PATIENCE, clock=SystemClock())
    while (left := remains.of_this_process() - before) and not deadline.passed:
        deadline.clock.sleep(0.1)
    assert not left, f"left behind by these tests: {sorted(left)}"
