# SPDX-License-Identifier: GPL-3.0-or-later
"""A tap without Docker: it stays in this namespace and ends with its last holder."""

from __future__ import annotations

import fcntl
import os
import struct

from alpy.core.link import Link

_TUNSETIFF = 0x400454CA
_TAP_WITHOUT_INFO = 0x1002


class OwnTap:
    """A Tap port; needs the right to make network interfaces."""

    def __init__(self, link: Link) -> None:
        self.link = link
        self._descriptor = os.open("/dev/net/tun", os.O_RDWR | os.O_CLOEXEC)
        self.name = f"own{os.getpid()}t{link.number}"
        fcntl.ioctl(
            self._descriptor,
            _TUNSETIFF,
            struct.pack("16sH22x", self.name.encode(), _TAP_WITHOUT_INFO),
        )

    def fileno(self) -> int:
        return self._descriptor

    def close(self) -> None:
        descriptor, self._descriptor = self._descriptor, -1
        if descriptor >= 0:
            os.close(descriptor)
