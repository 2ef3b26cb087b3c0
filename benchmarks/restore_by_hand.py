# SPDX-License-Identifier: GPL-3.0-or-later
"""A saved state in a QEMU without alpy, started by the same command line."""

from __future__ import annotations

import json
import re
import shlex
import socket
import subprocess
import time
from collections.abc import Mapping
from pathlib import Path

from alpy.adapters.qemu.saved_state import DEVICES, MEMORY
from benchmarks.by_hand import with_values

_SECONDS = 30.0


def restore(command: str, state: Path) -> float:
    """Seconds from the start of QEMU until the shell answers an empty line with a prompt.

    *command* has restored the *state* for alpy, without links.
    """
    monitor, its_monitor = socket.socketpair()
    console, its_console = socket.socketpair()
    with monitor, its_monitor, console, its_console:
        words = restore_command(
            command, state, monitor=its_monitor.fileno(), console=its_console.fileno()
        )
        began = time.monotonic()
        with subprocess.Popen(
            words,
            pass_fds=[its_monitor.fileno(), its_console.fileno()],
            stdin=subprocess.DEVNULL,
        ) as process:
            try:
                _load(monitor, state / DEVICES)
                console.sendall(b"\n")
                _read_until(console, b"rabbit# ")
                return time.monotonic() - began
            finally:
                process.kill()


def restore_command(command: str, state: Path, *, monitor: int, console: int) -> list[str]:
    """*command*, with these descriptors, and the memory of *state* by its name."""
    words = shlex.split(command)
    memory = next(word for word in words if word.startswith("memory-backend-file,"))
    path = str(state / MEMORY).replace(",", ",,")
    return with_values(
        words,
        {
            "socket,id=monitor,": f"socket,id=monitor,fd={monitor}",
            "socket,id=console,": f"socket,id=console,fd={console}",
            memory: re.sub(r"/proc/self/fd/\d+", lambda _: path, memory),
        },
    )


def _load(monitor: socket.socket, devices: Path) -> None:
    monitor.settimeout(_SECONDS)
    _read_until(monitor, b"QMP")
    capabilities = [{"capability": name, "state": True} for name in ("x-ignore-shared", "events")]
    with devices.open("rb") as file:
        _say(monitor, "qmp_capabilities")
        _say(monitor, "migrate-set-capabilities", {"capabilities": capabilities})
        _say(monitor, "migrate-set-parameters", {"announce-rounds": 0})
        _say(monitor, "getfd", {"fdname": "state"}, descriptor=file.fileno())
        _say(monitor, "migrate-incoming", {"uri": "fd:state"})
        _read_until(monitor, b'"completed"')
    _say(monitor, "cont")


def _say(
    monitor: socket.socket,
    command: str,
    arguments: Mapping[str, object] | None = None,
    *,
    descriptor: int | None = None,
) -> None:
    text = json.dumps({"execute": command, "arguments": arguments or {}}).encode()
    socket.send_fds(monitor, [text], [] if descriptor is None else [descriptor])


def _read_until(connection: socket.socket, wanted: bytes) -> None:
    connection.settimeout(_SECONDS)
    said = b""
    while wanted not in said:
        more = connection.recv(4096)
        assert more, f"it ended, and had said {said!r}"
        said += more
