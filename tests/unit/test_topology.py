# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import pytest

from alpy.core.appliance import Appliance, Kernel
from alpy.core.errors import InvalidValueError
from alpy.core.link import Link
from alpy.core.topology import Topology

RABBIT = Appliance(name="rabbit", kernel=Kernel(image="vmlinuz"))


@pytest.mark.parametrize("count", [0, 1, 64])
def test_so_many_links_can_be_had(count: int) -> None:
    links = Topology.of(RABBIT, count).links
    assert [link.number for link in links] == list(range(count))


def test_links_may_be_given_one_by_one() -> None:
    links = (Link(number=0, mtu=9000), Link(number=1))
    assert Topology.of(RABBIT, links).links == links


def test_fewer_than_no_links_are_refused() -> None:
    with pytest.raises(InvalidValueError, match=r"^-1 links: 0 or more are wanted$"):
        Topology.of(RABBIT, -1)


@pytest.mark.parametrize("numbers", [[1], [0, 0], [1, 0], [0, 2]])
def test_links_that_are_not_numbered_in_order_are_refused(numbers: list[int]) -> None:
    links = tuple(Link(number=number) for number in numbers)
    with pytest.raises(InvalidValueError, match=r"numbered from 0 in order, not \["):
        Topology(appliance=RABBIT, links=links)


def test_a_mac_that_two_ends_share_is_refused_and_named() -> None:
    taken = Link(number=0).node_mac
    with pytest.raises(InvalidValueError, match=f"MAC address given twice: {taken}"):
        Topology.of(RABBIT, (Link(number=0), Link(number=1, appliance_mac=taken.upper())))


def test_both_ends_of_one_link_need_macs_of_their_own() -> None:
    mac = "02:00:00:00:00:01"
    with pytest.raises(InvalidValueError, match=mac):
        Topology.of(RABBIT, (Link(number=0, appliance_mac=mac, node_mac=mac),))
