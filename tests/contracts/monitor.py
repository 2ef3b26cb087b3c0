# SPDX-License-Identifier: GPL-3.0-or-later
"""What every Monitor promises."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Protocol

import pytest

from alpy.core.errors import (
    EventTimeoutError,
    MachineDiedError,
    MonitorError,
    MonitorTimeoutError,
)
from alpy.core.ports import Event, Monitor
from tests.contracts.lookout import Lookout, SomethingDiedError

# A wait that is meant to succeed may take this long, one that is meant to fail this short.
ENOUGH = 5.0
SHORT = 0.05


class MonitorRig(Protocol):
    """A connected monitor and the hypervisor behind it, which obeys the test.

    Without a plan it answers each command with an empty result, and reports nothing.
    """

    @property
    def monitor(self) -> Monitor: ...

    @property
    def lookout(self) -> Lookout:
        """The watch that the monitor was connected with."""
        ...

    def plan_result(self, command: str, result: Any) -> None:
        """Answer *command* with *result* from now on."""
        ...

    def plan_refusal(self, command: str, reason: str) -> None:
        """Refuse *command* from now on."""
        ...

    def plan_silence(self, command: str) -> None:
        """Never answer *command*."""
        ...

    def plan_end(self, command: str) -> None:
        """End the hypervisor on *command*, without an answer."""
        ...

    def report(self, name: str, data: Mapping[str, Any] | None = None, *, after: float = 0) -> None:
        """Let the hypervisor report an event, in so many seconds; 0 means before this returns."""
        ...

    def end(self) -> None:
        """The hypervisor ends, unasked, and its end can be noticed when this returns."""
        ...

    def commands(self) -> Sequence[str]:
        """The commands that reached the hypervisor, oldest first."""
        ...


class MonitorContract:
    def test_each_step_is_one_command(self, rig: MonitorRig) -> None:
        rig.monitor.start()
        rig.monitor.pause()
        rig.monitor.reset()
        rig.monitor.press_power_button()
        rig.monitor.quit()
        assert list(rig.commands()) == ["cont", "stop", "system_reset", "system_powerdown", "quit"]

    def test_any_command_returns_its_result(self, rig: MonitorRig) -> None:
        rig.plan_result("query-status", {"status": "running"})
        assert rig.monitor.execute("query-status") == {"status": "running"}

    def test_what_died_ends_the_wait_for_an_answer(self, rig: MonitorRig) -> None:
        rig.plan_silence("query-status")
        rig.lookout.strikes_at = 0
        with pytest.raises(SomethingDiedError):
            rig.monitor.execute("query-status", timeout=ENOUGH)
        rig.lookout.strikes_at = None
        rig.monitor.start()

    def test_what_died_ends_the_wait_for_an_event(self, rig: MonitorRig) -> None:
        rig.lookout.strikes_at = 0
        with pytest.raises(SomethingDiedError):
            rig.monitor.wait_for_event("RESET", timeout=ENOUGH)

    def test_a_refused_command_says_why(self, rig: MonitorRig) -> None:
        rig.plan_refusal("eject", "Device 'x' not found")
        with pytest.raises(MonitorError, match="Device 'x' not found") as caught:
            rig.monitor.execute("eject", {"id": "x"})
        assert caught.value.command == "eject"

    def test_a_command_without_answer_ends_at_its_deadline(self, rig: MonitorRig) -> None:
        rig.plan_silence("query-status")
        with pytest.raises(MonitorTimeoutError) as caught:
            rig.monitor.execute("query-status", timeout=SHORT)
        assert caught.value.seconds == SHORT

    def test_the_monitor_can_be_used_after_a_timeout(self, rig: MonitorRig) -> None:
        rig.plan_silence("query-status")
        rig.plan_result("query-name", {"name": "rabbit"})
        with pytest.raises(MonitorTimeoutError):
            rig.monitor.execute("query-status", timeout=SHORT)
        assert rig.monitor.execute("query-name") == {"name": "rabbit"}

    def test_an_event_that_came_before_is_found(self, rig: MonitorRig) -> None:
        rig.report("RESET", {"guest": True})
        event = rig.monitor.wait_for_event("RESET", timeout=ENOUGH)
        assert event == Event(name="RESET", data={"guest": True})

    def test_an_event_that_comes_during_the_wait_is_found(self, rig: MonitorRig) -> None:
        rig.report("RESUME", after=0.1)
        assert rig.monitor.wait_for_event("RESUME", timeout=ENOUGH).name == "RESUME"

    def test_events_of_one_name_come_oldest_first_and_others_stay(self, rig: MonitorRig) -> None:
        for name, number in (("RESET", 1), ("STOP", 2), ("RESET", 3)):
            rig.report(name, {"number": number})
        wait = rig.monitor.wait_for_event
        assert wait("STOP", timeout=ENOUGH).data == {"number": 2}
        assert wait("RESET", timeout=ENOUGH).data == {"number": 1}
        assert wait("RESET", timeout=ENOUGH).data == {"number": 3}

    def test_an_event_is_read_once(self, rig: MonitorRig) -> None:
        rig.report("RESET")
        rig.monitor.wait_for_event("RESET", timeout=ENOUGH)
        with pytest.raises(EventTimeoutError):
            rig.monitor.wait_for_event("RESET", timeout=SHORT)

    def test_an_event_that_does_not_come_is_an_error_that_names_those_seen(
        self, rig: MonitorRig
    ) -> None:
        rig.report("RESET")
        with pytest.raises(EventTimeoutError, match=r"STOP.*RESET"):
            rig.monitor.wait_for_event("STOP", timeout=SHORT)

    def test_an_event_between_command_and_answer_disturbs_neither(self, rig: MonitorRig) -> None:
        rig.report("RESUME")
        rig.plan_result("query-status", {"status": "running"})
        assert rig.monitor.execute("query-status") == {"status": "running"}
        assert rig.monitor.wait_for_event("RESUME", timeout=ENOUGH).name == "RESUME"

    def test_a_shutdown_by_the_appliance_is_remembered(self, rig: MonitorRig) -> None:
        assert not rig.monitor.shut_down_seen()
        rig.report("SHUTDOWN", {"guest": True, "reason": "guest-shutdown"})
        rig.monitor.wait_for_event("SHUTDOWN", timeout=ENOUGH)
        assert rig.monitor.shut_down_seen()

    def test_an_end_from_outside_is_no_shutdown_by_the_appliance(self, rig: MonitorRig) -> None:
        rig.report("SHUTDOWN", {"guest": False, "reason": "host-signal"})
        rig.monitor.wait_for_event("SHUTDOWN", timeout=ENOUGH)
        assert not rig.monitor.shut_down_seen()

    def test_a_reset_is_no_shutdown(self, rig: MonitorRig) -> None:
        rig.report("RESET", {"guest": True, "reason": "guest-reset"})
        rig.monitor.wait_for_event("RESET", timeout=ENOUGH)
        assert not rig.monitor.shut_down_seen()

    def test_a_command_to_a_dead_hypervisor_says_that_it_died(self, rig: MonitorRig) -> None:
        rig.end()
        with pytest.raises(MachineDiedError):
            rig.monitor.execute("query-status")

    def test_a_death_during_a_command_is_said(self, rig: MonitorRig) -> None:
        rig.plan_end("query-status")
        with pytest.raises(MachineDiedError):
            rig.monitor.execute("query-status")

    def test_a_wait_for_an_event_ends_when_the_hypervisor_dies(self, rig: MonitorRig) -> None:
        rig.end()
        with pytest.raises(MachineDiedError):
            rig.monitor.wait_for_event("RESET", timeout=ENOUGH)

    def test_events_from_before_a_death_can_still_be_read(self, rig: MonitorRig) -> None:
        rig.report("GUEST_PANICKED")
        rig.end()
        event = rig.monitor.wait_for_event("GUEST_PANICKED", timeout=ENOUGH)
        assert event.name == "GUEST_PANICKED"

    def test_quit_accepts_an_end_before_the_answer(self, rig: MonitorRig) -> None:
        rig.plan_end("quit")
        rig.monitor.quit()

    def test_quit_again_does_nothing(self, rig: MonitorRig) -> None:
        rig.plan_end("quit")
        rig.monitor.quit()
        rig.monitor.quit()

    def test_quit_after_a_shutdown_by_the_appliance_does_nothing(self, rig: MonitorRig) -> None:
        rig.report("SHUTDOWN", {"guest": True, "reason": "guest-shutdown"})
        rig.end()
        rig.monitor.quit()

    def test_quit_does_not_hide_that_the_hypervisor_had_died(self, rig: MonitorRig) -> None:
        rig.end()
        with pytest.raises(MachineDiedError):
            rig.monitor.quit()

    def test_close_does_nothing_when_called_again(self, rig: MonitorRig) -> None:
        rig.monitor.close()
        rig.monitor.close()

    def test_close_accepts_a_dead_hypervisor(self, rig: MonitorRig) -> None:
        rig.end()
        rig.monitor.close()
