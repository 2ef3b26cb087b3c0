# SPDX-License-Identifier: GPL-3.0-or-later
"""A way to the host's Docker daemon that can fall silent, as one does that was killed and starts.

What it takes to see that is a socket that listens, and nobody who answers.
"""

from __future__ import annotations

import contextlib
import socket
import threading
from pathlib import Path
from typing import Final

_DAEMON: Final = "/var/run/docker.sock"
_PIECE: Final = 1 << 16
_JOIN_SECONDS: Final = 10.0


class DockerRelay:
    """Listens at *path*, and passes on what is said, until it falls silent."""

    def __init__(self, path: Path) -> None:
        self.host = f"unix://{path}"
        self._listener = socket.socket(socket.AF_UNIX)
        self._listener.bind(str(path))
        self._listener.listen()
        self._lock = threading.Lock()
        self._silent = False
        self._open: list[socket.socket] = []
        self._threads = [threading.Thread(target=self._accept)]
        self._threads[0].start()

    def fall_silent(self) -> None:
        """Break all conversations, and answer no new one."""
        with self._lock:
            self._silent = True
            self._break_all()

    def speak(self) -> None:
        """Answer those who come from now on."""
        with self._lock:
            self._silent = False
            self._break_all()

    def close(self) -> None:
        self._listener.shutdown(socket.SHUT_RDWR)
        with self._lock:
            self._break_all()
        for thread in self._threads:
            thread.join(_JOIN_SECONDS)
        for each in (self._listener, *self._open):
            each.close()

    def _break_all(self) -> None:
        for each in self._open:
            with contextlib.suppress(OSError):
                each.shutdown(socket.SHUT_RDWR)

    def _accept(self) -> None:
        with contextlib.suppress(OSError):  # it was closed
            while True:
                near, _ = self._listener.accept()
                with self._lock:
                    self._open.append(near)
                    if not self._silent:
                        self._relay(near)

    def _relay(self, near: socket.socket) -> None:
        far = socket.socket(socket.AF_UNIX)
        far.connect(_DAEMON)
        self._open.append(far)
        for ends in ((near, far), (far, near)):
            thread = threading.Thread(target=_pass_on, args=ends)
            self._threads.append(thread)
            thread.start()


def _pass_on(source: socket.socket, sink: socket.socket) -> None:
    with contextlib.suppress(OSError):
        while data := source.recv(_PIECE):
            sink.sendall(data)
    with contextlib.suppress(OSError):
        sink.shutdown(socket.SHUT_WR)
