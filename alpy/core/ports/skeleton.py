# SPDX-License-Identifier: GPL-3.0-or-later
"""Nodes, and the taps in them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Protocol

from alpy.core.interface import InterfaceConfig
from alpy.core.link import Link, LinkCounters


class Tap(Protocol):
    """The host end of a link, open: whoever holds its descriptor is the other end of the wire."""

    @property
    def link(self) -> Link: ...

    def fileno(self) -> int:
        """The descriptor to hand to the hypervisor; -1 after `close`."""
        ...

    def close(self) -> None:
        """Let go of our copy; again does nothing. Without a holder the tap vanishes."""
        ...


class Skeleton(Protocol):
    """The nodes of a testbed and the taps in them. Each call is for all links at once."""

    def check(self) -> None:
        """Look whether this host can make taps and nodes; change nothing.

        Raises:
            DockerError: no daemon, or no permission on its socket.
            ImageMissingError: the image for nodes is not there.
            HostError: no permission on /dev/net/tun.
        """
        ...

    def create_taps(self, links: Sequence[Link]) -> Sequence[Tap]:
        """Make and open a tap for each link, in the order of *links*; no frame flows yet.

        Raises:
            DockerError: the daemon or `ip` refused.
            HostError: the tap device could not be opened.
        """
        ...

    def remove_taps(self) -> None:
        """Close every tap, and remove those that nothing else holds. Their counters are gone then.

        Raises:
            DockerError: one is still there.
        """
        ...

    def create_nodes(self, links: Sequence[Link]) -> None:
        """Start a node for each link, side by side.

        Raises:
            DockerError: the daemon refused.
        """
        ...

    def connect(self, links: Sequence[Link]) -> None:
        """Move each tap into its node as `eth0`, raise it, and give it all that the link says.

        Raises:
            DockerError: the daemon or `ip` refused.
        """
        ...

    def check_alive(self) -> None:
        """Look whether every node that was created is still there; asks nobody, and is quick.

        Raises:
            NodeDiedError: a node is gone.
            DockerError: the daemon that holds the nodes is gone, or was restarted.
        """
        ...

    def remove_nodes(self) -> None:
        """Remove every node, and with it its namespace and tap.

        Raises:
            DockerError: one is still there; it is named.
        """
        ...

    def configure(self, configs: Mapping[int, InterfaceConfig]) -> None:
        """Add addresses and routes to the `eth0` of each node named, usable on return.

        Raises:
            DockerError: the daemon or `ip` refused; what `ip` said is in it.
            NodeDiedError: a node is gone.
        """
        ...

    def counters(self, links: Sequence[Link]) -> Sequence[LinkCounters]:
        """What the kernel counted at each tap since it was made.

        Raises:
            NodeDiedError: a node is gone.
            HostError: a tap is gone.
        """
        ...

    def listening_ports(self, node: int) -> frozenset[int]:
        """The TCP ports on which something listens in the node's namespace. Nothing is sent.

        Raises:
            NodeDiedError: the node is gone.
        """
        ...

    def close(self) -> None:
        """Close the connection to what runs the nodes, and the apps. It is the last call."""
        ...
