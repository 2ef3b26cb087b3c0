# SPDX-License-Identifier: GPL-3.0-or-later
"""Boot once, test many: prepared testbeds on fakes."""

from __future__ import annotations

from functools import partial
from pathlib import Path

import pytest

import alpy
from alpy import fakes
from alpy.core.errors import (
    HostError,
    InvalidValueError,
    LifecycleError,
    MachineDiedError,
    MachineRefusedError,
    MachineStoppedError,
    MonitorTimeoutError,
    SavedStateError,
    ShellError,
)
from alpy.core.exit_status import ExitStatus
from alpy.core.lifecycle import VmState
from alpy.fakes import FakeShelf, Script, ShellAnswers, World

RABBIT = alpy.Appliance(name="rabbit", kernel=alpy.Kernel(image="vmlinuz"))
SCRIPT = (
    Script()
    .prints("login: ", after=20)
    .reads("root\n")
    .prints("# ")
    .answers(ShellAnswers({"true": (0, "")}))
)
PROBLEM = SavedStateError(state="it", reason="it is torn")
IN_A_HURRY = SavedStateError(state="it", reason="no answer within 10 s", lasting=False)
FULL = HostError(asked="disk overlay", found="No space left on device", remedy="Make room")
KILLED = ExitStatus(signal=9)


class Counted:
    """A preparation that counts how often it was carried out."""

    def __init__(self, key: str = "logged in") -> None:
        self.times = 0
        self.preparation = alpy.Preparation(key=key, prepare=self._prepare)

    def _prepare(self, bed: alpy.Testbed) -> None:
        bed.dut.start()
        bed.console.expect("login: ", timeout=60)
        bed.console.send("root\n")
        bed.console.expect("# ", timeout=10)
        self.times += 1


@pytest.fixture
def logged_in() -> Counted:
    return Counted()


def world(shelf: FakeShelf | None = None) -> World:
    return World(script=SCRIPT, shelf=shelf or FakeShelf())


def use(bed: alpy.Testbed) -> None:
    """Demand the prepared state, and do what a test does in it."""
    assert bed.dut.state is VmState.PAUSED
    bed.dut.start()
    assert alpy.attach(bed.console).run("true").output == ""


def test_a_state_is_made_once_and_then_every_test_starts_from_it(logged_in: Counted) -> None:
    shelf = FakeShelf()
    for _ in range(3):
        here = world(shelf)
        with fakes.testbed(RABBIT, world=here, prepared=logged_in.preparation) as bed:
            use(bed)
        assert here.alive == ()
        assert here.clock.now() < 1
    assert logged_in.times == 1


def test_the_first_test_starts_from_the_saved_state_like_all_others(logged_in: Counted) -> None:
    here = world()
    with fakes.testbed(RABBIT, world=here, prepared=logged_in.preparation) as bed:
        assert here.guest.printed == b""
        use(bed)
    (workshop,) = here.workshops
    assert b"login: " in workshop.guest.printed
    assert workshop.alive == ()
    assert workshop.run_directory.path == here.run_directory.path / "preparation"


def test_another_key_another_topology_or_another_appliance_is_another_state() -> None:
    shelf = FakeShelf()
    one, other = Counted("one"), Counted("other")
    for counted, links in ((one, 1), (other, 1), (one, 2), (one, 1)):
        prepared = counted.preparation
        with fakes.testbed(RABBIT, links, world=world(shelf), prepared=prepared) as bed:
            use(bed)
    assert (one.times, other.times) == (2, 1)


def test_a_saved_state_of_no_use_is_thrown_away_and_the_appliance_boots(
    logged_in: Counted, caplog: pytest.LogCaptureFixture
) -> None:
    shelf = FakeShelf()
    with fakes.testbed(RABBIT, world=world(shelf), prepared=logged_in.preparation) as bed:
        use(bed)
    shelf.machines.clear()
    here = world(shelf)
    with fakes.testbed(RABBIT, world=here, prepared=logged_in.preparation) as bed:
        use(bed)
    assert logged_in.times == 2
    assert not shelf.kept
    assert here.alive == ()
    (warning,) = [record for record in caplog.records if record.levelname == "WARNING"]
    assert "Boot and prepare instead" in warning.message


