#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-3.0-or-later
"""Ethernet frames that can be told apart, and a program that sends them as fast as it can.

`carrot.traffic.send_frames` runs it in a node, where there is nothing but Python: it imports no
other package.
"""

from __future__ import annotations

import random
import socket
import struct
import sys
from collections.abc import Iterator

# Set aside for local experiments (IEEE 802, clause 9.2.3): no host answers it.
ETHER_TYPE = b"\x88\xb5"
SHORTEST, LONGEST = 60, 1514
_DESTINATION = bytes.fromhex("02a1000000ff")
_SOURCE = bytes.fromhex("02a1000100ff")


def numbered_frames(count: int) -> Iterator[bytes]:
    """*count* frames that go through every length again and again; no two are equal."""
    filler = random.Random(4).randbytes(LONGEST)  # noqa: S311  bytes of every value, not a secret
    head = _DESTINATION + _SOURCE + ETHER_TYPE
    for number in range(count):
        length = SHORTEST + number % (LONGEST - SHORTEST + 1)
        yield (head + struct.pack(">I", number) + filler)[:length]


def _tagged(source: str, vlan: int) -> bytes:
    return bytes.fromhex(f"02a1000000ff{source}8100{vlan:04x}") + ETHER_TYPE + bytes(46)


def peculiar_frames() -> dict[str, bytes]:
    """Frames that bridges, network stacks or offloads like to eat, hold or change."""
    source = "02a1000100ff"
    return {
        "spanning tree": bytes.fromhex(f"0180c2000000{source}0026424203") + bytes(43),
        "pause": bytes.fromhex(f"0180c2000001{source}88080001ffff") + bytes(42),
        "LACP": bytes.fromhex(f"0180c2000002{source}880901") + bytes(109),
        "802.1X": bytes.fromhex(f"0180c2000003{source}888e0101") + bytes(46),
        "LLDP": bytes.fromhex(f"0180c200000e{source}88cc0207") + bytes(50),
        "VLAN 5": _tagged(source, 5),
        "VLAN 0 with priority": _tagged(source, 0xE000),
        "stacked VLANs": bytes.fromhex(f"02a1000000ff{source}88a8000781000009") + bytes(60),
        "unknown EtherType": bytes.fromhex(f"02a1000000ff{source}fafa") + bytes(range(200)),
        "broadcast": bytes.fromhex(f"ffffffffffff{source}") + ETHER_TYPE + bytes(46),
        "padded runt": bytes.fromhex(f"02a1000000ff{source}fafb00112233").ljust(SHORTEST, b"\0"),
        "unpadded runt": bytes.fromhex(f"02a1000000ff{source}fafc00112233"),
        "bad IPv4 checksum": bytes.fromhex(f"02a1000000ff{source}0800") + bytes([0x45] * 60),
    }


def _send(frames: Iterator[bytes]) -> int:
    sent = 0
    with socket.socket(socket.AF_PACKET, socket.SOCK_RAW) as wire:
        wire.bind(("eth0", 0))
        for frame in frames:
            wire.send(frame)
            sent += 1
    return sent


if __name__ == "__main__":
    wanted = sys.argv[1]
    frames = iter(peculiar_frames().values()) if wanted == "peculiar" else None
    sys.stdout.write(f"{_send(frames or numbered_frames(int(wanted)))} sent\n")
