# SPDX-License-Identifier: GPL-3.0-or-later
"""`ip` in a container: it takes commands from us, line by line, and ends when we do."""

from __future__ import annotations

import select
import socket
import threading
from collections.abc import Sequence
from typing import Any, Final

from alpy.adapters.docker import ip_batch
from alpy.adapters.docker.app_output import FrameDecoder
from alpy.adapters.docker.engine import DockerEngine, Role
from alpy.adapters.docker.errors import translated
from alpy.core.waiting import Deadline

_READ_SIZE: Final = 1 << 16


class IpContainer:
    """A container whose only process of ours is `ip -batch -`, with its input attached to us.

    When this process dies in whatever way, `ip` sees the end of its input, and Docker removes the
    container. No shell, and NET_ADMIN as the only capability.
    """

    def __init__(self, *, engine: DockerEngine, image: str, name: str, role: Role) -> None:
        self.name = name
        self._engine = engine
        self._image = image
        self._role = role
        self._connection: socket.socket | None = None
        # `ip` counts the lines that it has read, and calls one that failed by its number.
        self._lines = 0
        self._conversing = threading.Lock()

    def start(self, **options: Any) -> None:
        """Make the container and start it; *options* are docker-py's.

        Raises:
            DockerError: the daemon refused.
        """
        self._engine.create(
            self.name,
            image=self._image,
            role=self._role,
            entrypoint=["ip"],
            command=list(ip_batch.OPTIONS),
            stdin_open=True,
            user="0",
            cap_drop=["ALL"],
            cap_add=["NET_ADMIN"],
            security_opt=["no-new-privileges"],
            healthcheck={"test": ["NONE"]},
            log_config={"Type": "none"},
            # Without this, a daemon that shuts down waits ten seconds for each of them.
            stop_signal="SIGKILL",
            auto_remove=True,
            **options,
        )
        self._connection = self._engine.attach(self.name, stdin=True, stderr=True)
        self._engine.start(self.name)

    def run(self, batch: Sequence[str]) -> None:
        """Have *batch* done; when a line fails, those behind it are tried all the same.

        Raises:
            DockerError: `ip` refused; which line and why is in it. Or the container is gone.
        """
        if not batch:
            return
        with self._conversing, translated(f"have ip work in container {self.name}"):
            first = self._lines + 1
            said = self._converse([*batch, ip_batch.END])
        # The line behind the batch always fails.
        if len(ip_batch.failures(said, first=first)) > 1:
            place = f" in {self.name}" if self._role == "node" else ""
            raise ip_batch.refusal(batch, said, first=first, place=place)

    def _converse(self, lines: Sequence[str]) -> str:
        connection = self._connection
        if connection is None:
            raise ConnectionError("it was never started, or is closed")
        deadline = Deadline.after(self._engine.limits.container, clock=self._engine.clock)
        connection.settimeout(deadline.host_remaining)
        connection.sendall(ip_batch.text(lines))
        self._lines += len(lines)
        end = ip_batch.failed(self._lines).encode()
        decoder, said = FrameDecoder(), b""
        while not said.endswith(end):
            connection.settimeout(max(deadline.host_remaining, 0.001))
            data = connection.recv(_READ_SIZE)
            if not data:
                raise ConnectionError(f"ip ended: {said.decode(errors='backslashreplace').strip()}")
            said += b"".join(piece for _stream, piece in decoder.feed(data))
        return said.decode(errors="backslashreplace")

    @property
    def hung_up(self) -> bool:
        """Whether the daemon has ended the connection, though we have not."""
        if self._connection is None:
            return False
        end = select.poll()
        end.register(self._connection, select.POLLRDHUP)
        return bool(end.poll(0))

    def hang_up(self) -> None:
        """Let `ip` end. Docker removes the container soon; `remove` makes sure of it."""
        connection, self._connection = self._connection, None
        if connection is not None:
            connection.close()

    def remove(self) -> None:
        """Remove the container, which may never have been. Again does nothing.

        Raises:
            DockerError: it is still there.
        """
        try:
            self._engine.remove(self.name)
        finally:
            # If the removal failed, this ends `ip`, and Docker may remove the container later.
            self.hang_up()
