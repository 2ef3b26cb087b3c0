# SPDX-License-Identifier: GPL-3.0-or-later
"""The topology: one appliance and its links."""

from __future__ import annotations

from collections import Counter

from attrs import frozen

from alpy.core.appliance import Appliance
from alpy.core.errors import InvalidValueError
from alpy.core.link import Link


@frozen(kw_only=True)
class Topology:
    """An appliance with a node at the other end of each of its links."""

    appliance: Appliance
    links: tuple[Link, ...] = ()

    def __attrs_post_init__(self) -> None:
        numbers = [link.number for link in self.links]
        if numbers != list(range(len(numbers))):
            raise InvalidValueError(f"links are numbered from 0 in order, not {numbers}")
        macs = Counter(mac for link in self.links for mac in (link.appliance_mac, link.node_mac))
        if twice := [mac for mac, times in macs.items() if times > 1]:
            raise InvalidValueError(f"MAC address given twice: {', '.join(sorted(twice))}")

    @classmethod
    def of(cls, appliance: Appliance, links: int | tuple[Link, ...]) -> Topology:
        """The appliance with so many default links, or with the links given."""
        if isinstance(links, int):
            if links < 0:
                raise InvalidValueError(f"{links} links: 0 or more are wanted")
            links = tuple(Link(number=number) for number in range(links))
        return cls(appliance=appliance, links=links)
