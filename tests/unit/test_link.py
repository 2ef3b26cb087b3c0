# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

from ipaddress import ip_interface
from typing import Any

import pytest
from attrs import evolve, exceptions
from hypothesis import given
from hypothesis import strategies as st

from alpy.core.errors import InvalidValueError
from alpy.core.interface import InterfaceConfig, Route, check_mtu
from alpy.core.link import DEFAULT_QUEUE_LENGTH, Link, LinkCounters, check_mac


@given(st.integers(0, 0xFFFF))
def test_both_macs_of_a_link_are_local_unicast_and_told_by_its_number(number: int) -> None:
    link = Link(number=number)
    for mac in (link.appliance_mac, link.node_mac):
        assert check_mac(mac) == mac
        assert int(mac[:2], 16) & 0b11 == 0b10
        assert int(mac.replace(":", "")[-4:], 16) == number
    assert link.appliance_mac != link.node_mac


def test_macs_are_the_same_on_every_run() -> None:
    link = Link(number=258)
    assert (link.appliance_mac, link.node_mac) == ("02:a1:00:00:01:02", "02:a1:00:01:01:02")


@given(st.sets(st.integers(0, 0xFFFF), min_size=2, max_size=20))
def test_no_two_links_share_a_mac(numbers: set[int]) -> None:
    links = [Link(number=number) for number in numbers]
    assert len({mac for link in links for mac in (link.appliance_mac, link.node_mac)}) == 2 * len(
        numbers
    )


@pytest.mark.parametrize("number", [-1, 1 << 16])
def test_an_impossible_number_is_refused(number: int) -> None:
    with pytest.raises(InvalidValueError, match=rf"link number {number}: .*numbered from 0"):
        Link(number=number)


@pytest.mark.parametrize(
    ("mac", "why"),
    [
        ("", "six bytes"),
        ("02:a1:00:00:00", "six bytes"),
        ("02:a1:00:00:00:01:02", "six bytes"),
        ("02-a1-00-00-00-01", "six bytes"),
        ("02:a1:00:00:00:0g", "six bytes"),
        ("02:a1:00:00:00:01\n", "six bytes"),
        ("01:00:5e:00:00:01", "group address"),
        ("ff:ff:ff:ff:ff:ff", "group address"),
        ("00:00:00:00:00:00", "can't be given"),
    ],
)
def test_an_impossible_mac_is_refused_and_shown(mac: str, why: str) -> None:
    with pytest.raises(InvalidValueError, match=why) as refused:
        Link(number=0, appliance_mac=mac)
    assert mac.strip() in str(refused.value)


def test_a_mac_is_written_in_lower_case() -> None:
    assert Link(number=0, node_mac="02:AB:CD:EF:00:01").node_mac == "02:ab:cd:ef:00:01"


@pytest.mark.parametrize("mtu", [68, 1280, 1500, 9000, 65521])
def test_a_tap_takes_these_mtus(mtu: int) -> None:
    assert Link(number=0, mtu=mtu).mtu == check_mtu(mtu) == mtu


@pytest.mark.parametrize("mtu", [-1, 0, 67, 65522])
def test_an_impossible_mtu_is_refused(mtu: int) -> None:
    with pytest.raises(InvalidValueError, match=rf"^MTU {mtu}: a tap takes 68 to 65521 bytes$"):
        Link(number=0, mtu=mtu)


@pytest.mark.parametrize("length", [1, 1_000_000])
def test_a_queue_may_be_so_long(length: int) -> None:
    assert Link(number=0, queue_length=length).queue_length == length


@pytest.mark.parametrize("length", [-1, 0, 1_000_001])
def test_an_impossible_queue_length_is_refused(length: int) -> None:
    with pytest.raises(InvalidValueError, match=rf"queue length {length}: 1 to 1000000 frames"):
        Link(number=0, queue_length=length)


def test_the_defaults_are_honest() -> None:
    link = Link(number=3)
    assert (link.mtu, link.offload, link.queue_length) == (1500, False, DEFAULT_QUEUE_LENGTH)
    assert link.capture_name == "link3.pcap"


def test_a_link_can_not_be_changed() -> None:
    with pytest.raises(exceptions.FrozenInstanceError):
        Link(number=0).mtu = 9000  # type: ignore[misc]


@pytest.mark.parametrize("what", ["dropped_in", "dropped_out", "errors"])
def test_a_link_that_lost_a_frame_is_not_lossless(what: str) -> None:
    counters = LinkCounters(
        link=0, frames_in=5, frames_out=6, dropped_in=0, dropped_out=0, errors=0
    )
    assert counters.lossless
    assert not evolve(counters, **{what: 1}).lossless


def test_a_link_says_what_its_nodes_interface_is_given() -> None:
    link = Link(
        number=0,
        addresses=["192.0.2.1/24", "2001:db8::1/64"],
        gateways="192.0.2.254",
        routes=[("203.0.113.0/24", "192.0.2.2")],
    )
    assert link.interface == InterfaceConfig(
        addresses=("192.0.2.1/24", "2001:db8::1/64"),
        gateways=("192.0.2.254",),
        routes=(Route("203.0.113.0/24", "192.0.2.2"),),
    )
    assert Link(number=0).interface == InterfaceConfig()


def test_one_address_needs_no_brackets() -> None:
    assert Link(number=0, addresses="192.0.2.1/24").addresses == (ip_interface("192.0.2.1/24"),)


@pytest.mark.parametrize(
    ("facts", "why"),
    [
        ({"gateways": "192.0.2.254"}, "none of the networks"),
        ({"addresses": "2001:db8::1/64", "mtu": 1279}, "IPv6 needs at least 1280"),
        ({"routes": ["203.0.113.0/24"]}, "a pair of network and router"),
    ],
)
def test_what_cannot_work_together_is_refused_with_the_link(facts: Any, why: str) -> None:
    with pytest.raises(InvalidValueError, match=why):
        Link(number=0, **facts)
