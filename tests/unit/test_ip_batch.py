# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

from alpy.adapters.docker import ip_batch
from alpy.core.interface import InterfaceConfig, Route
from alpy.core.link import Link


def test_a_tap_is_made_for_its_owner_and_tells_whose_it_is() -> None:
    assert ip_batch.make_tap("alpyx0", owner=1000, alias="alpy run=1") == [
        "tuntap add dev alpyx0 mode tap user 1000",
        'link set dev alpyx0 alias "alpy run=1"',
    ]


def test_a_tap_is_moved_named_and_raised_in_one_line() -> None:
    link = Link(number=1, mtu=9000, queue_length=77)
    assert ip_batch.move_tap("alpyx1", link, node_pid=42) == (
        "link set dev alpyx1 netns 42 name eth0 address 02:a1:00:01:00:01 mtu 9000 txqueuelen 77 up"
    )


def test_addresses_come_before_the_routes_that_need_them() -> None:
    config = InterfaceConfig(
        addresses=("192.0.2.1/24", "2001:db8::1/64"),
        gateways=("192.0.2.254", "fe80::1"),
        routes=(Route("203.0.113.0/24", "192.0.2.2"),),
        mtu=1400,
    )
    assert ip_batch.configure(config) == [
        "link set dev eth0 mtu 1400",
        "address replace 192.0.2.1/24 dev eth0",
        "address replace 2001:db8::1/64 dev eth0",
        "route replace 0.0.0.0/0 via 192.0.2.254 dev eth0",
        "route replace ::/0 via fe80::1 dev eth0",
        "route replace 203.0.113.0/24 via 192.0.2.2 dev eth0",
    ]


def test_a_configuration_of_nothing_needs_no_line() -> None:
    assert ip_batch.configure(InterfaceConfig()) == []


BATCH = ["link set dev nosuch up", "link show dev lo", "route replace ::/0 via fe80::1 dev eth0"]
SAID = """Cannot find device "nosuch"
Command failed -:7
Error: Nexthop has invalid gateway.
Command failed -:9
Object "." is unknown, try "ip help".
Command failed -:10
"""


def test_a_failed_line_is_known_by_its_number() -> None:
    assert ip_batch.failures(SAID, first=7) == {
        0: 'Cannot find device "nosuch"',
        2: "Error: Nexthop has invalid gateway",
        3: 'Object "." is unknown, try "ip help"',
    }


def test_what_was_said_of_an_earlier_batch_is_not_held_against_this_one() -> None:
    assert list(ip_batch.failures(SAID, first=9)) == [0, 1]


def test_the_first_line_that_failed_is_refused_with_its_reason_and_its_place() -> None:
    refusal = ip_batch.refusal(BATCH, SAID, first=7, place=" in node3")
    assert refusal.asked == "ip link set dev nosuch up in node3"
    assert refusal.found == 'Cannot find device "nosuch"'


def test_an_ip_that_calls_no_line_failed_is_refused_with_all_that_it_said() -> None:
    refusal = ip_batch.refusal(BATCH[:2], "ip: unrecognized option '-batch'\n")
    assert refusal.asked == "ip link set dev nosuch up; link show dev lo"
    assert refusal.found == "ip: unrecognized option '-batch'"


def test_a_tap_that_is_there_already_may_be_a_leftover() -> None:
    said = "ioctl(TUNSETIFF): Device or resource busy\nCommand failed -:1\n"
    assert "ip link delete removes it" in ip_batch.refusal(BATCH, said).remedy
