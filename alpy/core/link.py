# SPDX-License-Identifier: GPL-3.0-or-later
"""A link: a wire from one NIC of the appliance to one node."""

from __future__ import annotations

import re
from typing import Final

from attrs import Attribute, evolve, field, frozen

from alpy.core.errors import InvalidValueError
from alpy.core.interface import (
    Address,
    Interface,
    InterfaceConfig,
    Route,
    as_addresses,
    as_interfaces,
    as_routes,
    check_mtu,
)

_MAC: Final = re.compile(r"[0-9a-f]{2}(:[0-9a-f]{2}){5}")
# A link's number is written into two bytes of its MAC addresses.
_NUMBER_LIMIT: Final = 1 << 16
# Frames that may wait in the tap until QEMU reads them; docs/network.md shows the measurement.
DEFAULT_QUEUE_LENGTH: Final = 1000
_QUEUE_LENGTH_LIMIT: Final = 1_000_000


def check_mac(mac: str) -> str:
    """The address in lower case.

    Raises:
        InvalidValueError: it is no unicast Ethernet address.
    """
    lower = mac.lower()
    if not _MAC.fullmatch(lower):
        raise InvalidValueError(
            f"MAC address {mac!r}: six bytes in hex are wanted, as in 02:a1:00:00:00:01"
        )
    if int(lower[:2], 16) & 1:
        raise InvalidValueError(
            f"MAC address {mac!r} is a group address; an interface needs a unicast one"
        )
    if lower == "00:00:00:00:00:00":
        raise InvalidValueError("MAC address 00:00:00:00:00:00 can't be given to an interface")
    return lower


def _numbered_mac(end: int, number: int) -> str:
    # 02 marks a locally administered unicast address (IEEE 802, clause 8.4).
    return f"02:a1:00:{end:02x}:{number >> 8:02x}:{number & 0xFF:02x}"


def _check_number(number: int) -> int:
    if not 0 <= number < _NUMBER_LIMIT:
        raise InvalidValueError(
            f"link number {number}: links are numbered from 0 to {_NUMBER_LIMIT - 1}"
        )
    return number


def _check_queue_length(_link: Link, _attribute: Attribute[int], length: int) -> None:
    if not 1 <= length <= _QUEUE_LENGTH_LIMIT:
        raise InvalidValueError(f"queue length {length}: 1 to {_QUEUE_LENGTH_LIMIT} frames")


@frozen(kw_only=True)
class Link:
    """A wire between NIC *number* of the appliance and node *number*.

    *queue_length*: frames that wait in the tap while QEMU does not read; one more is dropped and
    counted. *offload*: let the appliance use checksum and segmentation offload; faster, but the
    capture then shows merged frames of up to 64 KiB that never were on a wire. *addresses*,
    *gateways* and *routes*: what the node's interface has from its first moment on.
    """

    # Converters run before the MAC addresses are made from the number, validators after.
    number: int = field(converter=_check_number)
    appliance_mac: str = field(converter=check_mac)
    node_mac: str = field(converter=check_mac)
    queue_length: int = field(default=DEFAULT_QUEUE_LENGTH, validator=_check_queue_length)
    mtu: int = field(default=1500, converter=check_mtu)
    offload: bool = False
    addresses: tuple[Interface, ...] = field(default=(), converter=as_interfaces)
    gateways: tuple[Address, ...] = field(default=(), converter=as_addresses)
    routes: tuple[Route, ...] = field(default=(), converter=as_routes)

    def __attrs_post_init__(self) -> None:
        # This raises what can't work with the MTU.
        evolve(self.interface, mtu=self.mtu)

    @property
    def interface(self) -> InterfaceConfig:
        """What the node's interface is given beside the MAC address, the MTU and the queue."""
        return InterfaceConfig(addresses=self.addresses, gateways=self.gateways, routes=self.routes)

    @appliance_mac.default
    def _default_appliance_mac(self) -> str:
        return _numbered_mac(0, self.number)

    @node_mac.default
    def _default_node_mac(self) -> str:
        return _numbered_mac(1, self.number)

    @property
    def capture_name(self) -> str:
        """The file in the run directory that holds every frame of this link."""
        return f"link{self.number}.pcap"


@frozen(kw_only=True)
class LinkCounters:
    """What the kernel counted at a link's tap, in frames. "in" is towards the appliance."""

    link: int
    frames_in: int
    frames_out: int
    dropped_in: int
    dropped_out: int
    errors: int

    @property
    def lossless(self) -> bool:
        return not (self.dropped_in or self.dropped_out or self.errors)
