# SPDX-License-Identifier: GPL-3.0-or-later
"""The sockets between us and QEMU."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from contextlib import contextmanager

from attrs import define, field

from alpy.adapters.holdings import Holdings


@define
class Channels:
    """Our ends of the monitor and the console, once they were opened."""

    _holdings: Holdings
    monitor: socket.socket | None = field(default=None, init=False)
    console: socket.socket | None = field(default=None, init=False)

    @contextmanager
    def open(self) -> Iterator[tuple[socket.socket, socket.socket]]:
        """QEMU's ends of monitor and console, to be inherited inside the block."""
        self.monitor, monitor_peer = self._holdings.socketpair("monitor")
        self.console, console_peer = self._holdings.socketpair("console")
        # Of what QEMU inherits, a copy left here would outlive it and hide its end.
        with monitor_peer, console_peer:
            yield monitor_peer, console_peer

    def close(self) -> None:
        """Close our ends; again does nothing."""
        for end in (self.monitor, self.console):
            if end:
                end.close()
