#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-3.0-or-later
"""Rabbit limits the rate of what it forwards: at 1 Mbit/s, TCP gets that within 10 %."""

import sys

import alpy
from carrot import program, rabbit, traffic

LIMIT = 1.0  # Mbit/s
TOLERANCE = 0.1


def test(bed: alpy.Testbed, misconfigure: bool) -> str:
    client, server = bed.nodes
    client.configure("192.168.1.1/24", gateway="192.168.1.254")
    server.configure("192.168.2.1/24", gateway="192.168.2.254")
    shell = rabbit.start(bed)
    rabbit.route(shell, "192.168.1.254/24", "192.168.2.254/24")
    rabbit.limit_rate(shell, 1, "2mbit" if misconfigure else "1mbit")

    rate = traffic.tcp_rate(client, server, "192.168.2.1", seconds=5)
    assert abs(rate - LIMIT) <= TOLERANCE * LIMIT, (
        f"{rate:.2f} Mbit/s came through a limit of {LIMIT:g} Mbit/s; "
        f"within {TOLERANCE:.0%} is demanded"
    )

    rabbit.shut_down(bed.dut)
    return f"{rate:.2f} Mbit/s through a limit of {LIMIT:g} Mbit/s"


if __name__ == "__main__":
    sys.exit(program.main(test, name="rate-limit", links=2))
