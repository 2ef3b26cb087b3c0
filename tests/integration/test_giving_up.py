# SPDX-License-Identifier: GPL-3.0-or-later
"""Three times Ctrl-C on a whole run: who presses it so often does not wait for the teardown."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from alpy.adapters.clock import SystemClock
from alpy.core.waiting import wait_until
from tests.integration.test_recovery import Doomed, within

pytestmark = [pytest.mark.docker, pytest.mark.qemu]

CLOCK = SystemClock()
PATIENCE = 30.0


@pytest.fixture
def stuck(tmp_path: Path) -> Iterator[Doomed]:
    """A run that is up, and whose teardown would take 10 s."""
    with closing(Doomed(tmp_path, "run", "stuck")) as child:
        child.wait_for("up")
        yield child


def press(child: Doomed) -> None:
    """Press Ctrl-C, and wait until it was heard: two at once would count as one."""
    child.process.send_signal(signal.SIGINT)
    wait_until(
        lambda: child.process.poll() is not None or _waits_with_nothing_to_hear(child),
        awaited="the end of a signal",
        timeout=PATIENCE,
        clock=CLOCK,
    )


def _waits_with_nothing_to_hear(child: Doomed) -> bool:
    status = Path(f"/proc/{child.process.pid}/status").read_text()
    facts = dict(line.split(":\t", 1) for line in status.splitlines() if ":\t" in line)
    pending = int(facts["SigPnd"], 16) | int(facts["ShdPnd"], 16)
    return not pending and facts["State"].startswith("S")


def wait_for_clean_up(child: Doomed) -> None:
    wait_until(
        lambda: "Clean up..." in child.log,
        awaited="the teardown",
        timeout=PATIENCE,
        clock=CLOCK,
    )


def test_the_third_ctrl_c_leaves_the_rest_to_the_guard_which_completes_the_record(
    stuck: Doomed,
) -> None:
    press(stuck)
    wait_for_clean_up(stuck)
    press(stuck)
    assert stuck.process.poll() is None
    press(stuck)
    assert stuck.process.wait(PATIENCE) == 130
    within(5, stuck, told="This run was cut short")
    assert all(stuck.ends.values())


def test_the_second_ctrl_c_waits_for_the_end_of_the_teardown(stuck: Doomed) -> None:
    press(stuck)
    wait_for_clean_up(stuck)
    press(stuck)
    assert stuck.process.wait(PATIENCE) == -signal.SIGINT
    within(1, stuck, told="Guard dismissed")
    assert "cut short" not in stuck.log
