# SPDX-License-Identifier: GPL-3.0-or-later
"""Appliances of a few bytes: they greet on the serial port and wait for the power button."""

from __future__ import annotations

import struct
from pathlib import Path

_COM1, _PM1_STATUS, _PM1_ENABLE, _PM1_CONTROL = 0x3F8, 0x600, 0x602, 0x604
_POWER_BUTTON, _SOFT_OFF = 0x100, 0x2000

GREETING = "Hi\n"


def _code(prefix: bytes) -> bytes:
    """For a CPU in 16 bits; in 32 bits each instruction with a 16-bit operand has a *prefix*."""

    def dx(port: int) -> bytes:
        return prefix + b"\xba" + struct.pack("<H", port)

    def out_ax(port: int, value: int) -> bytes:
        return dx(port) + prefix + b"\xb8" + struct.pack("<H", value) + prefix + b"\xef"

    text = b"".join(b"\xb0" + bytes([letter]) + b"\xee" for letter in GREETING.encode())
    # again: in ax, dx; test ax, POWER_BUTTON; jz again
    poll = prefix + b"\xed" + prefix + b"\xa9" + struct.pack("<H", _POWER_BUTTON)
    wait = dx(_PM1_STATUS) + poll + b"\x74" + struct.pack("b", -len(poll) - 2)
    off = out_ax(_PM1_CONTROL, _SOFT_OFF) + b"\xf4\xeb\xfd"
    # It listens to the button before it greets, for then somebody may press it.
    return out_ax(_PM1_ENABLE, _POWER_BUTTON) + dx(_COM1) + text + wait + off


def write_disk(path: Path) -> Path:
    """A raw disk with the appliance in its boot sector."""
    path.write_bytes(_code(b"").ljust(510, b"\0") + b"\x55\xaa" + bytes(1 << 20))
    return path


def write_kernel(path: Path) -> Path:
    """A Multiboot kernel."""
    magic, flags, at = 0x1BADB002, 1 << 16, 0x100000
    checksum = -(magic + flags) & 0xFFFFFFFF
    header = struct.pack("<8I", magic, flags, checksum, at, at, 0, 0, at + 32)
    path.write_bytes(header + _code(b"\x66"))
    return path
