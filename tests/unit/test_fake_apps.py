# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path, PosixPath
from typing import Literal

import pytest
from attrs import define, field

from alpy.core.app import OUTPUT_LIMIT, AppSpec
from alpy.core.errors import DockerError
from alpy.core.exit_status import ExitStatus
from alpy.core.link import Link
from alpy.fakes import FakeApps, FakeClock, World
from tests.contracts.apps import AppsContract, AppsRig


def _world_with_node() -> World:
    world = World()
    world.skeleton.create_nodes([Link(number=0)])
    return world


class _InMemory(PosixPath):
    """A path whose content is in the world."""

    world: World

    def read_bytes(self) -> bytes:
        return self.world.files[self]


@define
class FakeAppsRig:
    world: World = field(factory=_world_with_node)

    @property
    def apps(self) -> FakeApps:
        return self.world.apps

    @property
    def clock(self) -> FakeClock:
        return self.world.clock

    @property
    def log(self) -> Path:
        log = _InMemory("/fake/run/app.log")
        log.world = self.world
        self.world.missing_files.add(log.parent / "no such file")
        return log

    def spec_that_prints(
        self,
        text: bytes,
        *,
        exit_code: int = 0,
        stream: Literal["stdout", "stderr"] = "stdout",
    ) -> AppSpec:
        command = ["print", repr(text), str(exit_code), stream]
        stdout, stderr = (text, b"") if stream == "stdout" else (b"", text)
        self.apps.plan(command, stdout=stdout, stderr=stderr, exit_code=exit_code)
        return AppSpec(image="tools", command=command)

    def spec_that_runs_on(self, *, first: bytes = b"") -> AppSpec:
        self.apps.plan(["run on"], stdout=first, seconds=None)
        return AppSpec(image="tools", command=["run on"])

    def spec_of_missing_image(self) -> AppSpec:
        self.world.missing_images.add("nowhere")
        return AppSpec(image="nowhere", command=["true"])

    def spec_of_missing_command(self) -> AppSpec:
        self.apps.plan(["no-such-program"], stderr="not found\n", exit_code=127)
        return AppSpec(image="tools", command=["no-such-program"])

    def remove_behind_our_back(self, name: str) -> None:
        self.apps.vanish(name)

    def leftovers(self) -> Sequence[str]:
        return [thing for thing in self.world.alive if thing.startswith("app ")]


class TestFakeApps(AppsContract):
    @pytest.fixture
    def rig(self) -> AppsRig:
        return FakeAppsRig()


@pytest.fixture
def world() -> World:
    return _world_with_node()


def _start(world: World, *command: str) -> None:
    spec = AppSpec(image="tools", command=command)
    world.apps.create(spec, name="app", node=0, log=world.run_directory.file("app.log"))
    world.apps.start("app")


def test_an_app_that_was_not_planned_ends_well_and_says_nothing(world: World) -> None:
    _start(world, "anything")
    assert world.apps.wait("app", timeout=0) == ExitStatus(code=0)
    assert world.apps.output("app").stdout == b""


def test_the_newest_plan_that_fits_counts(world: World) -> None:
    world.apps.plan(["ping"], exit_code=1)
    world.apps.plan(["ping", "-6"], exit_code=2)
    world.apps.plan(["traceroute"], exit_code=3)
    _start(world, "ping", "-6", "::1")
    assert world.apps.wait("app", timeout=1) == ExitStatus(code=2)


def test_a_plan_can_look_at_the_whole_spec(world: World) -> None:
    world.apps.plan(lambda spec: spec.user == "nobody", exit_code=1)
    spec = AppSpec(image="tools", command=["id"], user="nobody")
    world.apps.create(spec, name="app", node=0, log=world.run_directory.file("app.log"))
    world.apps.start("app")
    assert world.apps.wait("app", timeout=1) == ExitStatus(code=1)


def test_an_app_takes_its_planned_time(world: World) -> None:
    world.apps.plan(["sleep"], seconds=3)
    _start(world, "sleep", "3")
    assert world.apps.wait("app", timeout=2) is None
    assert world.apps.wait("app", timeout=2) == ExitStatus(code=0)
    assert world.clock.now() == 3


def test_an_app_that_ignores_a_signal_still_dies_by_sigkill(world: World) -> None:
    world.apps.plan(["cat"], seconds=None, ignores={"SIGTERM", "SIGKILL"})
    _start(world, "cat")
    world.apps.send_signal("app", "SIGTERM")
    assert world.apps.wait("app", timeout=1) is None
    world.apps.send_signal("app", "SIGKILL")
    assert world.apps.wait("app", timeout=1) == ExitStatus(signal=9)
    assert world.apps.made["app"].signals == ["SIGTERM", "SIGKILL"]


def test_a_harmless_signal_ends_nothing(world: World) -> None:
    world.apps.plan(["cat"], seconds=None)
    _start(world, "cat")
    world.apps.send_signal("app", "SIGWINCH")
    assert world.apps.wait("app", timeout=0) is None


def test_an_app_may_leave_with_a_code_of_its_own_when_it_is_stopped(world: World) -> None:
    world.apps.plan(["iperf3"], seconds=None, stop_code=1)
    _start(world, "iperf3")
    world.apps.send_signal("app", "SIGTERM")
    assert world.apps.wait("app", timeout=0) == ExitStatus(code=1)


def test_an_app_may_be_killed_by_a_signal_from_elsewhere(world: World) -> None:
    world.apps.plan(["crash"], killed_by=11)
    _start(world, "crash")
    assert world.apps.wait("app", timeout=1) == ExitStatus(signal=11)


def test_a_signal_that_linux_does_not_know_is_refused(world: World) -> None:
    world.apps.plan(["cat"], seconds=None)
    _start(world, "cat")
    with pytest.raises(DockerError, match="SIGNONE"):
        world.apps.send_signal("app", "SIGNONE")


def test_an_app_can_write_while_it_runs(world: World) -> None:
    world.apps.plan(["nginx"], stdout="up\n", seconds=None)
    _start(world, "nginx")
    world.apps.write("app", stderr="GET /\n")
    assert world.apps.output("app").text == "up\nGET /\n"
    assert world.files[world.run_directory.file("app.log")] == b"up\nGET /\n"


def test_only_the_beginning_of_a_large_output_is_returned(world: World) -> None:
    world.apps.plan(["yes"], stdout=bytes(OUTPUT_LIMIT + 1))
    _start(world, "yes")
    output = world.apps.output("app")
    assert (len(output.stdout), output.truncated) == (OUTPUT_LIMIT, True)


def test_a_name_is_taken_once(world: World) -> None:
    _start(world, "true")
    with pytest.raises(DockerError, match="taken"):
        _start(world, "true")


def test_an_app_needs_a_node(world: World) -> None:
    spec = AppSpec(image="tools", command=["true"])
    with pytest.raises(DockerError, match="node 5"):
        world.apps.create(spec, name="app", node=5, log=world.run_directory.file("app.log"))


def test_the_commands_that_were_started_can_be_looked_at(world: World) -> None:
    _start(world, "ping", "192.0.2.1")
    assert world.apps.commands == [("ping", "192.0.2.1")]


def test_starting_twice_starts_once(world: World) -> None:
    world.apps.plan(["echo"], stdout="once")
    _start(world, "echo")
    world.apps.start("app")
    assert world.apps.output("app").stdout == b"once"
