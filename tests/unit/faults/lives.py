# SPDX-License-Identifier: GPL-3.0-or-later
"""The lives of a testbed that faults are tried on: each topology, with all that a test does."""

from __future__ import annotations

from enum import Flag
from itertools import product

from attrs import evolve, frozen

from alpy import fakes
from alpy.core.appliance import Appliance, Firmware, Kernel
from alpy.core.testbed import Testbed
from alpy.fakes import Script, World

LOGIN_SCRIPT = Script().prints("login: ", after=1)
RABBIT = Appliance(name="rabbit", kernel=Kernel(image="vmlinuz"))

# Seconds that a life may wait for what never comes: a port, the console, the shutdown.
PORT, LOGIN, SHUTDOWN = 10.0, 30.0, 30.0


class Apps(Flag):
    """The apps on each node."""

    NONE = 0
    RUN_ON = 1
    RUN_TO_END = 2
    BOTH = 3


APPS = (Apps.NONE, Apps.RUN_ON, Apps.RUN_TO_END, Apps.BOTH)


@frozen
class Life:
    """So many links, the apps on each node, and how the appliance is left."""

    links: int
    apps: Apps
    power_down: bool
    firmware: Firmware = Firmware.BIOS

    def __str__(self) -> str:
        end = "power down" if self.power_down else "quit"
        return f"{self.links} links, apps {self.apps.name}, {self.firmware.name}, {end}"

    def world(self, script: Script = LOGIN_SCRIPT) -> World:
        world = World(script=script)
        world.apps.plan(["iperf3"], seconds=None, listens_on=[5201])
        world.guest.power_down_after = 0.01
        return world

    def testbed(self, world: World) -> Testbed:
        return fakes.testbed(evolve(RABBIT, firmware=self.firmware), self.links, world=world)

    def live(self, bed: Testbed) -> None:
        with bed:
            for node in bed.nodes:
                node.configure("192.0.2.1/24")
                if Apps.RUN_ON in self.apps:
                    server = node.start(["iperf3", "-s"], image="tools")
                    server.wait_for_port(5201, timeout=PORT)
            bed.dut.start()
            bed.console.expect("login: ", timeout=LOGIN)
            for node in bed.nodes:
                if Apps.RUN_TO_END in self.apps:
                    node.run(["ping"], image="tools")
            if self.power_down:
                bed.dut.power_down(timeout=SHUTDOWN)
            else:
                bed.dut.pause()


def _lives() -> list[Life]:
    # Without a link there is no node, and so no app. How it ends does not depend on the topology.
    # Which one of the apps it is that is alone need not be tried with every number of links.
    topologies = [(0, Apps.NONE), *product((1,), APPS)]
    topologies += [(2, apps) for apps in APPS if apps is not Apps.RUN_TO_END]
    topologies += [(3, apps) for apps in APPS if apps is not Apps.RUN_ON]
    other_end = [Life(0, Apps.NONE, power_down=False), Life(1, Apps.BOTH, power_down=False)]
    return other_end + [
        Life(links, apps, power_down=links != 3, firmware=firmware)
        for links, apps in topologies
        for firmware in Firmware
    ]


LIVES = _lives()
SMALLEST = Life(1, Apps.RUN_ON, power_down=True)
