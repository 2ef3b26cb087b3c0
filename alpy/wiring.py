# SPDX-License-Identifier: GPL-3.0-or-later
"""The composition root: the only module that builds adapters."""

from __future__ import annotations

import os
from collections.abc import Sequence
from functools import partial
from os import PathLike
from pathlib import Path
from uuid import uuid4

from alpy.adapters.audit import RunAudit
from alpy.adapters.capacity import host_capacity
from alpy.adapters.clock import SystemClock, clock_of
from alpy.adapters.docker.apps import DockerApps
from alpy.adapters.docker.engine import DockerEngine
from alpy.adapters.docker.skeleton import DockerSkeleton
from alpy.adapters.holdings import Holdings
from alpy.adapters.qemu.acceleration import default_memory
from alpy.adapters.qemu.machine import QemuMachine
from alpy.adapters.recovery.guard import ProcessGuard
from alpy.adapters.recovery.recovery import Recovery
from alpy.adapters.recovery.sweep import SweptRun
from alpy.adapters.run_directory import DiskRunDirectory
from alpy.adapters.saved.contents import CONTENTS, RememberedDigest
from alpy.adapters.saved.store import StateCache, cache_folder, limit_of
from alpy.adapters.signals import ProcessSignals
from alpy.adapters.slots import FileSlots
from alpy.core.appliance import Appliance
from alpy.core.link import Link
from alpy.core.ports import Ports
from alpy.core.preparation import Preparation, starting_point
from alpy.core.testbed import Testbed
from alpy.core.topology import Topology
from alpy.core.waiting import Limits


def testbed(
    appliance: Appliance,
    *,
    links: int | Sequence[Link] = 2,
    run_dir: str | PathLike[str] | None = None,
    prepared: Preparation | None = None,
    node_image: str = "alpy-iproute2:latest",
    limits: Limits | None = None,
    time_scale: float | None = None,
    console_tcp_port: int | None = None,
    keep_disks: bool = False,
) -> Testbed:
    """A testbed of *appliance* on this host, to be entered with `with`.

    *links*: how many, or each one. *run_dir*: a folder for the evidence, new or empty; by default a
    new one below ./runs. *prepared*: start from the state that this preparation leads to, which is
    made once and saved; inside the block the VM is paused in it. *node_image*: the image of the
    nodes' containers; it has iproute2's `ip`. *limits*: how long alpy's own steps may take.
    *time_scale*: how many times slower this host is than what all limits are meant for, the test's
    and alpy's; by default what ALPY_TIME_SCALE in the environment says, or 1. *console_tcp_port*: a
    port of localhost where people can telnet to the console meanwhile. *keep_disks*: keep what the
    appliance wrote on its disks; that goes with no saved state.

    Raises:
        InvalidValueError: the values can't work. All else is raised when the testbed is entered.
    """
    topology = Topology.of(appliance, links if isinstance(links, int) else tuple(links))
    limits = limits or Limits()
    clock = clock_of(os.environ) if time_scale is None else SystemClock(time_scale)

    def ports_of(directory: Path | None) -> Ports:
        return _ports(
            directory,
            clock=clock,
            limits=limits,
            node_image=node_image,
            keep_disks=keep_disks,
            console_tcp_port=console_tcp_port,
        )

    ports = ports_of(Path(run_dir) if run_dir is not None else None)

    def workshop() -> Testbed:
        # Its evidence lies in the folder of the test that happened to be the first.
        mine = ports_of(ports.run_directory.file("preparation"))
        return Testbed(topology=topology, ports=mine, limits=limits, savable=True)

    return Testbed(
        topology=topology,
        ports=ports,
        limits=limits,
        start=starting_point(prepared, ports, workshop),
    )


def _ports(
    directory: Path | None,
    *,
    clock: SystemClock,
    limits: Limits,
    node_image: str,
    console_tcp_port: int | None,
    keep_disks: bool,
) -> Ports:
    run_id = uuid4().hex[:8]
    holdings = Holdings(run_id)
    run_directory = DiskRunDirectory(directory, run_id=run_id, holdings=holdings)
    engine = DockerEngine(
        run_id=run_id,
        clock=clock,
        limits=limits,
        directory=lambda: run_directory.path,
        holdings=holdings,
    )
    states = cache_folder(os.environ)
    return Ports(
        clock=clock,
        signals=ProcessSignals(),
        run_directory=run_directory,
        slots=FileSlots(
            folder=default_memory(),
            capacity=partial(host_capacity, os.environ),
            clock=clock,
            holdings=holdings,
        ),
        guard=ProcessGuard(engine=engine),
        audit=RunAudit(engine=engine, directory=lambda: run_directory.path),
        skeleton=DockerSkeleton(engine=engine, image=node_image),
        apps=DockerApps(engine=engine),
        machine=QemuMachine(
            clock=clock,
            limits=limits,
            console_tcp_port=console_tcp_port,
            keep_disks=keep_disks,
            run_id=run_id,
            holdings=holdings,
            digest=RememberedDigest(states / CONTENTS),
        ),
        saved_states=StateCache(
            folder=states, clock=clock, limit=limit_of(os.environ), holdings=holdings
        ),
    )


def clear_dead_runs(*, dry_run: bool = False) -> list[SweptRun]:
    """Remove what dead runs of this user left on this host; with *dry_run* only look for it.

    Returns: every run that left traces, also those that were left alone, and why.

    Raises:
        HostError: the Docker daemon can't be asked.
    """
    engine = DockerEngine(run_id=uuid4().hex[:8], clock=clock_of(os.environ), limits=Limits())
    try:
        return Recovery(engine).sweep(dry_run=dry_run)
    finally:
        engine.close()


def state_cache() -> StateCache:
    """The saved states of this user."""
    return StateCache(folder=cache_folder(os.environ), clock=clock_of(os.environ))
