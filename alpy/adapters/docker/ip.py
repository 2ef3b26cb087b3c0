# SPDX-License-Identifier: GPL-3.0-or-later
"""`ip` in the host's network namespace: the host's own where we may use it, or a container's."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Sequence
from pathlib import Path
from typing import Final, Protocol

from alpy.adapters.docker import ip_batch
from alpy.adapters.docker.engine import DockerEngine
from alpy.adapters.docker.ip_container import IpContainer
from alpy.adapters.side_by_side import side_by_side
from alpy.core.errors import HostError
from alpy.core.narrative import get_logger

log = get_logger("alpy.docker")

# An ordinary user's PATH may lack these; capabilities do not need root.
_SYSTEM_FOLDERS: Final = "/usr/sbin:/sbin"
# The bit of CAP_NET_ADMIN, from linux/capability.h.
_NET_ADMIN: Final = 1 << 12
# What user_namespaces(7) shows in the first user namespace, which has all ids.
_ALL_IDS: Final = ["0", "0", "4294967295"]
_LOOK_SECONDS: Final = 5.0


class Ip(Protocol):
    """Runs batches of `ip` commands in the host's network namespace."""

    def run(self, batch: Sequence[str]) -> None:
        """Have *batch* done; when a line fails, those behind it are tried all the same.

        Raises:
            HostError: `ip` refused; which line and why is in it.
        """
        ...

    def rest(self) -> None:
        """Hold nothing until the next batch; what was held may take a moment to go."""
        ...

    def remove(self) -> None:
        """Remove what may still be held. Again does nothing.

        Raises:
            DockerError: it is still there.
        """
        ...


class HostIp:
    """The host's own program, started by us: for a process that has the privilege."""

    def __init__(self, program: str, *, timeout: float) -> None:
        self._program = program
        self._timeout = timeout

    def run(self, batch: Sequence[str]) -> None:
        try:
            done = subprocess.run(
                [self._program, *ip_batch.OPTIONS],
                input=ip_batch.text(batch),
                stdout=subprocess.DEVNULL,
                stderr=subprocess.PIPE,
                timeout=self._timeout,
                check=False,
            )
        except (OSError, subprocess.SubprocessError) as error:
            raise HostError(
                asked=f"run {self._program}", found=str(error), remedy="Try it by hand."
            ) from error
        if done.returncode:
            raise ip_batch.refusal(batch, done.stderr.decode(errors="backslashreplace"))

    def rest(self) -> None:
        """Nothing is held."""

    def remove(self) -> None:
        """Nothing is held."""


class ContainerIp:
    """A container in the host's namespaces: it holds the privilege that this process lacks.

    It is started with the first batch, and takes more until it may rest.
    """

    def __init__(self, *, engine: DockerEngine, image: str) -> None:
        self._engine = engine
        self._image = image
        # Those that may still be there, the one in use last: each is owed before it is made.
        self._owed: list[IpContainer] = []
        self._made = 0
        self._resting = True

    def run(self, batch: Sequence[str]) -> None:
        if self._resting:
            self._start()
        self._owed[-1].run(batch)

    def _start(self) -> None:
        name = f"ip{self._made}"
        self._made += 1
        container = IpContainer(engine=self._engine, image=self._image, name=name, role="ip")
        self._owed.append(container)
        container.start(
            network_mode="host",
            # The kernel looks a namespace's process id up among those that the caller sees.
            pid_mode="host",
            devices=["/dev/net/tun"],
        )
        self._resting = False

    def rest(self) -> None:
        self._resting = True
        for container in self._owed:
            container.hang_up()

    def remove(self) -> None:
        self._resting = True
        threads = self._engine.holdings.thread_prefix("docker")
        side_by_side(self._remove, list(self._owed), thread_prefix=threads)

    def _remove(self, container: IpContainer) -> None:
        container.remove()
        self._owed.remove(container)


def choose_ip(*, engine: DockerEngine, image: str) -> Ip:
    """The host's `ip` if it would work when we start it, or else one in a container."""
    hindrance = _hindrance()
    program = _find_program() if hindrance is None else None
    if program is None:
        log.debug("ip runs in a container", why=hindrance or "the host has no iproute2")
        return ContainerIp(engine=engine, image=image)
    log.debug("ip runs on the host", program=program)
    return HostIp(program, timeout=engine.host_timeout)


def _hindrance() -> str | None:
    if Path("/proc/self/uid_map").read_text(encoding="ascii").split() != _ALL_IDS:
        return "this process is in a user namespace of its own"
    # What a program gets that we start: root's by its user id, another's if it is ambient.
    word = "CapBnd" if os.geteuid() == 0 else "CapAmb"
    status = dict(
        line.split(":\t", 1)
        for line in Path("/proc/self/status").read_text(encoding="utf-8").splitlines()
        if ":\t" in line
    )
    return None if int(status[word], 16) & _NET_ADMIN else "this process lacks CAP_NET_ADMIN"


def _find_program() -> str | None:
    program = shutil.which("ip", path=f"{os.environ.get('PATH', os.defpath)}:{_SYSTEM_FOLDERS}")
    if program is None:
        return None
    try:
        # busybox has an `ip` too, which knows no batch.
        asked = subprocess.run(
            [program, "-V"], capture_output=True, timeout=_LOOK_SECONDS, check=False
        )
    except (OSError, subprocess.SubprocessError):
        return None
    return program if b"iproute2" in asked.stdout else None
