# SPDX-License-Identifier: GPL-3.0-or-later
"""The world of a testbed in memory: one fake for each port, and one book for all of them."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path, PurePath

from attrs import define, field

from alpy.core.ports import Ports
from alpy.fakes.apps import FakeApps
from alpy.fakes.audit import FakeAudit
from alpy.fakes.clock import FakeClock
from alpy.fakes.console import FakeConsole
from alpy.fakes.faults import Faults
from alpy.fakes.guard import FakeGuard
from alpy.fakes.guest import FakeGuest
from alpy.fakes.ledger import Entry, Ledger
from alpy.fakes.machine import FakeMachine
from alpy.fakes.monitor import FakeMonitor
from alpy.fakes.run_directory import FakeRunDirectory
from alpy.fakes.saved_states import FakeSavedStates, FakeShelf
from alpy.fakes.script import Script
from alpy.fakes.signals import FakeSignals
from alpy.fakes.skeleton import FakeSkeleton
from alpy.fakes.slots import FakeSlots

RUN_DIRECTORY = Path("/fake/run")


@define(eq=False)
class World:
    """All that a testbed can touch. It serves one testbed, and stays to be looked at after it."""

    _script: Script = field(factory=Script, kw_only=True)
    _run_dir: Path = field(default=RUN_DIRECTORY, converter=Path, kw_only=True)
    shelf: FakeShelf = field(factory=FakeShelf, kw_only=True)
    """The saved states of this host, which several worlds can share."""
    _ledger: Ledger = field(factory=Ledger, init=False)
    run_directory: FakeRunDirectory = field(init=False)
    slots: FakeSlots = field(init=False)
    guard: FakeGuard = field(init=False)
    audit: FakeAudit = field(init=False)
    skeleton: FakeSkeleton = field(init=False)
    apps: FakeApps = field(init=False)
    machine: FakeMachine = field(init=False)
    saved_states: FakeSavedStates = field(init=False)
    outer: World | None = field(default=None, kw_only=True)
    """The world for whose testbed a state is made in this one."""
    workshops: list[World] = field(factory=list, init=False)
    """The worlds of the testbeds in which states were made for this one."""
    on_workshop: Callable[[World], None] = field(default=lambda _world: None, init=False)
    """Called with each such world before it is used, to plan faults in it, say."""

    def __attrs_post_init__(self) -> None:
        if self.outer:
            self._ledger.signals = self.outer.signals.in_same_process()
        self.run_directory = FakeRunDirectory(self._ledger, path=self._run_dir)
        self.slots = FakeSlots(self._ledger)
        self.guard = FakeGuard(self._ledger)
        self.audit = FakeAudit(self._ledger, self.guard)
        self.skeleton = FakeSkeleton(self._ledger)
        self.apps = FakeApps(self._ledger)
        self.machine = FakeMachine(self._ledger, self._script, self.shelf)
        self.saved_states = FakeSavedStates(self._ledger, self.shelf)

    @property
    def ports(self) -> Ports:
        """The fakes as a testbed takes them."""
        return Ports(
            clock=self.clock,
            signals=self.signals,
            run_directory=self.run_directory,
            slots=self.slots,
            guard=self.guard,
            audit=self.audit,
            skeleton=self.skeleton,
            apps=self.apps,
            machine=self.machine,
            saved_states=self.saved_states,
        )

    def process_dies(self) -> None:
        """The process of the test is killed; what the kernel and the daemon tie to it goes.

        What came by the last call is taken for unfinished, and stays where it can: as a container
        that was created and never started. Then it is the turn of `guard.process_dies`. The worlds
        of one process die together.
        """
        for world in self.of_process:
            world.loses_process(within_call=world is self)

    @property
    def of_process(self) -> tuple[World, ...]:
        """All worlds of the process: that of the test, and its workshops."""
        first = self.outer or self
        return first, *first.workshops

    def loses_process(self, *, within_call: bool) -> None:
        """The part of `process_dies` that happens in this world."""
        unfinished = self._ledger.unfinished if within_call else frozenset()
        self.machine.process_dies()
        self.skeleton.process_dies(unfinished)
        self.apps.process_dies()
        self.slots.process_dies()
        self.saved_states.process_dies()
        for held in ("console", "monitor", "run directory"):
            self._ledger.went(held)

    def workshop(self) -> World:
        """Another world with the same appliance and the same saved states."""
        world = World(
            script=self._script,
            run_dir=self._run_dir / "preparation",
            shelf=self.shelf,
            outer=self,
        )
        self.workshops.append(world)
        self.on_workshop(world)
        return world

    @property
    def clock(self) -> FakeClock:
        return self._ledger.clock

    @property
    def signals(self) -> FakeSignals:
        return self._ledger.signals

    @property
    def faults(self) -> Faults:
        """The fault plan; any call can be made to fail."""
        return self._ledger.faults

    @property
    def guest(self) -> FakeGuest:
        """The inside of the appliance."""
        return self.machine.guest

    @property
    def console(self) -> FakeConsole:
        return self.machine.console

    @property
    def monitor(self) -> FakeMonitor:
        return self.machine.monitor

    @property
    def missing_files(self) -> set[PurePath]:
        """Add a path: that file of the appliance, or to copy into an app, is not on this host."""
        return self._ledger.missing_files

    @property
    def missing_images(self) -> set[str]:
        """Add a name: that container image is not on this host."""
        return self._ledger.missing_images

    @property
    def alive(self) -> tuple[str, ...]:
        """What is there now, oldest first: "tap 0", "node 1", "machine", "app node0-1-ping"..."""
        return self._ledger.alive

    @property
    def gone(self) -> tuple[str, ...]:
        """What came and went, in the order in which it went."""
        return self._ledger.gone

    @property
    def history(self) -> tuple[Entry, ...]:
        """Everything that came or went, and when."""
        return tuple(self._ledger.history)

    @property
    def calls(self) -> tuple[str, ...]:
        """The name of every call of a port so far, in order."""
        return tuple(self._ledger.calls)

    @property
    def files(self) -> dict[PurePath, bytes]:
        """What would be on the disk, by path."""
        return dict(self._ledger.files)
