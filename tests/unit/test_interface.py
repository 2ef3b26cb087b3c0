# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

from ipaddress import IPv4Interface, ip_address, ip_interface, ip_network

import pytest
from hypothesis import given
from hypothesis import strategies as st

from alpy.core.errors import InvalidValueError
from alpy.core.interface import InterfaceConfig, Route


def test_addresses_of_both_versions_are_taken_as_they_are_written() -> None:
    config = InterfaceConfig(addresses=("192.0.2.1/24", "2001:db8::1/64"))
    assert config.addresses == (ip_interface("192.0.2.1/24"), ip_interface("2001:db8::1/64"))


def test_a_config_of_nothing_is_fine() -> None:
    assert InterfaceConfig().addresses == ()


@given(st.integers(2, 0xDFFFFFFF), st.integers(0, 32))
def test_an_address_that_is_taken_is_one_that_a_host_can_have(number: int, length: int) -> None:
    interface = IPv4Interface((number, length))
    network = interface.network
    reserved = length < 31 and interface.ip in (network[0], network[-1])
    try:
        InterfaceConfig(addresses=(interface,))
    except InvalidValueError:
        assert reserved
    else:
        assert not reserved


@pytest.mark.parametrize(
    "address", ["192.0.2.0/31", "192.0.2.1/31", "192.0.2.0/32", "2001:db8::/64"]
)
def test_the_first_address_of_some_networks_is_a_host(address: str) -> None:
    assert str(InterfaceConfig(addresses=(address,)).addresses[0]) == address


@pytest.mark.parametrize(
    ("address", "why"),
    [
        ("192.0.2.1", r"a prefix length is wanted, as in 192\.0\.2\.1/24"),
        ("2001:db8::1", r"a prefix length is wanted, as in 2001:db8::1/64"),
        ("192.0.2.256/24", "does not appear to be an IPv4 or IPv6"),
        ("192.0.2.1/33", "does not appear to be an IPv4 or IPv6"),
        ("hello/24", "does not appear to be an IPv4 or IPv6"),
        ("192.0.2.0/24", "network's own or its broadcast"),
        ("192.0.2.255/24", "network's own or its broadcast"),
        ("224.0.0.1/24", "can't belong to one interface"),
        ("ff02::1/64", "can't belong to one interface"),
        ("0.0.0.0/0", "can't belong to one interface"),
        ("::/64", "can't belong to one interface"),
    ],
)
def test_an_impossible_address_is_refused_and_shown(address: str, why: str) -> None:
    with pytest.raises(InvalidValueError, match=why) as refused:
        InterfaceConfig(addresses=(address,))
    assert address in str(refused.value)


def test_an_address_given_twice_is_refused_also_with_another_prefix() -> None:
    with pytest.raises(InvalidValueError, match=r"address given twice: 192\.0\.2\.1$"):
        InterfaceConfig(addresses=("192.0.2.1/24", "192.0.2.1/25"))


def test_one_gateway_per_ip_version_is_taken() -> None:
    config = InterfaceConfig(
        addresses=("192.0.2.1/24", "2001:db8::1/64"), gateways=("192.0.2.254", "2001:db8::ff")
    )
    assert config.gateways == (ip_address("192.0.2.254"), ip_address("2001:db8::ff"))


def test_two_gateways_of_one_version_are_refused() -> None:
    with pytest.raises(InvalidValueError, match="one default gateway per IP version"):
        InterfaceConfig(addresses=("192.0.2.1/24",), gateways=("192.0.2.2", "192.0.2.3"))


def test_a_gateway_that_is_not_on_the_link_is_refused() -> None:
    with pytest.raises(
        InvalidValueError, match=r"router 10\.0\.0\.1 is on none .*\(192\.0\.2\.0/24\)"
    ):
        InterfaceConfig(addresses=("192.0.2.1/24",), gateways=("10.0.0.1",))


def test_a_gateway_without_an_address_is_refused() -> None:
    with pytest.raises(InvalidValueError, match=r"\(none\)"):
        InterfaceConfig(gateways=("192.0.2.254",))


def test_a_link_local_router_is_on_every_link() -> None:
    InterfaceConfig(addresses=("2001:db8::1/64",), gateways=("fe80::1",))


@pytest.mark.parametrize("gateway", ["nonsense", "192.0.2.254/24"])
def test_a_gateway_that_is_no_address_is_refused(gateway: str) -> None:
    with pytest.raises(InvalidValueError, match=f"address '{gateway}'"):
        InterfaceConfig(addresses=("192.0.2.1/24",), gateways=(gateway,))


def test_a_route_goes_to_a_network_by_a_router() -> None:
    route = Route("198.51.100.0/24", "192.0.2.254")
    assert (route.destination, route.via) == (
        ip_network("198.51.100.0/24"),
        ip_address("192.0.2.254"),
    )
    InterfaceConfig(addresses=("192.0.2.1/24",), routes=(route,))


def test_a_route_by_a_router_off_the_link_is_refused() -> None:
    with pytest.raises(InvalidValueError, match=r"router 10\.0\.0\.1"):
        InterfaceConfig(addresses=("192.0.2.1/24",), routes=(Route("198.51.100.0/24", "10.0.0.1"),))


def test_a_route_between_ip_versions_is_refused() -> None:
    with pytest.raises(InvalidValueError, match="mixed IP versions"):
        Route("198.51.100.0/24", "2001:db8::1")


@pytest.mark.parametrize("destination", ["198.51.100.1/24", "default", "198.51.100.0/33"])
def test_a_destination_that_is_no_network_is_refused(destination: str) -> None:
    with pytest.raises(InvalidValueError, match=f"network '{destination}'"):
        Route(destination, "192.0.2.254")


@pytest.mark.parametrize("mtu", [68, 1279])
def test_a_small_mtu_is_for_ipv4_only(mtu: int) -> None:
    assert InterfaceConfig(addresses=("192.0.2.1/24",), mtu=mtu).mtu == mtu
    with pytest.raises(InvalidValueError, match=f"MTU {mtu}: IPv6 needs at least 1280 bytes"):
        InterfaceConfig(addresses=("2001:db8::1/64",), mtu=mtu)


def test_the_smallest_mtu_for_ipv6_is_taken() -> None:
    assert InterfaceConfig(addresses=("2001:db8::1/64",), mtu=1280).mtu == 1280


def test_an_impossible_mtu_is_refused() -> None:
    with pytest.raises(InvalidValueError, match="MTU 67"):
        InterfaceConfig(mtu=67)
