# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import pytest
from attrs import define, field

from alpy import fakes
from alpy.core.appliance import Appliance, Kernel
from alpy.core.errors import DockerError, HostError, LeakError
from alpy.core.link import Link
from alpy.core.ports import Leftover
from alpy.fakes import FakeAudit, World
from tests.contracts.audit import AuditContract, AuditRig

RABBIT = Appliance(name="rabbit", kernel=Kernel(image="vmlinuz"))


@define
class FakeAuditRig:
    world: World = field(factory=World)

    def __attrs_post_init__(self) -> None:
        self.world.guard.leave_behind("node 7")

    @property
    def audit(self) -> FakeAudit:
        return self.world.audit

    def leave_on_host(self) -> str:
        self.world.skeleton.create_nodes([Link(number=0)])
        return "node 0"

    def leave_in_process(self) -> str:
        self.world.machine.open_console()
        return "console"

    def clear(self) -> None:
        self.world.skeleton.remove_nodes()
        self.world.console.close()


class TestFakeAudit(AuditContract):
    @pytest.fixture
    def rig(self) -> AuditRig:
        return FakeAuditRig()


def test_a_release_that_did_nothing_fails_the_run_and_the_guard_removes_what_is_left() -> None:
    world = World()
    world.faults.lie("skeleton.remove_nodes")
    with pytest.raises(LeakError) as raised, fakes.testbed(RABBIT, 1, world=world):
        pass
    assert raised.value.leftovers == (
        Leftover("tap 0", "skeleton.create_taps"),
        Leftover("node 0", "skeleton.create_nodes"),
    )
    assert "alpy clean" in str(raised.value)
    assert (world.alive, "guard.dismiss" in world.calls) == ((), False)


def test_what_is_left_in_the_process_fails_the_run_last_of_all() -> None:
    world = World()
    world.faults.lie("guard.dismiss")
    told = r"guard \(made by guard.stand_by\)"
    with pytest.raises(LeakError, match=told), fakes.testbed(RABBIT, 1, world=world):
        pass
    assert world.calls[-1] == "audit.of_process"


def test_the_fault_of_the_test_stays_the_headline() -> None:
    world = World()
    world.faults.lie("skeleton.remove_nodes")
    with pytest.raises(ZeroDivisionError) as raised, fakes.testbed(RABBIT, 1, world=world):
        raise ZeroDivisionError
    (note,) = raised.value.__notes__
    assert "node 0 (made by skeleton.create_nodes)" in note


def test_after_a_release_that_failed_nobody_waits_for_the_daemon_again() -> None:
    world = World()
    world.faults.fail("skeleton.remove_nodes", lasting=True)
    with pytest.raises(DockerError), fakes.testbed(RABBIT, 1, world=world):
        pass
    assert "audit.of_host" not in world.calls
    assert "audit.of_process" in world.calls
    assert world.alive == ()


def test_when_the_host_cannot_be_looked_at_the_guard_does_it() -> None:
    world = World()
    world.faults.fail("audit.of_host")
    with pytest.raises(HostError), fakes.testbed(RABBIT, 1, world=world):
        pass
    assert "guard.hand_over" in world.calls


def test_before_a_guard_stands_by_only_the_process_is_looked_at() -> None:
    world = World()
    world.faults.fail("guard.stand_by")
    with pytest.raises(HostError), fakes.testbed(RABBIT, 1, world=world):
        pass
    assert [call for call in world.calls if call.startswith("audit")] == ["audit.of_process"]
