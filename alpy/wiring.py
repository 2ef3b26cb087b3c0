# SPDX-License-Identifier: GPL-3.0-or-later
"""The composition root: the only module that builds adapters."""

from __future__ import annotations

from collections.abc import Sequence
from os import PathLike
from pathlib import Path
from uuid import uuid4

from attrs import frozen

from alpy.adapters.clock import SystemClock
from alpy.adapters.docker.apps import DockerApps
from alpy.adapters.docker.engine import DockerEngine
from alpy.adapters.docker.skeleton import DockerSkeleton
from alpy.adapters.qemu.machine import QemuMachine
from alpy.adapters.recovery.guard import ProcessGuard
from alpy.adapters.recovery.recovery import Recovery
from alpy.adapters.recovery.sweep import SweptRun
from alpy.adapters.run_directory import DiskRunDirectory
from alpy.adapters.signals import ProcessSignals
from alpy.core.appliance import Appliance
from alpy.core.link import Link
from alpy.core.ports import Ports
from alpy.core.testbed import Testbed
from alpy.core.topology import Topology
from alpy.core.waiting import Limits


@frozen(kw_only=True)
class Images:
    """The container images that a testbed itself needs. The defaults are made by scripts/setup."""

    busybox: str = "alpy-busybox:latest"
    """For nodes; it has `cat`."""
    iproute2: str = "alpy-iproute2:latest"
    """For one-off containers that set interfaces up; it has iproute2's `ip`."""


def testbed(
    appliance: Appliance,
    *,
    links: int | Sequence[Link] = 2,
    run_dir: str | PathLike[str] | None = None,
    images: Images | None = None,
    limits: Limits | None = None,
    console_tcp_port: int | None = None,
    keep_disks: bool = False,
) -> Testbed:
    """A testbed of *appliance* on this host, to be entered with `with`.

    *links*: how many, or each one. *run_dir*: a folder for the evidence, new or empty; by default a
    new one below ./runs. *limits*: how long alpy's own steps may take. *console_tcp_port*: a port
    of localhost where people can telnet to the console meanwhile. *keep_disks*: keep what the
    appliance wrote on its disks.

    Raises:
        InvalidValueError: the values can't work. All else is raised when the testbed is entered.
    """
    topology = Topology.of(appliance, links if isinstance(links, int) else tuple(links))
    limits = limits or Limits()
    images = images or Images()
    clock = SystemClock()
    run_id = uuid4().hex[:8]
    run_directory = DiskRunDirectory(Path(run_dir) if run_dir is not None else None, run_id=run_id)
    engine = DockerEngine(
        run_id=run_id, clock=clock, limits=limits, directory=lambda: run_directory.path
    )
    ports = Ports(
        clock=clock,
        signals=ProcessSignals(),
        run_directory=run_directory,
        guard=ProcessGuard(engine=engine),
        skeleton=DockerSkeleton(
            engine=engine, busybox_image=images.busybox, iproute2_image=images.iproute2
        ),
        apps=DockerApps(engine=engine),
        machine=QemuMachine(
            clock=clock,
            limits=limits,
            console_tcp_port=console_tcp_port,
            keep_disks=keep_disks,
            run_id=run_id,
        ),
    )
    return Testbed(topology=topology, ports=ports, limits=limits)


def clear_dead_runs(*, dry_run: bool = False) -> list[SweptRun]:
    """Remove what dead runs of this user left on this host; with *dry_run* only look for it.

    Returns: every run that left traces, also those that were left alone, and why.

    Raises:
        HostError: the Docker daemon can't be asked.
    """
    engine = DockerEngine(run_id=uuid4().hex[:8], clock=SystemClock(), limits=Limits())
    try:
        return Recovery(engine).sweep(dry_run=dry_run)
    finally:
        engine.close()
