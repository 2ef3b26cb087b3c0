# SPDX-License-Identifier: GPL-3.0-or-later
"""What a node's interface is given: addresses, gateways, routes, MTU."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from ipaddress import (
    IPv4Address,
    IPv4Interface,
    IPv4Network,
    IPv6Address,
    IPv6Interface,
    IPv6Network,
    ip_address,
    ip_interface,
    ip_network,
)
from typing import Final, TypeAlias

from attrs import field, frozen
from attrs.converters import optional

from alpy.core.errors import InvalidValueError

Address: TypeAlias = IPv4Address | IPv6Address
Interface: TypeAlias = IPv4Interface | IPv6Interface
Network: TypeAlias = IPv4Network | IPv6Network

# Linux gives a tap no MTU above 65521 (65535 less a header), IPv4 none below 68 (RFC 791).
MTU_RANGE: Final = range(68, 65522)
# RFC 8200, section 5: no link that carries IPv6 may have a smaller MTU.
_IPV6_LEAST_MTU = 1280


def check_mtu(mtu: int) -> int:
    """The MTU itself, in bytes of payload.

    Raises:
        InvalidValueError: no tap can have it.
    """
    if mtu not in MTU_RANGE:
        raise InvalidValueError(
            f"MTU {mtu}: a tap takes {MTU_RANGE.start} to {MTU_RANGE.stop - 1} bytes"
        )
    return mtu


def _address(text: str | Address) -> Address:
    try:
        return ip_address(text)
    except ValueError as error:
        raise InvalidValueError(f"address {text!r}: {error}") from error


def _network(text: str | Network) -> Network:
    try:
        return ip_network(text)
    except ValueError as error:
        raise InvalidValueError(
            f"network {text!r}: {error}; 0.0.0.0/0 is IPv4's default"
        ) from error


def _interface(text: str | Interface) -> Interface:
    if isinstance(text, str) and "/" not in text:
        example = f"{text}/64" if ":" in text else f"{text}/24"
        raise InvalidValueError(f"address {text!r}: a prefix length is wanted, as in {example}")
    try:
        interface = ip_interface(text)
    except ValueError as error:
        raise InvalidValueError(f"address {text!r}: {error}") from error
    _check_host(interface)
    return interface


def _check_host(interface: Interface) -> None:
    address, network = interface.ip, interface.network
    if address.is_multicast or address.is_unspecified:
        raise InvalidValueError(f"address {interface} can't belong to one interface")
    has_broadcast = isinstance(network, IPv4Network) and network.prefixlen < 31  # noqa: PLR2004  RFC 3021
    if has_broadcast and address in (network.network_address, network.broadcast_address):
        raise InvalidValueError(
            f"address {interface} is the network's own or its broadcast address"
        )


@frozen
class Route:
    """Where packets to *destination* go: to the router *via*."""

    destination: Network = field(converter=_network)
    via: Address = field(converter=_address)

    def __attrs_post_init__(self) -> None:
        if self.destination.version != self.via.version:
            raise InvalidValueError(
                f"route to {self.destination} via {self.via}: mixed IP versions"
            )


# What one, or each of several, is written as.
Interfaces: TypeAlias = str | Interface | Iterable[str | Interface]
Addresses: TypeAlias = str | Address | Iterable[str | Address]
Routes: TypeAlias = Iterable[Route | tuple[str, str]]


def as_interfaces(given: Interfaces) -> tuple[Interface, ...]:
    """One address with its prefix length, or several."""
    several = [given] if isinstance(given, (str, IPv4Interface, IPv6Interface)) else given
    return tuple(map(_interface, several))


def as_addresses(given: Addresses) -> tuple[Address, ...]:
    """One address, or several."""
    several = [given] if isinstance(given, (str, IPv4Address, IPv6Address)) else given
    return tuple(map(_address, several))


def as_routes(given: Routes) -> tuple[Route, ...]:
    """Each route, or its network and router as a pair."""
    return tuple(map(_route, given))


def _route(given: Route | Sequence[str]) -> Route:
    if isinstance(given, Route):
        return given
    if isinstance(given, str) or len(given) != 2:  # noqa: PLR2004
        raise InvalidValueError(f"route {given!r}: a pair of network and router is wanted")
    return Route(*given)


@frozen(kw_only=True)
class InterfaceConfig:
    """Addresses with their prefix lengths, at most one gateway per IP version, routes, an MTU."""

    addresses: tuple[Interface, ...] = field(default=(), converter=as_interfaces)
    gateways: tuple[Address, ...] = field(default=(), converter=as_addresses)
    routes: tuple[Route, ...] = field(default=(), converter=as_routes)
    mtu: int | None = field(default=None, converter=optional(check_mtu))

    def __attrs_post_init__(self) -> None:
        self._check_duplicates()
        for router in (*self.gateways, *(route.via for route in self.routes)):
            self._check_on_link(router)
        if self.mtu is not None and self.mtu < _IPV6_LEAST_MTU and self._has_ipv6:
            raise InvalidValueError(f"MTU {self.mtu}: IPv6 needs at least {_IPV6_LEAST_MTU} bytes")

    @property
    def _has_ipv6(self) -> bool:
        return any(address.version == 6 for address in self.addresses)  # noqa: PLR2004

    def _check_duplicates(self) -> None:
        hosts = [address.ip for address in self.addresses]
        if twice := {str(host) for host in hosts if hosts.count(host) > 1}:
            raise InvalidValueError(f"address given twice: {', '.join(sorted(twice))}")
        versions = [gateway.version for gateway in self.gateways]
        if len(versions) != len(set(versions)):
            raise InvalidValueError("an interface takes one default gateway per IP version")

    def _check_on_link(self, router: Address) -> None:
        # Link-local routers are on every link, whatever addresses the interface has (RFC 4861).
        on_link = router.version == 6 and router.is_link_local  # noqa: PLR2004
        if not on_link and not any(router in address.network for address in self.addresses):
            networks = ", ".join(str(address.network) for address in self.addresses) or "none"
            raise InvalidValueError(
                f"router {router} is on none of the networks given with it ({networks})"
            )
