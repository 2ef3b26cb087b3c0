# SPDX-License-Identifier: GPL-3.0-or-later
"""What alpy tells `ip -batch`, line by line, and what that answers: pure text, after ip(8)."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Final

from alpy.core.errors import DockerError
from alpy.core.interface import InterfaceConfig
from alpy.core.link import Link

# The tap's name inside its node.
INTERFACE: Final = "eth0"

# Lines come on standard input; one that fails is told, and does not end the program.
OPTIONS: Final = ("-force", "-batch", "-")
# Behind a batch, a command that no `ip` knows: when it is called failed, all before it is done.
END: Final = "."

_DEFAULT = {4: "0.0.0.0/0", 6: "::/0"}
_FAILED: Final = re.compile(r"(.*?)^Command failed \S+:(\d+)$", re.DOTALL | re.MULTILINE)


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


def text(lines: Sequence[str]) -> bytes:
    """The lines as `ip` reads them."""
    return "".join(f"{line}\n" for line in lines).encode()


def failed(number: int) -> str:
    """How `ip` ends what it says of a failed line."""
    return f"Command failed -:{number}\n"


def failures(said: str, *, first: int = 1) -> Mapping[int, str]:
    """Which lines failed by what `ip` *said*, and why; its line *first* is 0 here."""
    found = _FAILED.findall(said)
    return {
        int(number) - first: why.strip().removesuffix(".")
        for why, number in found
        if int(number) >= first
    }


def refusal(batch: Sequence[str], said: str, *, first: int = 1, place: str = "") -> DockerError:
    """The error for the first line of *batch* that failed, by what `ip` *said*.

    *first*: the number of the batch's first line, as `ip` counts. *place* is told after the line.
    """
    index, why = next(iter(failures(said, first=first).items()), (None, said.strip()))
    line = "; ".join(batch) if index is None else batch[index]
    remedy = "The kernel or this version of iproute2 can't do it."
    if "busy" in why or "exists" in why:
        remedy = "Another run left it behind; ip link shows it, ip link delete removes it."
    return DockerError(
        asked=f"ip {line}{place}", found=why or "it failed, and said nothing", remedy=remedy
    )
