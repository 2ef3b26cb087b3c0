# SPDX-License-Identifier: GPL-3.0-or-later
"""Nodes and taps that are only names."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence

from attrs import define, evolve, field

from alpy.core.errors import DockerError, ImageMissingError, NodeDiedError
from alpy.core.interface import InterfaceConfig
from alpy.core.link import Link, LinkCounters
from alpy.fakes.ledger import Ledger

# What the real skeleton takes by default.
IMAGE = "alpy-iproute2"
# Where a real descriptor would be some small number; no fake ever reads from it.
_FIRST_DESCRIPTOR = 1000


def docker_refused(asked: str = "the Docker daemon") -> DockerError:
    return DockerError(asked=asked, found="refused, as planned", remedy="Plan no such fault.")


def node_thing(number: int) -> str:
    return f"node {number}"


@define
class FakeTap:
    """The host end of a link. It lives as long as somebody holds it: we, or the machine."""

    _ledger: Ledger
    link: Link
    _ours: bool = field(default=True, init=False)
    _machines: bool = field(default=False, init=False)

    @property
    def thing(self) -> str:
        return f"tap {self.link.number}"

    def fileno(self) -> int:
        return _FIRST_DESCRIPTOR + self.link.number if self._ours else -1

    def close(self) -> None:
        with self._ledger.call("tap.close"):
            self.let_go()

    def let_go(self) -> None:
        """Our copy is closed, by whomever."""
        self._ours = False
        self._vanish_unheld()

    def hand_to_machine(self) -> None:
        """The machine holds the tap too, from now on."""
        self._machines = True

    def drop_from_machine(self) -> None:
        """The machine is gone, and its copy with it."""
        self._machines = False
        self._vanish_unheld()

    def vanish(self) -> None:
        """It is removed, whoever holds it."""
        self._ours = False
        self._ledger.went(self.thing)

    def _vanish_unheld(self) -> None:
        if not self._ours and not self._machines:
            self._ledger.went(self.thing)


@define
class FakeSkeleton:
    """Namespaces in memory. `node_dies` and `count` are the test's levers."""

    _ledger: Ledger
    configs: dict[int, list[InterfaceConfig]] = field(factory=dict, init=False)
    """What each node's interface was given, oldest first."""
    _taps: dict[int, FakeTap] = field(factory=dict, init=False)
    _nodes: list[int] = field(factory=list, init=False)
    _connected: set[int] = field(factory=set, init=False)
    _counters: dict[int, LinkCounters] = field(factory=dict, init=False)

    def node_dies(self, node: int) -> None:
        """Somebody removes the node's container; its namespace and tap go with it."""
        if node in self._connected:
            self._taps[node].vanish()
        self._ledger.went(node_thing(node))

    def process_dies(self, unfinished: Collection[str]) -> None:
        """The process of the test is killed: what it held is closed, and started nodes see it.

        What is *unfinished* stays: a tap that nobody opened yet, a node that nobody started.
        """
        for tap in self._taps.values():
            if tap.thing not in unfinished:
                tap.let_go()
        for number in self._nodes:
            if node_thing(number) not in unfinished:
                self.node_dies(number)

    def count(
        self,
        link: int,
        *,
        frames_in: int = 0,
        frames_out: int = 0,
        dropped_in: int = 0,
        dropped_out: int = 0,
        errors: int = 0,
    ) -> None:
        """Set what the kernel has counted at the link's tap."""
        self._counters[link] = LinkCounters(
            link=link,
            frames_in=frames_in,
            frames_out=frames_out,
            dropped_in=dropped_in,
            dropped_out=dropped_out,
            errors=errors,
        )

    def check(self) -> None:
        with self._ledger.call("skeleton.check", docker_refused):
            if IMAGE in self._ledger.missing_images:
                raise ImageMissingError(image=IMAGE)

    def create_taps(self, links: Sequence[Link]) -> Sequence[FakeTap]:
        with self._ledger.call("skeleton.create_taps", docker_refused):
            for link in links:
                tap = self._taps[link.number] = FakeTap(self._ledger, link)
                self._ledger.came(tap.thing)
            return [self._taps[link.number] for link in links]

    def remove_taps(self) -> None:
        with self._ledger.call("skeleton.remove_taps", docker_refused):
            for number, tap in reversed(self._taps.items()):
                if number not in self._connected:
                    tap.vanish()

    def create_nodes(self, links: Sequence[Link]) -> None:
        with self._ledger.call("skeleton.create_nodes", docker_refused):
            for link in links:
                self._nodes.append(link.number)
                self._ledger.came(node_thing(link.number))

    def connect(self, links: Sequence[Link]) -> None:
        with self._ledger.call("skeleton.connect", docker_refused):
            for link in links:
                self._check_both_ends(link.number)
            self._connected.update(link.number for link in links)
            self._configure({link.number: link.interface for link in links})

    def check_alive(self) -> None:
        with self._ledger.call("skeleton.check_alive", docker_refused):
            for number in self._nodes:
                self._check_alive(number)

    def remove_nodes(self) -> None:
        with self._ledger.call("skeleton.remove_nodes", docker_refused):
            while self._nodes:
                self.node_dies(self._nodes.pop())

    def configure(self, configs: Mapping[int, InterfaceConfig]) -> None:
        with self._ledger.call("skeleton.configure", docker_refused):
            for node in configs:
                self._check_alive(node)
            self._configure(configs)

    def _configure(self, configs: Mapping[int, InterfaceConfig]) -> None:
        for node, config in configs.items():
            if config != InterfaceConfig():
                self.configs.setdefault(node, []).append(config)

    def counters(self, links: Sequence[Link]) -> Sequence[LinkCounters]:
        with self._ledger.call("skeleton.counters", docker_refused):
            for link in links:
                self._check_alive(link.number)
            return [self._counted(link.number) for link in links]

    def listening_ports(self, node: int) -> frozenset[int]:
        with self._ledger.call("skeleton.listening_ports", docker_refused):
            self._check_alive(node)
            listeners = self._ledger.listeners.values()
            return frozenset(port for home, ports in listeners if home == node for port in ports)

    def close(self) -> None:
        with self._ledger.call("skeleton.close"):
            pass

    def _counted(self, link: int) -> LinkCounters:
        nothing = LinkCounters(
            link=link, frames_in=0, frames_out=0, dropped_in=0, dropped_out=0, errors=0
        )
        return evolve(self._counters.get(link, nothing))

    def _check_alive(self, node: int) -> None:
        if not self._ledger.is_alive(node_thing(node)):
            raise NodeDiedError(node=node)

    def _check_both_ends(self, number: int) -> None:
        self._check_alive(number)
        if not self._ledger.is_alive(f"tap {number}"):
            raise docker_refused(f"move tap {number}, which is not there,")
