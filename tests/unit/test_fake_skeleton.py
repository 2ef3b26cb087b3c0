# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

from collections.abc import Sequence

import pytest
from attrs import define, field

from alpy.core.app import AppSpec
from alpy.core.errors import DockerError
from alpy.core.link import Link
from alpy.fakes import FakeSkeleton, World
from tests.contracts.skeleton import ADDRESSES, SkeletonContract, SkeletonRig, bring_up, links


@define
class FakeSkeletonRig:
    world: World = field(factory=World)

    @property
    def skeleton(self) -> FakeSkeleton:
        return self.world.skeleton

    def without_image(self) -> FakeSkeleton:
        world = World()
        world.missing_images.add("alpy-iproute2")
        return world.skeleton

    def kill_node(self, number: int) -> None:
        self.skeleton.node_dies(number)

    def leftovers(self) -> Sequence[str]:
        return self.world.alive


class TestFakeSkeleton(SkeletonContract):
    @pytest.fixture
    def rig(self) -> SkeletonRig:
        return FakeSkeletonRig()


@pytest.fixture
def world() -> World:
    world = World()
    bring_up(FakeSkeletonRig(world), 2)
    return world


def test_counters_are_what_the_test_set(world: World) -> None:
    world.skeleton.count(1, frames_in=7, dropped_in=2)
    counted = world.skeleton.counters(links(2))
    assert [(each.frames_in, each.dropped_in, each.lossless) for each in counted] == [
        (0, 0, True),
        (7, 2, False),
    ]


def test_a_running_app_listens_in_its_node_until_it_ends(world: World) -> None:
    world.apps.plan(["nginx"], seconds=None, listens_on={80, 443})
    spec = AppSpec(image="tools", command=["nginx"])
    world.apps.create(spec, name="web", node=1, log=world.run_directory.file("web.log"))
    assert not world.skeleton.listening_ports(1)
    world.apps.start("web")
    assert world.skeleton.listening_ports(1) == {80, 443}
    assert not world.skeleton.listening_ports(0)
    world.apps.send_signal("web", "SIGTERM")
    assert not world.skeleton.listening_ports(1)


def test_what_a_node_was_given_can_be_looked_at(world: World) -> None:
    world.skeleton.configure({1: ADDRESSES})
    assert world.skeleton.configs == {1: [ADDRESSES]}


def test_a_tap_without_its_node_can_not_be_connected() -> None:
    world = World()
    link = Link(number=0)
    world.skeleton.create_taps([link])
    world.skeleton.create_nodes([link])
    world.skeleton.remove_taps()
    with pytest.raises(DockerError):
        world.skeleton.connect([link])


def test_connected_taps_do_not_wait_any_more(world: World) -> None:
    world.skeleton.remove_taps()
    assert world.alive == ("tap 0", "tap 1", "node 0", "node 1")


def test_what_a_link_says_is_given_to_its_node_when_it_is_connected() -> None:
    world = World()
    link = Link(number=0, addresses="192.0.2.1/24")
    world.skeleton.create_taps([link])
    world.skeleton.create_nodes([link])
    assert not world.skeleton.configs
    world.skeleton.connect([link])
    assert world.skeleton.configs == {0: [link.interface]}
