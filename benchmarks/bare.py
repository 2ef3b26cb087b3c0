# SPDX-License-Identifier: GPL-3.0-or-later
"""What bounds a testbed: the same containers and the same QEMU, with nothing around them."""

from __future__ import annotations

import socket
import subprocess
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager
from functools import partial
from typing import IO, Final, TypeVar
from uuid import uuid4

from docker import DockerClient, from_env
from docker.types import LogConfig

import alpy
from alpy.adapters.side_by_side import WORKERS
from carrot import rabbit

T = TypeVar("T")

_IMAGE: Final = "alpy-busybox:latest"
_DETACHED: Final = ["--detach", "--interactive", "--network", "none"]


def docker(*words: str, timeout: float = 60) -> str:
    """What docker prints."""
    return subprocess.run(
        ["docker", *words], check=True, stdout=subprocess.PIPE, text=True, timeout=timeout
    ).stdout


def docker_run(count: int) -> dict[str, float]:
    """Seconds `up`: so many `docker run` side by side, each by a `docker` of its own."""
    names = _names(count)

    def start(name: str) -> None:
        docker("run", "--name", name, *_DETACHED, _IMAGE, "cat")

    started = time.monotonic()
    try:
        _side_by_side(start, names)
        return {"up": time.monotonic() - started}
    finally:
        docker("rm", "--force", *names)


def containers(count: int) -> dict[str, float]:
    """Seconds `up`, `app` and `down`: so many by docker-py, as the nodes, and nothing else.

    All of them are started side by side, then comes an app that does nothing, beside the first of
    them, and then they are removed side by side.
    """
    names = _names(count)
    with closing(from_env(timeout=60)) as client:
        client.ping()
        began = time.monotonic()
        try:
            connections = _side_by_side(partial(_start, client), names)
            up = time.monotonic()
            _run_app(client, f"{names[0]}-app", beside=names[0])
            ran = time.monotonic()
        finally:
            _side_by_side(partial(client.api.remove_container, force=True, v=True), names)
        over = time.monotonic()
    for connection in connections:
        connection.close()
    return {"up": up - began, "app": ran - up, "down": over - ran}


def _start(client: DockerClient, name: str) -> socket.socket:
    client.containers.create(
        _IMAGE,
        "cat",
        name=name,
        stdin_open=True,
        init=True,
        network_disabled=True,
        log_config=LogConfig(type="none"),
    )
    said: socket.socket = client.api.attach_socket(name, params={"stdin": 1, "stream": 1})
    client.api.start(name)
    return said


def _run_app(client: DockerClient, name: str, *, beside: str) -> None:
    client.containers.create(rabbit.TOOLS, "true", name=name, network_mode=f"container:{beside}")
    try:
        client.api.start(name)
        client.api.wait(name)
    finally:
        client.api.remove_container(name, force=True)


def _side_by_side(step: Callable[[str], T], names: Sequence[str]) -> list[T]:
    """As many at once as alpy does."""
    with ThreadPoolExecutor(WORKERS) as pool:
        return list(pool.map(step, names))


def _names(count: int) -> list[str]:
    run = uuid4().hex[:8]
    return [f"bench-{run}-{number}" for number in range(count)]


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
