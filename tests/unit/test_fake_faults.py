# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import pytest

from alpy.core.errors import DockerError, InvalidValueError
from alpy.core.link import Link
from alpy.fakes import World

LINKS = [Link(number=0)]


@pytest.fixture
def world() -> World:
    return World()


def test_a_planned_call_fails_once_before_its_effect(world: World) -> None:
    world.faults.fail("skeleton.create_nodes")
    with pytest.raises(DockerError, match="as planned"):
        world.skeleton.create_nodes(LINKS)
    assert not world.alive
    world.skeleton.create_nodes(LINKS)
    assert world.alive == ("node 0",)


def test_a_lost_reply_is_a_failure_after_the_effect(world: World) -> None:
    world.faults.fail("skeleton.create_nodes", after_effect=True)
    with pytest.raises(DockerError):
        world.skeleton.create_nodes(LINKS)
    assert world.alive == ("node 0",)


def test_a_later_call_of_a_name_can_be_chosen(world: World) -> None:
    world.faults.fail("skeleton.check", nth=2)
    world.skeleton.check()
    world.skeleton.remove_taps()
    with pytest.raises(DockerError):
        world.skeleton.check()


def test_a_call_can_be_chosen_by_its_number_among_all(world: World) -> None:
    world.faults.fail(1)
    world.skeleton.check()
    with pytest.raises(DockerError):
        world.skeleton.remove_nodes()
    assert world.calls == ("skeleton.check", "skeleton.remove_nodes")
    assert [strike.call for strike in world.faults.struck] == ["skeleton.remove_nodes"]


def test_a_lasting_fault_of_a_name_stays_with_that_name(world: World) -> None:
    world.faults.fail("skeleton.check", lasting=True)
    for _ in range(2):
        with pytest.raises(DockerError):
            world.skeleton.check()
    world.skeleton.create_nodes(LINKS)


def test_a_lasting_fault_from_a_number_on_spreads_to_its_port(world: World) -> None:
    world.faults.fail(0, lasting=True)
    with pytest.raises(DockerError):
        world.skeleton.check()
    with pytest.raises(DockerError):
        world.skeleton.create_nodes(LINKS)
    world.machine.kill()


def test_a_star_stands_for_any_call(world: World) -> None:
    world.faults.fail("skeleton.*", nth=2)
    world.skeleton.check()
    with pytest.raises(DockerError):
        world.skeleton.create_nodes(LINKS)


@pytest.mark.parametrize("error", [OSError("disk"), lambda: OSError("disk")])
def test_the_error_can_be_any(world: World, error: OSError) -> None:
    world.faults.fail("skeleton.check", error=error)
    with pytest.raises(OSError, match="disk"):
        world.skeleton.check()


def test_a_call_that_declares_no_error_is_passed_over(world: World) -> None:
    world.faults.fail("clock.sleep")
    world.clock.sleep(1)
    assert world.faults.struck == []


def test_ctrl_c_comes_at_once_or_where_signals_are_delivered(world: World) -> None:
    world.faults.interrupt("skeleton.check")
    with pytest.raises(KeyboardInterrupt):
        world.skeleton.check()
    world.faults.interrupt("skeleton.create_nodes")
    with pytest.raises(KeyboardInterrupt), world.signals.deferred():
        world.skeleton.create_nodes(LINKS)
    assert world.alive == ("node 0",)


def test_calls_are_counted_from_one(world: World) -> None:
    with pytest.raises(InvalidValueError, match="counted from 1"):
        world.faults.fail("skeleton.check", nth=0)


def test_something_can_happen_meanwhile_and_the_call_goes_on(world: World) -> None:
    world.skeleton.create_nodes(LINKS)
    world.faults.meanwhile("skeleton.remove_nodes", lambda: world.clock.advance(5))
    world.skeleton.remove_nodes()
    assert (world.alive, world.clock.now(), world.faults.struck) == ((), 5, [])


def test_sigterm_comes_where_it_is_taken(world: World) -> None:
    world.faults.terminate("skeleton.check")
    world.signals.take()
    with pytest.raises(SystemExit):
        world.skeleton.check()
    assert isinstance(world.faults.struck[0].error, SystemExit)


def test_what_is_late_comes_after_the_failure(world: World) -> None:
    world.faults.fail("skeleton.create_nodes", late=3)
    with pytest.raises(DockerError):
        world.skeleton.create_nodes(LINKS)
    assert not world.alive
    world.clock.advance(3)
    assert world.alive == ("node 0",)


def test_what_is_late_goes_after_the_failure(world: World) -> None:
    world.skeleton.create_nodes(LINKS)
    world.faults.fail("skeleton.remove_nodes", late=3)
    with pytest.raises(DockerError):
        world.skeleton.remove_nodes()
    assert world.alive == ("node 0",)
    world.clock.advance(3)
    assert not world.alive


@pytest.mark.parametrize(("late", "waited"), [(3, 3), (60, 5)])
def test_a_release_waits_a_while_for_what_may_still_come(
    world: World, late: float, waited: float
) -> None:
    world.faults.fail("skeleton.create_nodes", late=late)
    with pytest.raises(DockerError):
        world.skeleton.create_nodes(LINKS)
    world.skeleton.remove_nodes()
    assert (world.alive, world.clock.now()) == ((), waited)
