# SPDX-License-Identifier: GPL-3.0-or-later
"""The far end of a monitor, which obeys a test: it speaks QMP as told, or breaks it."""

from __future__ import annotations

import json
import socket
import threading
from collections.abc import Mapping
from contextlib import suppress
from typing import Any

GREETING = b'{"QMP": {"version": {}, "capabilities": []}}\r\n'


class QmpPeer:
    """Answers in a thread of its own. What is not planned is answered with an empty result."""

    def __init__(self, connection: socket.socket, *, greeting: bytes | None = GREETING) -> None:
        self._connection = connection
        self._greeting = greeting
        self._writing = threading.Lock()
        self._plans: dict[str, Any] = {}
        self._timers: list[threading.Timer] = []
        self.requests: list[dict[str, Any]] = []
        self._thread = threading.Thread(target=self._serve, daemon=True)
        self._thread.start()

    def plan_result(self, command: str, result: Any) -> None:
        self._plans[command] = {"return": result}

    def plan_refusal(self, command: str, reason: str) -> None:
        self._plans[command] = {"error": {"class": "GenericError", "desc": reason}}

    def plan_silence(self, command: str) -> None:
        self._plans[command] = None

    def plan_end(self, command: str) -> None:
        self._plans[command] = EOFError

    def plan_bytes(self, command: str, answer: bytes) -> None:
        self._plans[command] = answer

    def report(self, name: str, data: Mapping[str, Any] | None = None, *, after: float = 0) -> None:
        line = json.dumps({"event": name, "data": dict(data or {})}).encode() + b"\r\n"
        if not after:
            self.send(line)
            return
        timer = threading.Timer(after, self.send, args=(line,))
        self._timers.append(timer)
        timer.start()

    def send(self, data: bytes) -> None:
        with self._writing, suppress(OSError):
            self._connection.sendall(data)

    def end(self) -> None:
        with suppress(OSError):
            self._connection.shutdown(socket.SHUT_RDWR)

    def commands(self) -> list[str]:
        names = [request["execute"] for request in self.requests]
        return [name for name in names if name != "qmp_capabilities"]

    def close(self) -> None:
        for timer in self._timers:
            timer.cancel()
            timer.join(5)
        self.end()
        self._thread.join(5)
        self._connection.close()

    def _serve(self) -> None:
        if self._greeting is not None:
            self.send(self._greeting)
        with suppress(OSError), self._connection.makefile("rb") as lines:
            for line in lines:
                self._answer(json.loads(line))

    def _answer(self, request: dict[str, Any]) -> None:
        self.requests.append(request)
        plan = self._plans.get(request["execute"], {"return": {}})
        if plan is EOFError:
            self.end()
        elif isinstance(plan, bytes):
            self.send(plan)
        elif plan is not None:
            number = {"id": request["id"]} if "id" in request else {}
            self.send(json.dumps({**plan, **number}).encode() + b"\r\n")
