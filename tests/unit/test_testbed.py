# SPDX-License-Identifier: GPL-3.0-or-later
"""The testbed by example, on fakes; faults has what always holds.

Where the end of the testbed is what raises, the whole block is under test.
"""

from __future__ import annotations

import logging

import pytest

from alpy import fakes
from alpy.core.appliance import Appliance, Kernel
from alpy.core.errors import (
    AlpyError,
    AppFailedError,
    AppTimeoutError,
    CaptureError,
    DeadlineError,
    LifecycleError,
    MachineDiedError,
    RunDirectoryError,
)
from alpy.core.lifecycle import VmState
from alpy.fakes import Script, World

RABBIT = Appliance(name="rabbit", kernel=Kernel(image="vmlinuz"))


@pytest.fixture
def world() -> World:
    return World(script=Script().prints("login: ", after=1))


def test_inside_the_block_the_vm_is_paused_before_its_first_instruction(world: World) -> None:
    with fakes.testbed(RABBIT, 2, world=world) as bed:
        assert bed.dut.state is VmState.PRELAUNCH
        assert [node.number for node in bed.nodes] == [0, 1]
        assert world.guest.printed == b""
        assert world.alive[0] == "run directory"
    assert world.alive == ()


@pytest.mark.parametrize("links", [0, 64])
def test_it_has_as_many_links_as_it_was_told(world: World, links: int) -> None:
    with fakes.testbed(RABBIT, links, world=world) as bed:
        assert len(bed.nodes) == links
    assert (len(bed.counters), len(bed.captures), world.alive) == (links, links, ())


def test_qemu_is_asked_to_quit_before_the_nodes_go(world: World) -> None:
    with fakes.testbed(RABBIT, 1, world=world):
        pass
    assert world.calls.index("monitor.quit") < world.calls.index("skeleton.remove_nodes")
    assert world.gone.index("machine") < world.gone.index("node 0")
    status = world.machine.wait_for_exit(timeout=0)
    assert status is not None
    assert status.ok


def test_counters_and_captures_are_kept_after_the_test(world: World) -> None:
    world.skeleton.count(1, frames_in=3)
    world.machine.capture(1, frames=3, octets=180)
    with fakes.testbed(RABBIT, 2, world=world) as bed:
        assert not bed.counters
    assert [each.frames_in for each in bed.counters] == [0, 3]
    assert [(each.link, each.frames) for each in bed.captures] == [(0, 0), (1, 3)]


def test_a_link_that_dropped_frames_is_told_as_a_warning(
    world: World, caplog: pytest.LogCaptureFixture
) -> None:
    world.skeleton.count(0, dropped_in=7)
    with caplog.at_level(logging.WARNING, logger="alpy"), fakes.testbed(RABBIT, 2, world=world):
        pass
    (warning,) = caplog.messages
    assert "link=0" in warning
    assert "dropped_in=7" in warning


def test_a_torn_capture_fails_the_test(world: World) -> None:
    world.machine.tear_capture(0, "cut short")
    with pytest.raises(CaptureError, match="cut short"), fakes.testbed(RABBIT, 1, world=world):
        pass
    assert world.alive == ()


def test_the_fault_of_the_test_stays_the_headline(world: World) -> None:
    world.machine.tear_capture(0, "cut short")
    with pytest.raises(AssertionError) as raised, fakes.testbed(RABBIT, 1, world=world):
        raise AssertionError("no route to server")
    assert str(raised.value) == "no route to server"
    (note,) = raised.value.__notes__
    assert "cut short" in note


def test_the_death_of_qemu_is_told_once(world: World) -> None:
    with pytest.raises(MachineDiedError) as raised, fakes.testbed(RABBIT, 1, world=world) as bed:
        bed.dut.start()
        world.machine.crash(signal=11, stderr="assertion failed")
        bed.console.expect("login: ", timeout=60)
    assert str(raised.value) == "QEMU died (SIGSEGV): assertion failed"
    assert getattr(raised.value, "__notes__", []) == []


def test_a_death_that_the_test_did_not_notice_fails_it(world: World) -> None:
    with pytest.raises(MachineDiedError, match="SIGKILL"), fakes.testbed(RABBIT, 1, world=world):
        world.machine.crash(signal=9)
    assert world.alive == ()


def test_a_failing_app_that_nobody_looked_at_fails_the_test(world: World) -> None:
    world.apps.plan(["nginx"], exit_code=1, stderr="bad configuration\n")
    with (
        pytest.raises(AppFailedError, match="bad configuration"),
        fakes.testbed(RABBIT, 1, world=world) as bed,
    ):
        bed.nodes[0].start(["nginx"], image="tools")
        world.clock.sleep(1)
    assert world.alive == ()


