# SPDX-License-Identifier: GPL-3.0-or-later
"""A node: a container that keeps the namespaces of its link alive, and nothing else."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from alpy.adapters.docker.engine import DockerEngine
from alpy.adapters.docker.ip_container import IpContainer
from alpy.adapters.proc_stat import parse_stat
from alpy.core.errors import DockerError, NodeDiedError

# IPv6 is off in a container without a network, and duplicate address detection keeps an address
# from use for a second or more: nobody else is on this wire but the appliance.
_IPV6_SYSCTLS: Final = {
    "net.ipv6.conf.all.disable_ipv6": "0",
    "net.ipv6.conf.default.disable_ipv6": "0",
    "net.ipv6.conf.default.accept_dad": "0",
}
# Any user of an app may ping and may listen on port 80, as Docker itself sets it since 20.10.
_IPV4_SYSCTLS: Final = {
    # A node is a host: what is not for it must not come back to the wire.
    "net.ipv4.ip_forward": "0",
    "net.ipv4.ping_group_range": "0 2147483647",
    "net.ipv4.ip_unprivileged_port_start": "0",
}


def host_has_ipv6() -> bool:
    """Whether the kernel has IPv6 at all; one that was booted without it lacks these files."""
    return Path("/proc/sys/net/ipv6").exists()


class DockerNode:
    """The node at the far end of one link.

    Its process is `ip`, which waits for what we tell it of the node's own interface: so addresses
    and routes need no other container. When this process dies in whatever way, `ip` sees the end of
    its input, Docker removes the container, and all of its apps die with it.
    """

    def __init__(self, *, engine: DockerEngine, image: str, number: int) -> None:
        self.number = number
        self.name = f"node{number}"
        self.pid = 0
        self._engine = engine
        self._container = IpContainer(engine=engine, image=image, name=self.name, role="node")
        # A descriptor of /proc/PID: unlike the number, it never stands for another process.
        self._proc = -1

    def start(self) -> None:
        """Make the container and wait until it runs.

        Raises:
            DockerError: the daemon refused.
            NodeDiedError: it ended at once.
        """
        self._container.start(
            # The apps live in its process namespace, so it collects the orphans they leave.
            init=True,
            # The namespace is made all the same, with a loopback in it. For its network "none",
            # the daemon starts a program of its own, and that takes longer than all the rest.
            network_disabled=True,
            sysctls=_IPV4_SYSCTLS | (_IPV6_SYSCTLS if host_has_ipv6() else {}),
        )
        self.pid = int(self._engine.state(self.name)["Pid"])
        self._engine.holdings.note_process(self.pid, self.name)
        self._proc = self._open_proc()
        self._engine.holdings.note(self._proc, self.name)

    def configure(self, batch: Sequence[str]) -> None:
        """Have `ip` do *batch* in the node's namespace.

        Raises:
            DockerError: `ip` refused; what it said is in it.
            NodeDiedError: the node is gone.
        """
        try:
            self._container.run(batch)
        except DockerError:
            # A dead node is the better answer: this raises NodeDiedError, over what was refused.
            self.read_net("dev")
            raise

    def _open_proc(self) -> int:
        try:
            return os.open(f"/proc/{self.pid}", os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
        except OSError as error:
            raise NodeDiedError(node=self.number) from error

    def read_net(self, name: str) -> str:
        """The text of /proc/net/*name* in the node's namespace.

        Raises:
            NodeDiedError: the node is gone.
        """
        return self._read_proc(f"net/{name}").decode("ascii")

    def _read_proc(self, name: str) -> bytes:
        try:
            descriptor = os.open(name, os.O_RDONLY | os.O_CLOEXEC, dir_fd=self._proc)
            with open(descriptor, "rb") as file:  # noqa: PTH123  no path, a descriptor
                return file.read()
        except OSError as error:
            raise NodeDiedError(node=self.number) from error

    def check_alive(self) -> None:
        """Look whether its process lives, and the daemon still holds the process's input.

        Raises:
            NodeDiedError: the process has ended, or never began.
            DockerError: the daemon has hung up.
        """
        # In this order: the process of a node that dies is gone before its input is closed.
        hung_up = self._container.hung_up
        if not parse_stat(self._read_proc("stat")).lives:
            raise NodeDiedError(node=self.number)
        if hung_up:
            raise DockerError(
                asked=f"keep node {self.number} alive",
                found="the Docker daemon has closed its connection, so it ended or was restarted",
                remedy="Look at its log, as with: journalctl --unit docker",
            )

    def remove(self) -> None:
        """Remove the container, which may never have been. Again does nothing.

        Raises:
            DockerError: it is still there.
        """
        try:
            self._container.remove()
        finally:
            if self._proc >= 0:
                os.close(self._proc)
                self._proc = -1
