# SPDX-License-Identifier: GPL-3.0-or-later
"""What /proc/PID/net tells about a network namespace: pure parsers, after proc(5)."""

from __future__ import annotations

from typing import Final

from attrs import frozen

# The state of a socket in /proc/net/tcp, from TCP_LISTEN in the kernel's net/tcp_states.h.
_LISTEN: Final = "0A"
# /proc/net/dev has two lines of headings.
_DEV_HEADINGS: Final = 2


@frozen(kw_only=True)
class DeviceCounters:
    """One interface's frames, as its own namespace sees them."""

    received: int
    receive_errors: int
    receive_overruns: int
    sent: int
    send_errors: int
    send_dropped: int


def device_counters(text: str) -> dict[str, DeviceCounters]:
    """The counters of each interface in *text*, which is /proc/net/dev.

    The received frames' "drop" column is left out on purpose. It counts frames that arrived and
    that no program wanted, as LLDP frames in a node that runs no LLDP: they did cross the link.
    """
    counters = {}
    for line in text.splitlines()[_DEV_HEADINGS:]:
        name, _, columns = line.partition(":")
        # Eight columns received, then eight sent: bytes packets errs drop fifo and three more.
        numbers = [int(column) for column in columns.split()]
        counters[name.strip()] = DeviceCounters(
            received=numbers[1],
            receive_errors=numbers[2],
            receive_overruns=numbers[4],
            sent=numbers[9],
            send_errors=numbers[10],
            send_dropped=numbers[11],
        )
    return counters


def listening_ports(text: str) -> frozenset[int]:
    """The ports in state LISTEN in *text*, which is /proc/net/tcp or tcp6."""
    ports = set()
    for line in text.splitlines()[1:]:
        _slot, local, _remote, state, *_rest = line.split()
        if state == _LISTEN:
            ports.add(int(local.rpartition(":")[2], 16))
    return frozenset(ports)
