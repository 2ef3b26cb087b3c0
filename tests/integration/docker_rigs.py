# SPDX-License-Identifier: GPL-3.0-or-later
"""Real Docker for the contracts: rigs that see and do what a person at the host could."""

from __future__ import annotations

import secrets
import socket
from collections.abc import Sequence
from pathlib import Path
from typing import Literal

from alpy.adapters.clock import SystemClock
from alpy.adapters.docker.apps import DockerApps
from alpy.adapters.docker.engine import DockerEngine
from alpy.adapters.docker.ip import ContainerIp, choose_ip
from alpy.adapters.docker.skeleton import DockerSkeleton
from alpy.adapters.tap import tap_name
from alpy.core.app import AppSpec
from alpy.core.link import Link
from alpy.core.ports import Clock
from alpy.core.waiting import Limits

BUSYBOX = "alpy-busybox"
IPROUTE2 = "alpy-iproute2"
TOOLS = "alpy-tools"


def engine(*, limits: Limits | None = None) -> DockerEngine:
    """An engine for a run of its own."""
    return DockerEngine(
        run_id=f"test-{secrets.token_hex(4)}", clock=SystemClock(), limits=limits or Limits()
    )


def container_names(docker: DockerEngine) -> list[str]:
    """The containers of this run, by their short names."""
    ours = docker.client.containers.list(
        all=True, filters={"label": f"alpy.run={docker.run_id}"}, ignore_removed=True
    )
    return [str(container.name).removeprefix(f"alpy-{docker.run_id}-") for container in ours]


class DockerSkeletonRig:
    """A skeleton whose `ip` runs where it chooses, or *in_container* as for an ordinary user."""

    def __init__(self, *, in_container: bool = False) -> None:
        self.engine = engine()
        self.ip = (
            ContainerIp(engine=self.engine, image=IPROUTE2)
            if in_container
            else choose_ip(engine=self.engine, image=IPROUTE2)
        )
        self._skeleton = self._make(IPROUTE2)

    def _make(self, image: str) -> DockerSkeleton:
        return DockerSkeleton(engine=self.engine, image=image, ip=self.ip)

    @property
    def skeleton(self) -> DockerSkeleton:
        return self._skeleton

    def without_image(self) -> DockerSkeleton:
        return self._make("alpy-no-such-image")

    def kill_node(self, number: int) -> None:
        node = self.engine.client.containers.get(self.engine.full_name(f"node{number}"))
        node.remove(force=True)

    def leftovers(self) -> Sequence[str]:
        taps = {tap_name(self.engine.run_id, number) for number in range(100)}
        interfaces = [name for _, name in socket.if_nameindex() if name in taps]
        # The one that `ip` runs in comes and goes with the steps; `close` sees that it has gone.
        return interfaces + [name for name in container_names(self.engine) if name[:2] != "ip"]

    def close(self) -> None:
        self._skeleton.remove_nodes()
        self._skeleton.remove_taps()
        left = container_names(self.engine)
        self.engine.close()
        assert not left


class DockerAppsRig:
    """Node 0 stands; it has no tap, since no app here talks to anybody."""

    def __init__(self, folder: Path, *, limits: Limits | None = None) -> None:
        self.engine = engine(limits=limits)
        self.skeleton = DockerSkeleton(engine=self.engine, image=IPROUTE2)
        self.skeleton.create_nodes([Link(number=0)])
        self._folder = folder
        self._apps = DockerApps(engine=self.engine)

    @property
    def apps(self) -> DockerApps:
        return self._apps

    @property
    def clock(self) -> Clock:
        return self.engine.clock

    @property
    def log(self) -> Path:
        return self._folder / "app.log"

    def spec_that_prints(
        self,
        text: bytes,
        *,
        exit_code: int = 0,
        stream: Literal["stdout", "stderr"] = "stdout",
    ) -> AppSpec:
        script = f"cat /text >&{1 if stream == 'stdout' else 2}; exit {exit_code}"
        return AppSpec(image=BUSYBOX, command=("sh", "-c", script), files={"/text": text})

    def spec_that_runs_on(self, *, first: bytes = b"") -> AppSpec:
        script = "cat /first; exec sleep 1000"
        return AppSpec(image=BUSYBOX, command=("sh", "-c", script), files={"/first": first})

    def spec_of_missing_image(self) -> AppSpec:
        return AppSpec(image="alpy-no-such-image", command=("true",))

    def spec_of_missing_command(self) -> AppSpec:
        return AppSpec(image=BUSYBOX, command=("no-such-command",))

    def remove_behind_our_back(self, name: str) -> None:
        self.engine.client.containers.get(self.engine.full_name(name)).remove(force=True)

    def leftovers(self) -> Sequence[str]:
        return [name for name in container_names(self.engine) if name != "node0"]

    def close(self) -> None:
        for name in (*self.leftovers(), "app"):
            self._apps.remove(name)
        self.skeleton.remove_nodes()
        self.engine.close()
