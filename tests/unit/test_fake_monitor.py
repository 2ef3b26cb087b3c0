# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import pytest
from attrs import Factory, define, field

from alpy.core.appliance import Appliance, Kernel
from alpy.core.errors import MonitorError
from alpy.core.ports import Event
from alpy.core.topology import Topology
from alpy.core.watch import Watch, unwatched
from alpy.fakes import FakeMonitor, World
from tests.contracts.lookout import Lookout
from tests.contracts.monitor import MonitorContract, MonitorRig

TOPOLOGY = Topology.of(Appliance(name="rabbit", kernel=Kernel(image="vmlinuz")), 0)


def _world_with_monitor(watch: Watch = unwatched) -> World:
    world = World()
    world.machine.launch(TOPOLOGY, [], world.run_directory)
    world.machine.connect_monitor(timeout=1, command_timeout=1, watch=watch)
    return world


@define
class FakeMonitorRig:
    lookout: Lookout = field(factory=Lookout)
    world: World = field(
        default=Factory(lambda self: _world_with_monitor(self.lookout), takes_self=True)
    )

    @property
    def monitor(self) -> FakeMonitor:
        return self.world.monitor

    def plan_result(self, command: str, result: Any) -> None:
        self.monitor.answer(command, result)

    def plan_refusal(self, command: str, reason: str) -> None:
        self.monitor.refuse(command, reason)

    def plan_silence(self, command: str) -> None:
        self.monitor.hang_on(command)

    def plan_end(self, command: str) -> None:
        self.monitor.answer(command, lambda _arguments: self.end())

    def report(self, name: str, data: Mapping[str, Any] | None = None, *, after: float = 0) -> None:
        event = Event(name=name, data=data or {})
        if after:
            self.world.clock.after(after, lambda: self.monitor.report(event))
        else:
            self.monitor.report(event)

    def end(self) -> None:
        self.world.machine.exit(0)

    def commands(self) -> Sequence[str]:
        return [command for command, _ in self.monitor.commands]


class TestFakeMonitor(MonitorContract):
    @pytest.fixture
    def rig(self) -> MonitorRig:
        return FakeMonitorRig()


@pytest.fixture
def world() -> World:
    return _world_with_monitor()


def test_steps_can_be_taken_by_their_qmp_names_too(world: World) -> None:
    words = [world.monitor.execute("query-status")["status"]]
    for command in ("cont", "stop", "system_reset", "cont"):
        world.monitor.execute(command)
        words.append(world.monitor.execute("query-status")["status"])
    assert words == ["prelaunch", "running", "paused", "prelaunch", "running"]


def test_steps_are_reported_as_events(world: World) -> None:
    world.monitor.start()
    world.monitor.pause()
    assert world.monitor.wait_for_event("STOP", timeout=0).name == "STOP"
    assert world.monitor.wait_for_event("RESUME", timeout=0).name == "RESUME"


def test_a_command_that_nobody_planned_is_not_known(world: World) -> None:
    with pytest.raises(MonitorError, match="query-numa has not been found"):
        world.monitor.execute("query-numa")


def test_an_answer_may_depend_on_the_arguments(world: World) -> None:
    world.monitor.answer("human-monitor-command", lambda given: given["command-line"].upper())
    assert world.monitor.execute("human-monitor-command", {"command-line": "info"}) == "INFO"
    assert world.monitor.commands[-1] == ("human-monitor-command", {"command-line": "info"})


def test_a_closed_monitor_says_so(world: World) -> None:
    world.monitor.close()
    with pytest.raises(MonitorError, match="closed"):
        world.monitor.start()
