# SPDX-License-Identifier: GPL-3.0-or-later
"""Nodes and taps, with Docker."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence

from alpy.adapters import proc_net
from alpy.adapters.docker import ip_batch
from alpy.adapters.docker.engine import DockerEngine
from alpy.adapters.docker.ip import Ip, choose_ip
from alpy.adapters.docker.node import DockerNode, host_has_ipv6
from alpy.adapters.side_by_side import side_by_side
from alpy.adapters.tap import HostTap, interface_exists, open_tun_device, tap_name
from alpy.core.errors import DockerError, HostError, InvalidValueError
from alpy.core.interface import InterfaceConfig
from alpy.core.link import Link, LinkCounters
from alpy.core.ports import Tap


class DockerSkeleton:
    """A Skeleton port: a container for each node, and `ip` where it may set the taps up.

    This process needs no privilege but the daemon's socket and /dev/net/tun. *image* has iproute2.
    *ip*: who sets up the host's end; by default the host's own program if we have the privilege.
    """

    def __init__(self, *, engine: DockerEngine, image: str, ip: Ip | None = None) -> None:
        self._engine = engine
        self._image = image
        self._chosen_ip = ip
        self._taps: dict[int, HostTap] = {}
        self._nodes: dict[int, DockerNode] = {}

    def check(self) -> None:
        self._engine.check_images(self._image)
        if "name=rootless" in self._engine.security_options():
            raise DockerError(
                asked="make taps with Docker",
                found="this daemon runs rootless, so it has no say over the host's network",
                remedy="Use the system's daemon: unset DOCKER_HOST, docker context use default",
            )
        os.close(open_tun_device())

    @property
    def _ip(self) -> Ip:
        if self._chosen_ip is None:
            self._chosen_ip = choose_ip(engine=self._engine, image=self._image)
        return self._chosen_ip

    @property
    def _threads(self) -> str:
        return self._engine.holdings.thread_prefix("docker")

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
        self._ip.run(batch)
        for tap in taps:
            self._engine.holdings.note_holder(tap, "skeleton")
            tap.open()
        return taps

    def remove_taps(self) -> None:
        for tap in self._taps.values():
            tap.close()
        try:
            self._delete_taps()
        finally:
            self._ip.remove()
        self._taps.clear()

    def _delete_taps(self) -> None:
        # Once opened, a tap vanishes with its last holder; these never came so far.
        waiting = [tap.name for tap in self._taps.values() if interface_exists(tap.name)]
        if waiting:
            try:
                self._ip.run([ip_batch.delete(name) for name in waiting])
            except HostError:
                if any(map(interface_exists, waiting)):
                    raise

    def create_nodes(self, links: Sequence[Link]) -> None:
        nodes = [
            DockerNode(engine=self._engine, image=self._image, number=link.number) for link in links
        ]
        self._nodes.update({node.number: node for node in nodes})
        side_by_side(DockerNode.start, nodes, thread_prefix=self._threads)

    def connect(self, links: Sequence[Link]) -> None:
        batch = [
            ip_batch.move_tap(
                self._taps[link.number].name, link, node_pid=self._node(link.number).pid
            )
            for link in links
        ]
        if batch:
            self._ip.run(batch)
        self._ip.rest()
        self.configure({link.number: link.interface for link in links})

    def check_alive(self) -> None:
        for node in list(self._nodes.values()):
            node.check_alive()

    def remove_nodes(self) -> None:
        try:
            nodes = list(self._nodes.values())
            side_by_side(self._remove_node, nodes, thread_prefix=self._threads)
        finally:
            self._ip.remove()

    def _remove_node(self, node: DockerNode) -> None:
        node.remove()
        del self._nodes[node.number]

    def close(self) -> None:
        self._engine.close()

    def configure(self, configs: Mapping[int, InterfaceConfig]) -> None:
        for number, config in configs.items():
            self._node(number).configure(ip_batch.configure(config))

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