@pytest.mark.parametrize("call", ["machine.launch", "machine.connect_monitor"])
def test_a_restore_that_fails_late_is_a_boot_too(logged_in: Counted, call: str) -> None:
    here = world()
    here.faults.fail(call, error=PROBLEM, after_effect=True)
    with fakes.testbed(RABBIT, world=here, prepared=logged_in.preparation) as bed:
        use(bed)
    assert logged_in.times == 2
    assert here.alive == ()


@pytest.mark.parametrize(
    ("call", "error"),
    [
        ("machine.identity", InvalidValueError("it has a disk that can't be saved")),
        ("saved_states.find", HostError(asked="cache", found="full", remedy="x")),
        ("saved_states.find", alpy.errors.DeadlineError(awaited="its end", seconds=600)),
        ("saved_states.begin", HostError(asked="cache", found="full", remedy="x")),
        ("saved_states.keep", HostError(asked="cache", found="full", remedy="x")),
    ],
)
def test_trouble_with_the_cache_costs_a_warning_and_a_boot(
    logged_in: Counted, call: str, error: Exception, caplog: pytest.LogCaptureFixture
) -> None:
    here = world()
    here.faults.fail(call, error=error)
    with fakes.testbed(RABBIT, world=here, prepared=logged_in.preparation) as bed:
        use(bed)
    assert here.alive == ()
    assert [record.levelname for record in caplog.records].count("WARNING") == 1


def made_shelf(prepared: alpy.Preparation) -> FakeShelf:
    """One with the state."""
    shelf = FakeShelf()
    with fakes.testbed(RABBIT, world=world(shelf), prepared=prepared) as bed:
        use(bed)
    assert shelf.kept
    return shelf


def warnings(caplog: pytest.LogCaptureFixture) -> int:
    return [record.levelname for record in caplog.records].count("WARNING")


@pytest.mark.parametrize(
    ("call", "error", "stays"),
    [
        ("machine.launch", FULL, False),
        ("machine.connect_monitor", PROBLEM, False),
        (
            "machine.connect_monitor",
            MachineRefusedError(status=ExitStatus(code=1), stderr="no backing file"),
            False,
        ),
        (
            "machine.connect_monitor",
            MachineRefusedError(status=ExitStatus(signal=11), stderr=""),
            False,
        ),
        ("machine.connect_monitor", MonitorTimeoutError(command="greeting", seconds=10), True),
        ("machine.connect_monitor", IN_A_HURRY, True),
    ],
)
def test_where_a_restore_fails_the_machine_boots_and_a_state_that_is_to_blame_goes(
    logged_in: Counted, call: str, error: Exception, stays: bool, caplog: pytest.LogCaptureFixture
) -> None:
    here = world(made_shelf(logged_in.preparation))
    here.faults.fail(call, error=error, after_effect=True)
    with fakes.testbed(RABBIT, world=here, prepared=logged_in.preparation) as bed:
        use(bed)
    assert bool(here.shelf.kept) == stays
    assert not here.shelf.ruled_out
    assert (logged_in.times, here.alive, warnings(caplog)) == (2, (), 1)


@pytest.mark.parametrize(
    "error",
    [
        MachineRefusedError(status=KILLED, stderr=""),
        MachineRefusedError(status=ExitStatus(code=0), stderr="terminating on signal 15"),
        MachineDiedError(status=KILLED, stderr=""),
        MachineStoppedError(process=1),
    ],
)
def test_what_somebody_did_to_a_restored_qemu_is_told_and_costs_no_state(
    logged_in: Counted, error: Exception
) -> None:
    here = world(made_shelf(logged_in.preparation))
    here.faults.fail("machine.connect_monitor", error=error, after_effect=True)
    with (
        pytest.raises(type(error)),
        fakes.testbed(RABBIT, world=here, prepared=logged_in.preparation),
    ):
        raise AssertionError("the test must not begin")
    assert here.shelf.kept
    assert here.alive == ()


