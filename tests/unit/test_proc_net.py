# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

from alpy.adapters.proc_net import DeviceCounters, device_counters, listening_ports

# Linux 6.1, in a node; the numbers are made different from each other.
DEV = """\
Inter-|   Receive                                                |  Transmit
 face |bytes    packets errs drop fifo frame compressed multicast|bytes    packets errs drop fifo
    lo:       0       0    0    0    0     0          0         0        0       0    0    0    0
  eth0:     840      14    1    2    3     4          5         6      700       9   10   11   12
"""

TCP = """\
  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode
   0: 0100007F:1451 00000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 1 1 0
   1: 0100007F:1451 0100007F:D2F0 01 00000000:00000000 00:00000000 00000000     0        0 2 1 0
"""

TCP6 = """\
  sl  local_address                         remote_address                        st tx_queue
   0: 00000000000000000000000000000000:0050 00000000000000000000000000000000:0000 0A 00000000:0
"""


def test_counters_are_read_from_their_columns() -> None:
    assert device_counters(DEV)["eth0"] == DeviceCounters(
        received=14, receive_errors=1, receive_overruns=3, sent=9, send_errors=10, send_dropped=11
    )


def test_every_interface_is_read() -> None:
    assert set(device_counters(DEV)) == {"lo", "eth0"}


def test_a_name_that_touches_its_first_number_is_read() -> None:
    touching = DEV.replace("  eth0:     840", "  eth0:4294967296")
    assert device_counters(touching)["eth0"].received == 14


def test_ports_that_listen_are_found_and_connected_ones_are_not() -> None:
    assert listening_ports(TCP) == {0x1451}


def test_ports_of_ipv6_are_found() -> None:
    assert listening_ports(TCP6) == {80}


def test_a_table_of_no_sockets_has_no_ports() -> None:
    assert listening_ports(TCP.splitlines()[0]) == frozenset()
