# SPDX-License-Identifier: GPL-3.0-or-later
"""What bounds a testbed: the same containers and the same QEMU, with nothing around them."""

from __future__ import annotations

import socket
import subprocess
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import IO, Final
from uuid import uuid4

import alpy
from alpy.adapters.side_by_side import side_by_side
from carrot import rabbit

_NODE: Final = ["--detach", "--interactive", "--network", "none", "alpy-busybox:latest", "cat"]


def docker(*words: str, timeout: float = 60) -> str:
    """What docker prints."""
    return subprocess.run(
        ["docker", *words], check=True, stdout=subprocess.PIPE, text=True, timeout=timeout
    ).stdout


def containers(count: int) -> dict[str, float]:
    """Seconds to start so many at once, as the nodes are started, and to remove them."""
    run = uuid4().hex[:8]
    names = [f"bench-{run}-{number}" for number in range(count)]

    def start(name: str) -> None:
        docker("run", "--name", name, *_NODE)

    started = time.monotonic()
    try:
        side_by_side(start, names)
        up = time.monotonic()
    finally:
        docker("rm", "--force", *names)
    return {"up": up - started, "down": time.monotonic() - up}


def app() -> float:
    """Seconds of a container that does nothing."""
    started = time.monotonic()
    docker("run", "--rm", "--network", "none", rabbit.TOOLS, "true")
    return time.monotonic() - started


def start_of_qemu(appliance: alpy.Appliance) -> float:
    """Seconds until its monitor answers."""
    started = time.monotonic()
    with _qemu(appliance, "-S", "-qmp", "stdio") as said:
        said.readline()
        return time.monotonic() - started


def boot(appliance: alpy.Appliance) -> float:
    """Seconds until a system without links asks who logs in."""
    started = time.monotonic()
    ours, theirs = socket.socketpair()
    chardev = f"socket,id=console,fd={theirs.fileno()}"
    words = ("-chardev", chardev, "-serial", "chardev:console")
    with ours, theirs, _qemu(appliance, *words, inherit=[theirs.fileno()]):
        ours.settimeout(60)
        said = b""
        while b"login: " not in said:
            said += ours.recv(4096)
        return time.monotonic() - started


@contextmanager
def _qemu(
    appliance: alpy.Appliance, *words: str, inherit: Sequence[int] = ()
) -> Iterator[IO[bytes]]:
    kernel = appliance.kernel
    assert kernel is not None
    machine = ["-accel", "tcg", "-machine", appliance.machine, "-cpu", "max"]
    machine += ["-nodefaults", "-display", "none", "-m", f"{appliance.memory_mib}M"]
    machine += ["-kernel", str(kernel.image), "-initrd", str(kernel.initrd)]
    machine += ["-append", kernel.command_line]
    with subprocess.Popen(
        ["qemu-system-x86_64", *machine, *words],
        pass_fds=inherit,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    ) as process:
        assert process.stdout is not None
        try:
            yield process.stdout
        finally:
            process.kill()
