# SPDX-License-Identifier: GPL-3.0-or-later
"""A console on a TCP port of this host, for people who watch and type with `telnet` or `nc`."""

from __future__ import annotations

import selectors
import socket
import threading
from collections.abc import Callable

from alpy.adapters.holdings import Holdings
from alpy.core.errors import AlpyError, HostError
from alpy.core.narrative import get_logger

_HOST = "127.0.0.1"
_MAKER = "console-server"
_CLOSE_SECONDS = 5.0
_TELNET_COMMAND = 0xFF  # "interpret as command"

log = get_logger("alpy.console")


class ConsoleServer:
    """Shows each client what is printed from then on, and hands over what it types.

    Any number of clients may come and go. One that does not keep up is dropped: nobody waits for
    it. Of the telnet protocol only this is known: what starts with IAC (byte 255) is not typed.

    Raises:
        HostError: the port is taken, or not allowed.
    """

    def __init__(
        self, port: int, *, type_in: Callable[[bytes], None], holdings: Holdings | None = None
    ) -> None:
        self._type_in = type_in
        self._holdings = holdings or Holdings()
        self._listener = _listen(port)
        self.port: int = self._listener.getsockname()[1]
        self._clients: set[socket.socket] = set()
        self._lock = threading.Lock()
        self._wake, self._woken = self._holdings.socketpair(_MAKER)
        self._holdings.note(self._listener, _MAKER)
        self._thread = self._holdings.thread(self._serve, _MAKER)
        self._thread.start()

    def show(self, data: bytes) -> None:
        """Send *data* to every client, without waiting for any."""
        with self._lock:
            for client in list(self._clients):
                try:
                    sent = client.send(data)
                except OSError:
                    sent = -1
                if sent != len(data):
                    self._hang_up(client)

    def close(self) -> None:
        """Hang up, and give the port back. Again does nothing."""
        self._wake.close()
        self._thread.join(_CLOSE_SECONDS)

    def _serve(self) -> None:
        with selectors.DefaultSelector() as selector:
            selector.register(self._listener, selectors.EVENT_READ)
            selector.register(self._woken, selectors.EVENT_READ)
            while True:
                ready = {key.fileobj for key, _ in selector.select()}
                if self._woken in ready:
                    break
                for connection in ready:
                    if connection is self._listener:
                        self._accept(selector)
                    elif isinstance(connection, socket.socket):
                        self._hear(selector, connection)
        self._end()

    def _accept(self, selector: selectors.BaseSelector) -> None:
        try:
            client, address = self._listener.accept()
        except OSError:  # it left before we came
            return
        self._holdings.note(client, _MAKER)
        client.setblocking(False)
        selector.register(client, selectors.EVENT_READ)
        with self._lock:
            self._clients.add(client)
        log.info("Console watched", client=f"{address[0]}:{address[1]}")

    def _hear(self, selector: selectors.BaseSelector, client: socket.socket) -> None:
        try:
            typed = client.recv(4096)
        except BlockingIOError:
            return
        except OSError:
            typed = b""
        if typed and self._pass_on(typed):
            return
        selector.unregister(client)
        with self._lock:
            self._hang_up(client)
            client.close()

    def _pass_on(self, typed: bytes) -> bool:
        if typed[0] == _TELNET_COMMAND:
            return True
        try:
            self._type_in(typed)
        except AlpyError as error:
            log.warning("Typing over TCP failed", why=str(error))
            return False
        return True

    def _hang_up(self, client: socket.socket) -> None:
        # Shut down only: the serving thread still selects on it, sees the end and closes it.
        self._clients.discard(client)
        try:
            client.shutdown(socket.SHUT_RDWR)
        except OSError:  # the client was faster
            return

    def _end(self) -> None:
        with self._lock:
            for client in self._clients:
                client.close()
            self._clients.clear()
        self._listener.close()
        self._woken.close()


def _listen(port: int) -> socket.socket:
    listener = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    try:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind((_HOST, port))
        listener.listen()
        listener.setblocking(False)
    except OSError as error:
        listener.close()
        raise HostError(
            asked=f"listen for the console on {_HOST}:{port}",
            found=error.strerror or str(error),
            remedy="Choose another console port, or none.",
        ) from error
    return listener
