# SPDX-License-Identifier: GPL-3.0-or-later
"""What every Skeleton promises, with its taps."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

import pytest

from alpy.core.errors import ImageMissingError, NodeDiedError
from alpy.core.interface import InterfaceConfig, Route
from alpy.core.link import Link
from alpy.core.ports import Skeleton, Tap

ADDRESSES = InterfaceConfig(
    addresses=("192.0.2.1/24", "198.51.100.1/24", "2001:db8::1/64"),
    gateways=("192.0.2.254", "2001:db8::ff"),
    routes=(Route("203.0.113.0/24", "198.51.100.2"), Route("2001:db8:1::/48", "2001:db8::2")),
    mtu=1400,
)


class SkeletonRig(Protocol):
    """What differs between a host with Docker and a world in memory."""

    @property
    def skeleton(self) -> Skeleton: ...

    def without_image(self) -> Skeleton:
        """Another skeleton, whose images are not on this host."""
        ...

    def kill_node(self, number: int) -> None:
        """End a node as somebody else would; returns when it is dead."""
        ...

    def leftovers(self) -> Sequence[str]:
        """The names of the taps and containers of the rig's skeleton that exist now."""
        ...


def links(count: int) -> tuple[Link, ...]:
    return tuple(Link(number=number) for number in range(count))


def bring_up(rig: SkeletonRig, count: int) -> Sequence[Tap]:
    wires = links(count)
    taps = rig.skeleton.create_taps(wires)
    rig.skeleton.create_nodes(wires)
    rig.skeleton.connect(wires)
    return taps


class SkeletonContract:
    """A subclass gives the fixture `rig`, which removes all in the end."""

    def test_a_check_changes_nothing(self, rig: SkeletonRig) -> None:
        rig.skeleton.check()
        assert not rig.leftovers()

    def test_a_check_names_an_image_that_is_not_there(self, rig: SkeletonRig) -> None:
        with pytest.raises(ImageMissingError) as missing:
            rig.without_image().check()
        assert missing.value.image in str(missing.value)

    def test_taps_come_in_the_order_of_their_links(self, rig: SkeletonRig) -> None:
        taps = rig.skeleton.create_taps(links(2))
        assert [tap.link.number for tap in taps] == [0, 1]

    def test_an_open_tap_has_a_descriptor_of_its_own(self, rig: SkeletonRig) -> None:
        first, second = rig.skeleton.create_taps(links(2))
        assert min(first.fileno(), second.fileno()) >= 0
        assert first.fileno() != second.fileno()

    def test_a_closed_tap_has_no_descriptor_and_closes_again(self, rig: SkeletonRig) -> None:
        (tap,) = rig.skeleton.create_taps(links(1))
        tap.close()
        tap.close()
        assert tap.fileno() == -1

    def test_a_tap_vanishes_when_its_last_holder_closes_it(self, rig: SkeletonRig) -> None:
        (tap,) = rig.skeleton.create_taps(links(1))
        assert len(rig.leftovers()) == 1
        tap.close()
        assert not rig.leftovers()

    def test_removed_taps_are_closed_and_gone(self, rig: SkeletonRig) -> None:
        taps = rig.skeleton.create_taps(links(2))
        rig.skeleton.remove_taps()
        assert [tap.fileno() for tap in taps] == [-1, -1]
        assert not rig.leftovers()

    def test_removing_what_was_never_taken_does_nothing(self, rig: SkeletonRig) -> None:
        rig.skeleton.remove_taps()
        rig.skeleton.remove_nodes()
        assert not rig.leftovers()

    def test_removing_twice_does_nothing_more(self, rig: SkeletonRig) -> None:
        bring_up(rig, 1)
        for _ in range(2):
            rig.skeleton.remove_nodes()
            rig.skeleton.remove_taps()
        assert not rig.leftovers()

    def test_one_node_stands_at_each_link(self, rig: SkeletonRig) -> None:
        rig.skeleton.create_nodes(links(2))
        assert len(rig.leftovers()) == 2

    def test_removed_nodes_take_their_taps_along(self, rig: SkeletonRig) -> None:
        bring_up(rig, 2)
        rig.skeleton.remove_nodes()
        assert not rig.leftovers()

    def test_nodes_that_live_pass_the_look_and_so_do_removed_ones(self, rig: SkeletonRig) -> None:
        rig.skeleton.check_alive()
        bring_up(rig, 2)
        rig.skeleton.check_alive()
        rig.skeleton.remove_nodes()
        rig.skeleton.check_alive()

    def test_a_look_names_the_node_that_has_died(self, rig: SkeletonRig) -> None:
        bring_up(rig, 2)
        rig.kill_node(1)
        with pytest.raises(NodeDiedError) as died:
            rig.skeleton.check_alive()
        assert died.value.node == 1

    def test_a_skeleton_of_no_links_is_fine(self, rig: SkeletonRig) -> None:
        assert not bring_up(rig, 0)
        rig.skeleton.configure({})
        assert not rig.skeleton.counters(())
        rig.skeleton.remove_nodes()
        rig.skeleton.remove_taps()

    def test_addresses_routes_and_mtu_can_be_given_and_given_again(self, rig: SkeletonRig) -> None:
        bring_up(rig, 1)
        rig.skeleton.configure({0: ADDRESSES})
        rig.skeleton.configure({0: ADDRESSES})

    def test_a_new_link_has_lost_nothing(self, rig: SkeletonRig) -> None:
        bring_up(rig, 2)
        counters = rig.skeleton.counters(links(2))
        assert [counter.link for counter in counters] == [0, 1]
        assert all(counter.lossless for counter in counters)

    def test_counters_come_in_the_order_asked(self, rig: SkeletonRig) -> None:
        bring_up(rig, 2)
        counters = rig.skeleton.counters(links(2)[::-1])
        assert [counter.link for counter in counters] == [1, 0]

    def test_nothing_listens_in_a_new_node(self, rig: SkeletonRig) -> None:
        bring_up(rig, 1)
        assert rig.skeleton.listening_ports(0) == frozenset()

    def test_a_dead_node_is_named_by_every_question(self, rig: SkeletonRig) -> None:
        bring_up(rig, 2)
        rig.kill_node(1)
        with pytest.raises(NodeDiedError) as counting:
            rig.skeleton.counters(links(2))
        with pytest.raises(NodeDiedError) as listening:
            rig.skeleton.listening_ports(1)
        with pytest.raises(NodeDiedError) as configuring:
            rig.skeleton.configure({1: ADDRESSES})
        assert [e.value.node for e in (counting, listening, configuring)] == [1, 1, 1]

    def test_a_node_that_is_dead_already_is_removed(self, rig: SkeletonRig) -> None:
        bring_up(rig, 1)
        rig.kill_node(0)
        rig.skeleton.remove_nodes()
        assert not rig.leftovers()
