# SPDX-License-Identifier: GPL-3.0-or-later
"""Whatever one call of a whole life does, nothing stays behind unnamed and nothing is hidden.

A life is run once without a fault to count its calls. Then it is run again for each call and each
way in which that call can go wrong.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator, Sequence
from functools import cache, partial
from typing import Protocol

import pytest
from attrs import frozen
from hypothesis import given, settings
from hypothesis import strategies as st

from alpy import fakes
from alpy.core.appliance import Appliance, Kernel
from alpy.core.errors import AlpyError
from alpy.fakes import Faults, Script, World

RABBIT = Appliance(name="rabbit", kernel=Kernel(image="vmlinuz"))


@pytest.fixture(autouse=True)
def _no_narrative(caplog: pytest.LogCaptureFixture) -> None:
    # Thousands of failing lives tell thousands of stories; they still go to each debug.log.
    caplog.set_level(logging.CRITICAL + 1, logger="alpy")


@frozen
class Life:
    """So many links, and so many apps on them."""

    links: int
    apps: int

    def __str__(self) -> str:
        return f"{self.links} links, {self.apps} apps"

    def world(self) -> World:
        world = World(script=Script().prints("login: ", after=1))
        world.apps.plan(["iperf3"], seconds=None, listens_on=[5201])
        return world

    def live(self, world: World) -> None:
        with fakes.testbed(RABBIT, self.links, world=world) as bed:
            for node in bed.nodes:
                node.configure("192.0.2.1/24")
            if self.apps > 0:
                bed.nodes[0].start(["iperf3", "-s"], image="tools").wait_for_port(5201)
            bed.dut.start()
            bed.console.expect("login: ", timeout=30)
            if self.apps > 1:
                bed.nodes[-1].run(["ping"], image="tools")
            bed.dut.power_down(timeout=30)


LIVES = [Life(0, 0), Life(1, 0), Life(1, 1), Life(2, 1), Life(2, 2)]


class Plan(Protocol):
    def __call__(self, faults: Faults, number: int) -> None: ...


def _fail(faults: Faults, number: int, *, after_effect: bool, lasting: bool = False) -> None:
    faults.fail(number, after_effect=after_effect, lasting=lasting)


def _press(faults: Faults, number: int, *, after_effect: bool) -> None:
    faults.interrupt(number, after_effect=after_effect)


def _cut(faults: Faults, number: int, *, after_effect: bool) -> None:
    # Comes also where signals are deferred: as if nothing could hold it back.
    faults.fail(number, after_effect=after_effect, error=KeyboardInterrupt)


ERRORS: dict[str, Plan] = {
    "refused": partial(_fail, after_effect=False),
    "reply lost": partial(_fail, after_effect=True),
    "port gone": partial(_fail, after_effect=False, lasting=True),
}
INTERRUPTS: dict[str, Plan] = {
    "Ctrl-C before": partial(_press, after_effect=False),
    "Ctrl-C after": partial(_press, after_effect=True),
    "cut short before": partial(_cut, after_effect=False),
    "cut short after": partial(_cut, after_effect=True),
}
PLANS = {**ERRORS, **INTERRUPTS}

# What may stay in the world when a release of this name fails.
LEAVES = {
    "run directory": ("run directory",),
    "tap interfaces": ("tap ",),
    "QEMU": ("machine", "tap "),
    "console": ("console",),
    "monitor": ("monitor",),
    "nodes": ("node ", "tap "),
    "guard": ("guard",),
}

RELEASES_NEWEST_FIRST = [
    "apps.remove",
    "skeleton.remove_nodes",
    "monitor.close",
    "console.close",
    "machine.kill",
    "skeleton.remove_taps",
    "guard.hand_over",
    "guard.dismiss",
    "run_directory.release",
]


@frozen
class Case:
    """What came of one life with a fault at one call."""

    call: str | None
    """The call that was struck first; None if none was."""
    raised: type[BaseException] | None
    unnamed: tuple[str, ...]
    """What is still alive, though no error names it as left behind."""
    hidden: tuple[str, ...]
    """The injected errors that the raised one does not tell."""
    releases: tuple[str, ...]


def _told(error: BaseException | None) -> Iterator[str]:
    while error is not None:
        yield _line(error)
        yield from getattr(error, "__notes__", [])
        error = error.__cause__ or error.__context__


def _line(error: BaseException) -> str:
    return f"{type(error).__name__}: {error}"


def _is_named(thing: str, told: str) -> bool:
    names = [name for name, things in LEAVES.items() if thing.startswith(things)]
    return any(f"possibly left behind: {name}" in told for name in (*names, thing))


def _run(life: Life, *plans: Callable[[Faults], None]) -> Case:
    world, raised = life.world(), None
    for plan in plans:
        plan(world.faults)
    try:
        life.live(world)
    except BaseException as error:  # noqa: BLE001  looked at by the tests
        raised = error
    told = "\n".join(_told(raised))
    strikes = world.faults.struck
    injected = [strike.error for strike in strikes]
    return Case(
        call=strikes[0].call if strikes else None,
        raised=type(raised) if raised else None,
        unnamed=tuple(each for each in world.alive if not _is_named(each, told)),
        hidden=tuple(_line(each) for each in injected if _line(each) not in told),
        releases=tuple(call for call in world.calls if call in RELEASES_NEWEST_FIRST),
    )


@cache
def calls(life: Life) -> tuple[str, ...]:
    world = life.world()
    life.live(world)
    assert not world.alive
    return world.calls


@cache
def cases(life: Life, plan: str) -> list[Case]:
    """A case for each call; without those whose call declares no error to inject."""
    numbers: Sequence[int] = range(len(calls(life)))
    if plan.startswith("cut short"):
        # Where signals are deferred, an interrupt can't come out of a log line.
        numbers = [n for n in numbers if calls(life)[n] != "run_directory.write_debug"]
    every = [_run(life, partial(PLANS[plan], number=number)) for number in numbers]
    return [case for case in every if case.call]


every_life = pytest.mark.parametrize("life", LIVES, ids=str)
every_plan = pytest.mark.parametrize("plan", PLANS)


@every_life
@every_plan
def test_nothing_stays_alive_that_no_error_names(life: Life, plan: str) -> None:
    assert [case for case in cases(life, plan) if case.unnamed] == []


@every_life
@every_plan
def test_the_injected_fault_is_the_headline_or_hangs_on_it(life: Life, plan: str) -> None:
    assert [case for case in cases(life, plan) if case.raised is None or case.hidden] == []


@every_life
@every_plan
def test_releases_are_tried_newest_first_whatever_happens(life: Life, plan: str) -> None:
    for case in cases(life, plan):
        places = [RELEASES_NEWEST_FIRST.index(release) for release in case.releases]
        assert places == sorted(places), case


@every_life
@pytest.mark.parametrize("plan", INTERRUPTS)
def test_an_interrupt_is_what_is_raised(life: Life, plan: str) -> None:
    assert {case.raised for case in cases(life, plan)} == {KeyboardInterrupt}


@every_life
@pytest.mark.parametrize("plan", ERRORS)
def test_nothing_but_errors_of_alpy_is_raised(life: Life, plan: str) -> None:
    raised = {case.raised for case in cases(life, plan)}
    assert all(kind is not None and issubclass(kind, AlpyError) for kind in raised)


def test_these_are_many_cases_and_all_ports_have_theirs() -> None:
    every = [case for life in LIVES for plan in PLANS for case in cases(life, plan)]
    assert len(every) > 2000
    ports = {str(case.call).partition(".")[0] for case in every}
    others = {"apps", "clock", "console", "guard", "machine", "monitor", "run_directory"}
    assert ports == others | {"skeleton"}


SET_UP = [
    "machine.check",
    "skeleton.check",
    "run_directory.take",
    "guard.stand_by",
    "guard.clear_dead_runs",
    "skeleton.create_taps",
    "machine.launch",
    "machine.connect_monitor",
    "skeleton.create_nodes",
    "skeleton.connect",
]


@pytest.mark.parametrize("links", [0, 1, 2])
@pytest.mark.parametrize("call", SET_UP)
def test_a_failing_step_of_the_set_up_leaves_nothing_of_those_before_it(
    links: int, call: str
) -> None:
    world = Life(links, 0).world()
    world.faults.fail(call)
    with pytest.raises(AlpyError) as raised:
        Life(links, 0).live(world)
    assert raised.value is world.faults.struck[0].error
    assert world.alive == ()
    assert "console.expect" not in world.calls


@settings(max_examples=150, deadline=None)
@given(st.data())
def test_two_faults_are_both_told_and_leave_nothing_unnamed(data: st.DataObject) -> None:
    life = Life(1, 1)
    number = st.integers(0, len(calls(life)) - 1)
    first, second = data.draw(number), data.draw(number)
    plans = st.sampled_from([ERRORS["refused"], ERRORS["port gone"]])

    plans = st.sampled_from([ERRORS["refused"], ERRORS["port gone"]])
    case = _run(
        life, partial(data.draw(plans), number=first), partial(data.draw(plans), number=second)
    )
    assert (case.unnamed, case.hidden) == ((), ())


def test_ctrl_c_right_after_a_failure_does_not_skip_the_teardown() -> None:
    life = Life(1, 1)
    failing = calls(life).index("skeleton.create_nodes")
    for later in range(1, 6):
        press = partial(INTERRUPTS["Ctrl-C before"], number=failing + later)
        case = _run(life, partial(ERRORS["refused"], number=failing), press)
        assert case.unnamed == (), later
