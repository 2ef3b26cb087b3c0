# SPDX-License-Identifier: GPL-3.0-or-later
"""The composition of a testbed from fakes, as `alpy.testbed` composes one from real things."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from alpy.core.appliance import Appliance
from alpy.core.link import Link
from alpy.core.preparation import Preparation, starting_point
from alpy.core.testbed import Testbed
from alpy.core.topology import Topology
from alpy.core.waiting import Limits
from alpy.fakes.world import World


def testbed(  # no test, though its name begins so:
    appliance: Appliance,
    links: int | Sequence[Link] = 2,  # noqa: PT028
    *,
    world: World | None = None,  # noqa: PT028
    prepared: Preparation | None = None,  # noqa: PT028
    limits: Limits | None = None,  # noqa: PT028
    time_scale: float = 1.0,  # noqa: PT028
    **_options: Any,
) -> Testbed:
    """A testbed in memory: no Docker, no QEMU, no root, no time.

    *world* holds what the appliance and the apps do and which calls fail, and can be looked at
    afterwards; without one nothing is planned, and the console stays silent. *prepared*: as in
    `alpy.testbed`; its state is made in a world of its own, with the same script. The other options
    of `alpy.testbed` are taken, and mean nothing here.

    Raises:
        InvalidValueError: the values can't work together.
    """
    world = world or World()
    world.clock.scale = time_scale
    topology = Topology.of(appliance, links if isinstance(links, int) else tuple(links))
    limits = limits or Limits()

    def workshop() -> Testbed:
        return Testbed(topology=topology, ports=world.workshop().ports, limits=limits, savable=True)

    return Testbed(
        topology=topology,
        ports=world.ports,
        limits=limits,
        start=starting_point(prepared, world.ports, workshop),
    )