@pytest.mark.parametrize("call", ["machine.launch", "machine.connect_monitor"])
def test_trouble_that_a_boot_has_too_costs_no_state(logged_in: Counted, call: str) -> None:
    here = world(made_shelf(logged_in.preparation))
    here.faults.fail(call, error=FULL, lasting=True)
    with (
        pytest.raises(HostError, match="No space"),
        fakes.testbed(RABBIT, world=here, prepared=logged_in.preparation),
    ):
        raise AssertionError("the test must not begin")
    assert here.shelf.kept


def test_a_machine_that_cannot_be_saved_is_known_and_then_boots_once_for_each_test(
    logged_in: Counted, caplog: pytest.LogCaptureFixture
) -> None:
    here = world()
    here.on_workshop = lambda workshop: workshop.faults.fail("machine.save", error=PROBLEM)
    for times in (2, 3):
        caplog.clear()
        next_one = here if times == 2 else world(here.shelf)
        with fakes.testbed(RABBIT, world=next_one, prepared=logged_in.preparation) as bed:
            use(bed)
        assert (logged_in.times, warnings(caplog)) == (times, 1)
        assert "it is torn" in caplog.text


def test_a_state_that_could_not_be_saved_in_time_is_tried_again(logged_in: Counted) -> None:
    here = world()
    here.on_workshop = lambda workshop: workshop.faults.fail("machine.save", error=IN_A_HURRY)
    with fakes.testbed(RABBIT, world=here, prepared=logged_in.preparation) as bed:
        use(bed)
    assert not here.shelf.ruled_out
    made_shelf(logged_in.preparation)


def test_a_state_of_no_use_to_its_own_maker_is_not_made_again(logged_in: Counted) -> None:
    here = world()
    here.faults.fail("machine.connect_monitor", error=PROBLEM)
    for times, each in ((2, here), (3, world(here.shelf))):
        with fakes.testbed(RABBIT, world=each, prepared=logged_in.preparation) as bed:
            use(bed)
        assert logged_in.times == times
    assert not here.shelf.kept


def test_a_qemu_that_refuses_the_workshop_costs_a_warning(
    logged_in: Counted, caplog: pytest.LogCaptureFixture
) -> None:
    here = world()
    here.on_workshop = lambda workshop: workshop.machine.refuse(stderr="no such backend")
    with fakes.testbed(RABBIT, world=here, prepared=logged_in.preparation) as bed:
        use(bed)
    assert (logged_in.times, warnings(caplog), here.alive) == (1, 1, ())
    assert "no such backend" in caplog.text


@pytest.mark.parametrize("also", ["killed", "left behind"])
def test_what_is_worse_than_a_refusal_of_the_workshop_is_raised(
    logged_in: Counted, also: str
) -> None:
    def trouble(workshop: World) -> None:
        workshop.machine.refuse(stderr="", status=KILLED if also == "killed" else None)
        if also == "left behind":
            workshop.faults.fail("skeleton.remove_taps")

    here = world()
    here.on_workshop = trouble
    with (
        pytest.raises(MachineRefusedError),
        fakes.testbed(RABBIT, world=here, prepared=logged_in.preparation),
    ):
        raise AssertionError("the test must not begin")


def test_a_refusal_that_the_preparation_raises_is_not_about_the_workshop() -> None:
    beds: list[alpy.Testbed] = []

    def prepare(bed: alpy.Testbed) -> None:
        beds.append(bed)
        raise MachineRefusedError(status=ExitStatus(code=1), stderr="that of another testbed")

    prepared = alpy.Preparation(key="two of them", prepare=prepare)
    with (
        pytest.raises(MachineRefusedError, match="another testbed"),
        fakes.testbed(RABBIT, world=world(), prepared=prepared),
    ):
        raise AssertionError("the test must not begin")
    assert len(beds) == 1


