# SPDX-License-Identifier: GPL-3.0-or-later
r"""A testbed in memory, to unit-test your own test code with.

world = fakes.World(script=fakes.Script().prints("login: ", after=2).reads("root\n"))
world.apps.plan(["ping"], stdout="3 packets received\n")
world.faults.fail("skeleton.create_nodes")
with fakes.testbed(appliance, links=2, world=world) as bed:
    ...
assert not world.alive
"""

from alpy.fakes.apps import FakeApp, FakeApps
from alpy.fakes.audit import FakeAudit
from alpy.fakes.clock import FakeClock
from alpy.fakes.console import FakeConsole
from alpy.fakes.faults import Faults, Strike
from alpy.fakes.guard import FakeGuard
from alpy.fakes.guest import FakeGuest
from alpy.fakes.ledger import Change, Entry, Ledger
from alpy.fakes.machine import FakeMachine
from alpy.fakes.monitor import FakeMonitor
from alpy.fakes.run_directory import FakeRunDirectory
from alpy.fakes.saved_states import FakeSavedStates, FakeShelf
from alpy.fakes.script import Script
from alpy.fakes.shell import ShellAnswers
from alpy.fakes.signals import FakeSignals
from alpy.fakes.skeleton import FakeSkeleton, FakeTap
from alpy.fakes.slots import FakeHost, FakeSlots
from alpy.fakes.testbed import testbed
from alpy.fakes.world import World

__all__ = [
    "Change",
    "Entry",
    "FakeApp",
    "FakeApps",
    "FakeAudit",
    "FakeClock",
    "FakeConsole",
    "FakeGuard",
    "FakeGuest",
    "FakeHost",
    "FakeMachine",
    "FakeMonitor",
    "FakeRunDirectory",
    "FakeSavedStates",
    "FakeShelf",
    "FakeSignals",
    "FakeSkeleton",
    "FakeSlots",
    "FakeTap",
    "Faults",
    "Ledger",
    "Script",
    "ShellAnswers",
    "Strike",
    "World",
    "testbed",
]
