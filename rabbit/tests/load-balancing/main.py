#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-3.0-or-later
"""Rabbit balances HTTP over two servers: each gets its share; one gone, the other gets all."""

import sys

import alpy
from carrot import program, rabbit, traffic

REQUESTS = 20
URL = "http://192.168.1.254/"


def test(bed: alpy.Testbed, misconfigure: bool) -> str:
    client, left, right = bed.nodes
    client.configure("192.168.1.1/24")
    left.configure("192.168.2.1/24")
    right.configure("192.168.3.1/24")
    left_server = traffic.http_server(left, "left")
    traffic.http_server(right, "right")
    shell = rabbit.start(bed)
    rabbit.route(shell, "192.168.1.254/24", "192.168.2.254/24", "192.168.3.254/24")
    servers = ["192.168.2.1:80"] if misconfigure else ["192.168.2.1:80", "192.168.3.1:80"]
    rabbit.balance_http(shell, "192.168.1.254:80", servers)

    shared = traffic.http_answers(client, URL, times=REQUESTS)
    assert shared == {"left": REQUESTS // 2, "right": REQUESTS // 2}, (
        f"of {REQUESTS} requests the servers answered {dict(shared)}; half each is demanded"
    )
    left_server.stop()
    alone = traffic.http_answers(client, URL, times=REQUESTS)
    assert alone == {"right": REQUESTS}, (
        f"with one server taken away, {dict(alone)} of {REQUESTS} requests were answered"
    )

    rabbit.shut_down(bed.dut)
    return f"{dict(shared)} of {REQUESTS} requests, then {dict(alone)} with one server taken away"


if __name__ == "__main__":
    sys.exit(program.main(test, name="load-balancing", links=3))
