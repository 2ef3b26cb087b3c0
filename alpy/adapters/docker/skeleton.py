# SPDX-License-Identifier: GPL-3.0-or-later
"""Nodes and taps, with Docker."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence

from alpy.adapters import proc_net
from alpy.adapters.docker import ip_batch
from alpy.adapters.docker.engine import DockerEngine
from alpy.adapters.docker.ip import DockerIp
from alpy.adapters.docker.node import DockerNode, host_has_ipv6
from alpy.adapters.side_by_side import side_by_side
from alpy.adapters.tap import HostTap, interface_exists, open_tun_device, tap_name
from alpy.core.errors import DockerError, HostError, InvalidValueError
from alpy.core.interface import InterfaceConfig
from alpy.core.link import Link, LinkCounters
from alpy.core.ports import Tap


class DockerSkeleton:
    """A Skeleton port: a container for each node, and `ip` in containers that run once.

    This process needs no privilege but the daemon's socket and /dev/net/tun.
    """

    def __init__(self, *, engine: DockerEngine, busybox_image: str, iproute2_image: str) -> None:
        self._engine = engine
        self._busybox_image = busybox_image
        self._iproute2_image = iproute2_image
        self._ip = DockerIp(engine=engine, image=iproute2_image)
        self._taps: dict[int, HostTap] = {}
        self._nodes: dict[int, DockerNode] = {}

    def check(self) -> None:
        self._engine.check_images(self._busybox_image, self._iproute2_image)
        if "name=rootless" in self._engine.security_options():
            raise DockerError(
                asked="make taps with Docker",
                found="this daemon runs rootless, so it has no say over the host's network",
                remedy="Use the system's daemon: unset DOCKER_HOST, docker context use default",
            )
        os.close(open_tun_device())

    def create_taps(self, links: Sequence[Link]) -> Sequence[Tap]:
        taps = [
            HostTap(link=link, name=tap_name(self._engine.run_id, link.number)) for link in links
        ]
        if not taps:
            return []
        _refuse_names_in_use(taps)
        # Known before they are made: a lost answer must not hide them from `remove_taps`.
        self._taps = {tap.link.number: tap for tap in taps}
        alias = self._engine.owner.alias()
        batch = [
            line
            for tap in taps
            for line in ip_batch.make_tap(tap.name, owner=os.geteuid(), alias=alias)
        ]
        self._ip.run_on_host(batch, name="ip-make-taps")
        for tap in taps:
            tap.open()
        return taps

    def remove_taps(self) -> None:
        for tap in self._taps.values():
            tap.close()
        try:
            self._delete_taps()
        finally:
            self._ip.remove_leftovers()
        self._taps.clear()

    def _delete_taps(self) -> None:
        # Once opened, a tap vanishes with its last holder; these never came so far.
        waiting = [tap.name for tap in self._taps.values() if interface_exists(tap.name)]
        if waiting:
            batch = [ip_batch.delete(name) for name in waiting]
            self._ip.run_on_host(batch, name="ip-delete-taps", go_on=True)
        if left := [name for name in waiting if interface_exists(name)]:
            raise DockerError(
                asked=f"delete tap {', '.join(left)}",
                found="it is still there",
                remedy=f"Remove it by hand: sudo ip link delete {left[0]}",
            )

    def create_nodes(self, links: Sequence[Link]) -> None:
        nodes = [
            DockerNode(engine=self._engine, image=self._busybox_image, number=link.number)
            for link in links
        ]
        self._nodes.update({node.number: node for node in nodes})
        side_by_side(DockerNode.start, nodes)

    def connect(self, links: Sequence[Link]) -> None:
        batch = [
            ip_batch.move_tap(
                self._taps[link.number].name, link, node_pid=self._node(link.number).pid
            )
            for link in links
        ]
        if batch:
            self._ip.run_on_host(batch, name="ip-connect")

    def remove_nodes(self) -> None:
        try:
            side_by_side(self._remove_node, list(self._nodes.values()))
        finally:
            self._ip.remove_leftovers()

    def _remove_node(self, node: DockerNode) -> None:
        node.remove()
        del self._nodes[node.number]

    def close(self) -> None:
        self._engine.close()

    def configure(self, configs: Mapping[int, InterfaceConfig]) -> None:
        side_by_side(lambda entry: self._configure(*entry), configs.items())

    def _configure(self, number: int, config: InterfaceConfig) -> None:
        node = self._node(number)
        batch = ip_batch.configure(config)
        if not batch:
            return
        try:
            self._ip.run_in(node.name, batch, name=f"ip-{node.name}")
        except DockerError:
            # A dead node is the better answer: this raises NodeDiedError, over what was refused.
            node.read_net("dev")
            raise

    def counters(self, links: Sequence[Link]) -> Sequence[LinkCounters]:
        return [self._count(link.number) for link in links]

    def _count(self, number: int) -> LinkCounters:
        devices = proc_net.device_counters(self._node(number).read_net("dev"))
        device = devices.get(ip_batch.INTERFACE)
        if device is None:
            raise HostError(
                asked=f"read the counters of link {number}",
                found=f"its node has no {ip_batch.INTERFACE}",
                remedy="A tap vanishes with QEMU, so its counters must be read before.",
            )
        # What the node sends goes towards the appliance, and waits in the tap's queue.
        return LinkCounters(
            link=number,
            frames_in=device.sent,
            frames_out=device.received,
            dropped_in=device.send_dropped,
            dropped_out=device.receive_overruns,
            errors=device.send_errors + device.receive_errors,
        )

    def listening_ports(self, node: int) -> frozenset[int]:
        tables = ("tcp", "tcp6") if host_has_ipv6() else ("tcp",)
        texts = [self._node(node).read_net(table) for table in tables]
        return frozenset[int]().union(*map(proc_net.listening_ports, texts))

    def _node(self, number: int) -> DockerNode:
        try:
            return self._nodes[number]
        except KeyError as error:
            raise InvalidValueError(f"there is no node {number}") from error


def _refuse_names_in_use(taps: Sequence[HostTap]) -> None:
    # Before we call them ours: `remove_taps` must never delete what another run made.
    for tap in taps:
        if interface_exists(tap.name):
            raise DockerError(
                asked=f"make tap {tap.name}",
                found="an interface of this name is there already",
                remedy=f"If no other run uses it: sudo ip link delete {tap.name}",
            )
