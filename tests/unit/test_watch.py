# SPDX-License-Identifier: GPL-3.0-or-later
"""Whatever dies under a test is raised in whatever call the test is in, on fakes."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeAlias

import pytest

from alpy import fakes
from alpy.core.appliance import Appliance, Kernel
from alpy.core.errors import (
    AlpyError,
    AppFailedError,
    AppTimeoutError,
    DockerError,
    LifecycleError,
    MachineDiedError,
    MachineStoppedError,
    NodeDiedError,
)
from alpy.core.exit_status import ExitStatus
from alpy.core.running_app import RunningApp
from alpy.core.testbed import Testbed
from alpy.fakes import World

RABBIT = Appliance(name="rabbit", kernel=Kernel(image="vmlinuz"))
# When it dies, in seconds; how soon it must be told; and how long the calls would wait.
DEATH, SOON, LONG = 3.0, 1.0, 60.0

Call: TypeAlias = Callable[[Testbed, RunningApp], object]
Death: TypeAlias = Callable[[World], None]


def docker_goes(world: World) -> None:
    gone = DockerError(asked="keep node 0 alive", found="it is gone", remedy="Start it")
    world.faults.fail("skeleton.check_alive", error=gone, lasting=True)


def stop(world: World) -> None:
    world.machine.is_stopped = True


DEATHS: dict[str, tuple[Death, type[AlpyError]]] = {
    "a node": (lambda world: world.skeleton.node_dies(1), NodeDiedError),
    "an app": (lambda world: world.apps.end("node0-1-web", ExitStatus(code=1)), AppFailedError),
    "an app, by SIGKILL": (
        lambda world: world.apps.end("node0-1-web", ExitStatus(signal=9)),
        AppFailedError,
    ),
    "an app's container": (lambda world: world.apps.vanish("node0-1-web"), DockerError),
    "QEMU": (lambda world: world.machine.crash(), MachineDiedError),
    "QEMU, by SIGSTOP": (stop, MachineStoppedError),
    "the daemon": (docker_goes, DockerError),
}

CALLS: dict[str, Call] = {
    "console.expect": lambda bed, _: bed.console.expect("login: ", timeout=LONG),
    "console.spawn.expect": lambda bed, _: bed.console.spawn.expect(b"login: ", timeout=LONG),
    "dut.wait_for_shutdown": lambda bed, _: bed.dut.wait_for_shutdown(timeout=LONG),
    "dut.power_down": lambda bed, _: bed.dut.power_down(timeout=LONG),
    "monitor.execute": lambda bed, _: bed.dut.monitor.execute("query-name", timeout=LONG),
    "monitor.wait_for_event": lambda bed, _: bed.dut.monitor.wait_for_event("X", timeout=LONG),
    "app.wait": lambda _, app: app.wait(timeout=LONG),
    "app.wait_for_output": lambda _, app: app.wait_for_output("ready", timeout=LONG),
    "app.wait_for_port": lambda _, app: app.wait_for_port(80, timeout=LONG),
    "app.stop": lambda _, app: app.stop(timeout=LONG),
    "node.run": lambda bed, _: bed.nodes[0].run(["sleep", "60"], image="tools", timeout=LONG),
}


def planned_world() -> World:
    world = World()
    world.guest.power_down_after = None
    world.monitor.hang_on("query-name")
    for command in ("web", "other", "sleep"):
        world.apps.plan([command], seconds=None, ignores={"SIGTERM"})
    return world


@pytest.mark.parametrize("call", CALLS)
@pytest.mark.parametrize("death", DEATHS)
def test_a_death_is_raised_at_once_in_whatever_call_the_test_is_in(death: str, call: str) -> None:
    world = planned_world()
    die, error = DEATHS[death]

    def run() -> None:
        with fakes.testbed(RABBIT, 2, world=world) as bed:
            bed.nodes[0].start(["web"], image="tools")
            other = bed.nodes[0].start(["other"], image="tools")
            bed.dut.start()
            world.clock.after(DEATH - world.clock.now(), lambda: die(world))
            try:
                CALLS[call](bed, other)
            finally:
                assert DEATH <= world.clock.now() <= DEATH + SOON

    with pytest.raises(error):
        run()
    assert world.alive == ()


def test_what_the_test_was_told_of_an_app_is_not_told_again_at_the_end() -> None:
    world = planned_world()
    with pytest.raises(AppFailedError) as raised, fakes.testbed(RABBIT, 1, world=world) as bed:
        bed.nodes[0].start(["web"], image="tools")
        world.apps.end("node0-1-web", ExitStatus(code=1))
        bed.console.expect("login: ", timeout=LONG)
    assert not getattr(raised.value, "__notes__", [])


def test_an_app_that_may_end_so_disturbs_nobody() -> None:
    world = planned_world()
    with fakes.testbed(RABBIT, 1, world=world) as bed:
        bed.nodes[0].start(["web"], image="tools", exit_codes=[3])
        world.apps.end("node0-1-web", ExitStatus(code=3))
        bed.nodes[0].run(["true"], image="tools")


def test_an_app_that_the_test_stopped_disturbs_nobody() -> None:
    world = World()
    world.apps.plan(["web"], seconds=None, stop_code=1)
    with fakes.testbed(RABBIT, 1, world=world) as bed:
        bed.nodes[0].start(["web"], image="tools").stop()
        bed.nodes[0].run(["true"], image="tools")


def test_who_waits_for_an_app_is_told_by_its_result_and_not_by_an_error() -> None:
    world = planned_world()

    def run() -> None:
        with fakes.testbed(RABBIT, 1, world=world) as bed:
            web = bed.nodes[0].start(["web"], image="tools")
            world.clock.after(1, lambda: world.apps.end("node0-1-web", ExitStatus(code=1)))
            assert web.wait(timeout=LONG).status == ExitStatus(code=1)
            bed.nodes[0].run(["true"], image="tools")

    with pytest.raises(AppFailedError, match="node0-1-web"):
        run()


def test_an_app_that_was_awaited_in_vain_is_watched_again() -> None:
    world = planned_world()
    with pytest.raises(AppFailedError), fakes.testbed(RABBIT, 1, world=world) as bed:
        web = bed.nodes[0].start(["web"], image="tools")
        with pytest.raises(AppTimeoutError):
            web.wait(timeout=1)
        world.apps.end("node0-1-web", ExitStatus(code=1))
        bed.console.expect("login: ", timeout=LONG)


def test_who_waited_for_an_app_in_vain_is_told_that_the_daemon_is_gone() -> None:
    world = planned_world()
    gone = DockerError(asked="look at an app", found="no daemon answers", remedy="Start it")
    with pytest.raises(DockerError) as raised, fakes.testbed(RABBIT, 1, world=world) as bed:
        web = bed.nodes[0].start(["web"], image="tools")
        world.faults.fail("apps.status", error=gone)
        web.wait(timeout=1)
    assert raised.value is gone


def test_a_stopped_qemu_is_not_asked_to_quit_but_killed() -> None:
    world = World()
    with pytest.raises(MachineStoppedError) as raised, fakes.testbed(RABBIT, 1, world=world) as bed:
        world.machine.is_stopped = True
        bed.dut.start()
    assert "monitor.quit" not in world.calls
    assert not getattr(raised.value, "__notes__", [])
    assert world.clock.now() < SOON


def test_deaths_after_the_test_do_not_keep_the_rest_from_being_torn_down_in_order() -> None:
    world = World()
    world.apps.plan(["web"], seconds=None)

    def run() -> None:
        with fakes.testbed(RABBIT, 2, world=world) as bed:
            bed.nodes[0].start(["web"], image="tools")
            world.faults.meanwhile("apps.send_signal", lambda: world.skeleton.node_dies(1))

    with pytest.raises(NodeDiedError) as raised:  # of the counters, which can't be read
        run()
    assert "monitor.quit" in world.calls
    assert raised.value.__notes__ == ["raised in teardown, link counters"]


def test_a_node_can_be_used_only_inside_the_block() -> None:
    bed = fakes.testbed(RABBIT, 1)
    with pytest.raises(LifecycleError, match="not launched yet"):
        bed.nodes[0].run(["true"], image="tools")
    with bed:
        bed.nodes[0].run(["true"], image="tools")
    with pytest.raises(LifecycleError, match="gone"):
        bed.nodes[0].configure("192.0.2.1/24")


@pytest.mark.parametrize("code", [0, 1])
def test_a_daemon_that_has_died_is_told_before_it_is_asked_to_remove_anything(code: int) -> None:
    world = World()
    world.apps.plan(["short"], seconds=1, exit_code=code)
    with (
        pytest.raises(DockerError, match="it is gone"),
        fakes.testbed(RABBIT, 1, world=world) as bed,
    ):
        world.clock.after(1, lambda: docker_goes(world))
        try:
            bed.nodes[0].run(["short"], image="tools")
        finally:
            assert "apps.remove" not in world.calls
    assert world.alive == ()