def test_another_function_with_the_same_key_is_another_preparation() -> None:
    def one(bed: alpy.Testbed) -> None:
        bed.dut.start()

    def other(bed: alpy.Testbed) -> None:
        bed.dut.start()

    functions = (one, other, partial(one), partial(other))
    identities = [alpy.Preparation(key="k", prepare=each).identity for each in functions]
    assert identities[0] != identities[1]
    assert identities[2] == identities[3]


@pytest.mark.parametrize("call", ["saved_states.begin", "machine.save", "saved_states.keep"])
def test_others_need_not_wait_for_who_could_not_make_a_state(logged_in: Counted, call: str) -> None:
    full = HostError(asked="cache", found="full", remedy="x")
    here = world()
    here.faults.fail(call, error=full)
    here.on_workshop = lambda workshop: workshop.faults.fail(call, error=full)
    with fakes.testbed(RABBIT, world=here, prepared=logged_in.preparation) as bed:
        assert not here.shelf.makers
        use(bed)
        other = world(here.shelf)
        with fakes.testbed(RABBIT, world=other, prepared=logged_in.preparation) as another:
            use(another)
        assert other.clock.now() < 1


def test_what_the_workshop_leaves_behind_fails_the_test_though_nothing_could_be_saved(
    logged_in: Counted,
) -> None:
    def trouble(workshop: World) -> None:
        workshop.faults.fail("machine.save", error=PROBLEM)
        workshop.faults.fail("skeleton.remove_nodes")

    here = world()
    here.on_workshop = trouble
    with (
        pytest.raises(HostError, match="as planned"),
        fakes.testbed(RABBIT, world=here, prepared=logged_in.preparation),
    ):
        raise AssertionError("the test must not begin")


def test_an_interrupt_in_the_teardown_of_a_workshop_waits_for_its_end(logged_in: Counted) -> None:
    here = world()
    here.on_workshop = lambda workshop: workshop.faults.meanwhile(
        "skeleton.remove_nodes", here.signals.interrupt
    )
    with (
        pytest.raises(KeyboardInterrupt),
        fakes.testbed(RABBIT, world=here, prepared=logged_in.preparation),
    ):
        raise AssertionError("the test must not begin")
    assert (here.alive, here.workshops[0].alive) == ((), ())


def test_a_preparation_that_fails_fails_the_test_and_leaves_nothing() -> None:
    def prepare(bed: alpy.Testbed) -> None:
        bed.dut.start()
        raise ShellError(command="license --install", exit_code=1, output="expired")

    here = world()
    prepared = alpy.Preparation(key="licensed", prepare=prepare)
    with pytest.raises(ShellError), fakes.testbed(RABBIT, world=here, prepared=prepared):
        raise AssertionError("the test must not begin")
    assert (here.alive, here.workshops[0].alive) == ((), ())
    assert not here.shelf.kept
    assert not here.shelf.makers


def test_a_preparation_that_starts_nothing_is_refused() -> None:
    prepared = alpy.Preparation(key="idle", prepare=lambda _bed: None)
    with pytest.raises(LifecycleError, match="pause"), fakes.testbed(RABBIT, prepared=prepared):
        raise AssertionError("the test must not begin")


def test_a_preparation_may_leave_the_vm_paused(logged_in: Counted) -> None:
    def prepare(bed: alpy.Testbed) -> None:
        logged_in.preparation.prepare(bed)
        bed.dut.pause()

    prepared = alpy.Preparation(key="paused", prepare=prepare)
    with fakes.testbed(RABBIT, world=world(), prepared=prepared) as bed:
        use(bed)


def test_a_preparation_without_a_key_is_refused() -> None:
    with pytest.raises(InvalidValueError, match="key"):
        alpy.Preparation(key=" ", prepare=lambda _bed: None)


def test_an_unprepared_testbed_cannot_be_saved() -> None:
    with fakes.testbed(RABBIT) as bed:
        bed.dut.start()
        with pytest.raises(SavedStateError):
            bed.save(Path("/somewhere"))
