# SPDX-License-Identifier: GPL-3.0-or-later
"""What alpy tells `ip -batch`, line by line: pure text, after ip(8)."""

from __future__ import annotations

from collections.abc import Sequence

from alpy.core.interface import InterfaceConfig
from alpy.core.link import Link

# The tap's name inside its node.
INTERFACE = "eth0"

_DEFAULT = {4: "0.0.0.0/0", 6: "::/0"}


def make_tap(name: str, *, owner: int, alias: str) -> Sequence[str]:
    """A persistent tap that the user with the id *owner* may open; *alias* tells whose it is."""
    return [
        f"tuntap add dev {name} mode tap user {owner}",
        f'link set dev {name} alias "{alias}"',
    ]


def delete(name: str) -> str:
    return f"link delete dev {name}"


def move_tap(name: str, link: Link, *, node_pid: int) -> str:
    """Move the tap into its node as eth0 and raise it, in one message to the kernel."""
    return (
        f"link set dev {name} netns {node_pid} name {INTERFACE} address {link.node_mac} "
        f"mtu {link.mtu} txqueuelen {link.queue_length} up"
    )


def configure(config: InterfaceConfig) -> Sequence[str]:
    """Give eth0 what *config* says; what it has already stays, and is no error."""
    lines = [] if config.mtu is None else [f"link set dev {INTERFACE} mtu {config.mtu}"]
    lines += [f"address replace {address} dev {INTERFACE}" for address in config.addresses]
    routes = [(_DEFAULT[gateway.version], gateway) for gateway in config.gateways]
    routes += [(str(route.destination), route.via) for route in config.routes]
    lines += [f"route replace {to} via {via} dev {INTERFACE}" for to, via in routes]
    return lines
