# SPDX-License-Identifier: GPL-3.0-or-later
"""A node: a container that keeps the namespaces of its link alive, and nothing else."""

from __future__ import annotations

import os
import socket
from pathlib import Path
from typing import Final

from alpy.adapters.docker.engine import DockerEngine
from alpy.core.errors import NodeDiedError

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

    Its process is `cat`, which reads from us: when this process dies in whatever way, `cat` sees
    the end of its input, Docker removes the container, and all of its apps die with it.
    """

    def __init__(self, *, engine: DockerEngine, image: str, number: int) -> None:
        self.number = number
        self.name = f"node{number}"
        self.pid = 0
        self._engine = engine
        self._image = image
        self._stdin: socket.socket | None = None
        # A descriptor of /proc/PID: unlike the number, it never stands for another process.
        self._proc = -1

    def start(self) -> None:
        """Make the container and wait until it runs.

        Raises:
            DockerError: the daemon refused.
            NodeDiedError: it ended at once.
        """
        self._engine.create(
            self.name,
            image=self._image,
            role="node",
            entrypoint=["cat"],
            stdin_open=True,
            # The apps live in its process namespace, so it collects the orphans they leave.
            init=True,
            user="0",
            network_mode="none",
            cap_drop=["ALL"],
            security_opt=["no-new-privileges"],
            sysctls=_IPV4_SYSCTLS | (_IPV6_SYSCTLS if host_has_ipv6() else {}),
            healthcheck={"test": ["NONE"]},
            log_config={"Type": "none"},
            # Without this, a daemon that shuts down waits ten seconds for each `cat`.
            stop_signal="SIGKILL",
            auto_remove=True,
        )
        self._stdin = self._engine.attach(self.name, stdin=True)
        self._engine.start(self.name)
        self.pid = int(self._engine.state(self.name)["Pid"])
        self._proc = self._open_proc()

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
        try:
            descriptor = os.open(f"net/{name}", os.O_RDONLY | os.O_CLOEXEC, dir_fd=self._proc)
            with open(descriptor, encoding="ascii") as file:  # noqa: PTH123  no path, a descriptor
                return file.read()
        except OSError as error:
            raise NodeDiedError(node=self.number) from error

    def remove(self) -> None:
        """Remove the container, which may never have been. Again does nothing.

        Raises:
            DockerError: it is still there.
        """
        try:
            self._engine.remove(self.name)
        finally:
            self._close_descriptors()

    def _close_descriptors(self) -> None:
        # If the removal failed, this ends `cat`, and Docker may remove the container later.
        if self._stdin is not None:
            self._stdin.close()
            self._stdin = None
        if self._proc >= 0:
            os.close(self._proc)
            self._proc = -1