def test_an_app_that_does_not_end_in_time_is_removed(world: World) -> None:
    world.apps.plan(["ping"], seconds=None, stdout="64 bytes\n")
    with fakes.testbed(RABBIT, 1, world=world) as bed:
        with pytest.raises(AppTimeoutError, match="64 bytes"):
            bed.nodes[0].run(["ping"], image="tools", timeout=5)
        assert not any(thing.startswith("app") for thing in world.alive)


def test_an_app_that_ignores_its_signal_is_killed_and_reported(world: World) -> None:
    world.apps.plan(["cat"], seconds=None, ignores=["SIGTERM"])
    with (
        pytest.raises(AppFailedError, match="SIGKILL"),
        fakes.testbed(RABBIT, 1, world=world) as bed,
    ):
        bed.nodes[0].start(["cat"], image="tools")
    assert next(iter(world.apps.made.values())).signals == ["SIGTERM", "SIGKILL"]


def test_an_appliance_that_does_not_power_down_is_an_error(world: World) -> None:
    world.guest.power_down_after = None
    with (
        pytest.raises(DeadlineError, match="shutdown did not happen within 30 s"),
        fakes.testbed(RABBIT, 0, world=world) as bed,
    ):
        bed.dut.start()
        bed.dut.power_down(timeout=30)


def test_it_is_entered_once(world: World) -> None:
    bed = fakes.testbed(RABBIT, 0, world=world)
    with bed:
        pass
    with pytest.raises(LifecycleError, match="make another testbed"), bed:
        pass


def test_before_it_is_entered_there_is_no_console(world: World) -> None:
    bed = fakes.testbed(RABBIT, 0, world=world)
    with pytest.raises(LifecycleError, match="enter the testbed"):
        _ = bed.console


def test_the_story_is_in_debug_log_whatever_the_level(world: World) -> None:
    with fakes.testbed(RABBIT, 1, world=world):
        pass
    story = "\n".join(world.run_directory.lines)
    assert "INFO     alpy.testbed    Create nodes...\n" in story
    assert "DEBUG    alpy.testbed    Frames on link" in story


def test_a_termination_is_an_exit_inside_of_the_block_only(world: World) -> None:
    with fakes.testbed(RABBIT, 0, world=world):
        assert world.signals.taken
    assert not world.signals.taken


def test_signals_are_given_back_when_the_entry_fails(world: World) -> None:
    world.faults.fail("skeleton.create_taps")
    with pytest.raises(AlpyError), fakes.testbed(RABBIT, 0, world=world):
        pass
    assert not world.signals.taken


def test_with_a_time_scale_each_limit_of_a_test_lasts_longer() -> None:
    world = World(script=Script().prints("login: ", after=80))
    world.guest.power_down_after = 80
    world.apps.plan(["ping"], seconds=80)
    with fakes.testbed(RABBIT, 1, world=world, time_scale=3) as bed:
        bed.dut.start()
        bed.console.expect("login: ", timeout=30)
        bed.nodes[0].run(["ping"], image="tools", timeout=30)
        bed.dut.power_down(timeout=30)
    story = "\n".join(world.run_directory.lines)
    assert story.count("Each time limit is stretched for this host time_scale=3") == 1


def test_a_limit_that_was_stretched_is_told_as_given_and_that_it_was(world: World) -> None:
    with (
        pytest.raises(AlpyError, match="within 30 s") as raised,
        fakes.testbed(RABBIT, 1, world=world, time_scale=3) as bed,
    ):
        bed.console.expect("login: ", timeout=30)
    assert world.clock._now == pytest.approx(90)
    assert raised.value.__notes__ == ["that limit lasted 3 times as long here, by the time scale"]


@pytest.mark.parametrize("call", ["console.close", "apps.remove", "run_directory.release"])
def test_a_log_that_is_not_whole_is_told_and_is_nothing_left_behind(
    world: World, call: str
) -> None:
    full = RunDirectoryError(asked="write log", found="No space left on device", remedy="x")
    world.faults.fail(call, after_effect=True, error=full)
    with pytest.raises(RunDirectoryError) as caught, fakes.testbed(RABBIT, 1, world=world) as bed:
        bed.nodes[0].run(["true"], image="image")
    assert "left behind" not in "".join(getattr(caught.value, "__notes__", []))
    assert world.alive == ()
    assert "audit.of_host" in world.calls
    assert "guard.dismiss" in world.calls
