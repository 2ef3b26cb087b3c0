# SPDX-License-Identifier: GPL-3.0-or-later
"""The lives of a testbed that faults are tried on: each topology, with all that a test does.

And each way in which a test can come to the state that was prepared for it.
"""

from __future__ import annotations

from collections.abc import Callable
from enum import Enum, Flag
from functools import cache
from itertools import product

from attrs import evolve, frozen

from alpy import fakes
from alpy.core.appliance import Appliance, Firmware, Kernel
from alpy.core.preparation import Preparation
from alpy.core.testbed import Testbed
from alpy.core.topology import Topology
from alpy.fakes import FakeSavedStates, FakeShelf, Script, World
from alpy.fakes.ledger import Ledger

LOGIN_SCRIPT = Script().prints("login: ", after=1).reads("root\n").prints("# ")
RABBIT = Appliance(name="rabbit", kernel=Kernel(image="vmlinuz"))

# Seconds that a life may wait for what never comes: a port, the console, the shutdown.
PORT, LOGIN, SHUTDOWN = 10.0, 30.0, 30.0


class Apps(Flag):
    """The apps on each node."""

    NONE = 0
    RUN_ON = 1
    RUN_TO_END = 2
    BOTH = 3


class Start(Enum):
    """Where the machine starts, and what becomes of the saved state."""

    POWER_ON = "from power-on"
    FOUND = "from a state that was found"
    MADE = "from a state that it makes"
    AWAITED = "from a state that another run makes"
    ABANDONED = "from a state that it makes, since another run died of it"
    OF_NO_USE = "from power-on, the state being of no use"


# Seconds for which another run makes a state.
MAKING = 5.0

APPS = (Apps.NONE, Apps.RUN_ON, Apps.RUN_TO_END, Apps.BOTH)


@frozen
class Life:
    """So many links, the apps on each node, and how the appliance is left."""

    links: int
    apps: Apps
    power_down: bool
    firmware: Firmware = Firmware.BIOS
    start: Start = Start.POWER_ON
    in_workshop: bool = False
    """Whether faults strike the testbed in which the state is made, and not the test's own."""

    def __str__(self) -> str:
        end = "power down" if self.power_down else "quit"
        start = "" if self.start is Start.POWER_ON else f", {self.start.value}"
        where = ", in the workshop" if self.in_workshop else ""
        apps = f"apps {self.apps.name}"
        return f"{self.links} links, {apps}, {self.firmware.name}, {end}{start}{where}"

    def world(self, script: Script = LOGIN_SCRIPT, shelf: FakeShelf | None = None) -> World:
        world = World(script=script, shelf=shelf or FakeShelf())
        world.on_workshop = _furnish
        _furnish(world)
        if shelf is None:
            self._stock(world)
        return world

    def _stock(self, world: World) -> None:
        shelf = world.shelf
        if self.start in {Start.FOUND, Start.OF_NO_USE}:
            made = _shelf_of_a_good_life(self.links)
            shelf.kept |= made.kept
            shelf.machines |= made.machines if self.start is Start.FOUND else {}
        if self.start in {Start.AWAITED, Start.ABANDONED}:
            made = _shelf_of_a_good_life(self.links)
            other = FakeSavedStates(Ledger(), shelf)
            other.find(_identity(self.links), timeout=0)

            def end() -> None:
                if self.start is Start.AWAITED:
                    other.keep()
                    shelf.machines.update(made.machines)
                    other.release()
                else:
                    other.process_dies()

            world.clock.after(MAKING, end)

    def plan(self, world: World, kind: Callable[[World, int], None], number: int) -> None:
        """Plan that *kind* of fault for the call with this number."""
        if not self.in_workshop:
            kind(world, number)
            return
        furnish = world.on_workshop

        def furnish_and_plan(workshop: World) -> None:
            furnish(workshop)
            kind(workshop, number)

        world.on_workshop = furnish_and_plan

    def struck(self, world: World) -> World:
        """The one of the worlds of *world*'s process that faults strike."""
        return world.workshops[0] if self.in_workshop else world

    def testbed(self, world: World) -> Testbed:
        prepared = None if self.start is Start.POWER_ON else PREPARATION
        appliance = evolve(RABBIT, firmware=self.firmware)
        return fakes.testbed(appliance, self.links, world=world, prepared=prepared)

    def live(self, bed: Testbed) -> None:
        with bed:
            for node in bed.nodes:
                node.configure("192.0.2.1/24")
                if Apps.RUN_ON in self.apps:
                    server = node.start(["iperf3", "-s"], image="tools")
                    server.wait_for_port(5201, timeout=PORT)
            bed.dut.start()
            if bed.is_prepared:
                bed.console.send("root\n")
                bed.console.expect("# ", timeout=LOGIN)
            else:
                bed.console.expect("login: ", timeout=LOGIN)
            for node in bed.nodes:
                if Apps.RUN_TO_END in self.apps:
                    node.run(["ping"], image="tools")
            if self.power_down:
                bed.dut.power_down(timeout=SHUTDOWN)
            else:
                bed.dut.pause()


def _furnish(world: World) -> None:
    world.apps.plan(["iperf3"], seconds=None, listens_on=[5201])
    world.guest.power_down_after = 0.01


def _prepare(bed: Testbed) -> None:
    bed.dut.start()
    bed.console.expect("login: ", timeout=LOGIN)


PREPARATION = Preparation(key="at its login", prepare=_prepare)


def _identity(links: int) -> dict[str, str]:
    facts = World().machine.identity(Topology.of(RABBIT, links))
    return {**facts, **PREPARATION.identity}


@cache
def _shelf_of_a_good_life(links: int) -> FakeShelf:
    life = Life(links, Apps.NONE, power_down=False, start=Start.MADE)
    world = life.world()
    life.live(life.testbed(world))
    return world.shelf


def _lives() -> list[Life]:
    # Without a link there is no node, and so no app. How it ends does not depend on the topology.
    # Which one of the apps it is that is alone need not be tried with every number of links.
    topologies = [(0, Apps.NONE), *product((1,), APPS), *product((2,), (Apps.NONE, Apps.BOTH))]
    topologies += [(3, apps) for apps in APPS if apps is not Apps.RUN_ON]
    return [
        Life(0, Apps.NONE, power_down=False),
        *(
            Life(links, apps, power_down=links != 3, firmware=firmware)
            for links, apps in topologies
            for firmware in Firmware
            # What differs by the firmware is over before there are apps.
            if firmware is Firmware.BIOS or apps in {Apps.NONE, Apps.BOTH}
        ),
    ]


def _prepared_lives() -> list[Life]:
    life = Life(1, Apps.NONE, power_down=False)
    prepared = [evolve(life, start=start) for start in Start if start is not Start.POWER_ON]
    return [*prepared, evolve(life, start=Start.MADE, in_workshop=True)]


LIVES = _lives()
PREPARED_LIVES = _prepared_lives()
SMALLEST = Life(1, Apps.RUN_ON, power_down=True)
