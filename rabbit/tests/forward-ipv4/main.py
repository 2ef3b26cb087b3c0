#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-3.0-or-later
"""Rabbit forwards IPv4 between two subnets: ping and TCP get through, the TTL goes down by one."""

import sys

import alpy
from carrot import program, rabbit, traffic

# Linux sends with a TTL of 64 (net.ipv4.ip_default_ttl), and Rabbit is the one router on the way.
TTL_BEHIND_ONE_ROUTER = 63


def test(bed: alpy.Testbed, misconfigure: bool) -> str:
    client, server = bed.nodes
    client.configure("192.168.1.1/24", gateway="192.168.1.254")
    server.configure("192.168.2.1/24", gateway="192.168.2.254")
    shell = rabbit.start(bed)
    rabbit.route(shell, "192.168.1.254/24", "192.168.2.254/24")
    if misconfigure:
        rabbit.set_forwarding(shell, on=False)

    report = traffic.ping(client, "192.168.2.1")
    assert report.received == report.sent, (
        f"{report.sent} pings were sent through Rabbit and {report.received} were answered: "
        "it does not forward IPv4"
    )
    ttls = set(report.ttls)
    assert ttls == {TTL_BEHIND_ONE_ROUTER}, f"TTL {ttls} behind one router; it goes down by one"
    rate = traffic.tcp_rate(client, server, "192.168.2.1", seconds=2)

    rabbit.shut_down(bed.dut)
    return f"{report.received} pings answered with TTL {ttls.pop()}, TCP at {rate:.0f} Mbit/s"


if __name__ == "__main__":
    sys.exit(program.main(test, name="forward-ipv4", links=2))
