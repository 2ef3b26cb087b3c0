# SPDX-License-Identifier: GPL-3.0-or-later
"""A real QEMU with a tiny guest, and a look at what this process holds."""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest

from alpy.adapters.clock import SystemClock
from alpy.adapters.qemu.machine import QemuMachine
from alpy.adapters.run_directory import DiskRunDirectory
from alpy.core.appliance import Acceleration, Appliance, Disk, DiskFormat, Kernel
from alpy.core.ports import Console, Monitor
from alpy.core.topology import Topology
from alpy.core.waiting import wait_until
from tests.contracts.machine import COMMAND, LAUNCH
from tests.integration.own_tap import OwnTap
from tests.integration.tiny_guest import write_disk


def open_descriptors() -> set[str]:
    folder = Path("/proc/self/fd")
    return {path.name for path in folder.iterdir() if path.is_symlink()}


class QemuRig:
    """A machine in a folder whose name has all that option syntax trips over."""

    def __init__(self, folder: Path, **options: Any) -> None:
        self.folder = folder / "a, b = c:d ä"
        self.folder.mkdir()
        self.run = DiskRunDirectory(self.folder / "run", run_id="test")
        self.run.take()
        self.machine = QemuMachine(clock=SystemClock(), **options)
        self._open: list[Callable[[], None]] = []

    def appliance(self, **options: Any) -> Appliance:
        disk = Disk(path=write_disk(self.folder / "disk.img"), format=DiskFormat.RAW)
        defaults = {"name": "tiny", "disks": (disk,), "acceleration": Acceleration.TCG}
        return Appliance(**{**defaults, "memory_mib": 32, **options})

    def topology(self, links: int = 0) -> Topology:
        return Topology.of(self.appliance(), links)

    def refused(self) -> Topology:
        return Topology.of(self.appliance(extra_args=("-device", "no-such-device")), 0)

    def missing(self) -> Topology:
        return Topology.of(self.appliance(kernel=Kernel(image=self.folder / "missing")), 0)

    def taps(self, topology: Topology) -> Sequence[OwnTap]:
        try:
            taps = [OwnTap(link) for link in topology.links]
        except PermissionError as error:
            pytest.skip(f"no right to make a tap: {error}")
        self._open += [tap.close for tap in taps]
        return taps

    def kill_hypervisor(self) -> None:
        self.signal(signal.SIGKILL)

    def stop_hypervisor(self) -> None:
        self.signal(signal.SIGSTOP)
        wait_until(
            lambda: Path(f"/proc/{self.pid}/stat").read_text().rpartition(")")[2].split()[0] == "T",
            awaited="the stop of QEMU",
            timeout=LAUNCH,
            clock=SystemClock(),
        )

    @property
    def pid(self) -> int:
        assert self.machine._process
        return self.machine._process.pid

    def signal(self, number: signal.Signals) -> None:
        os.kill(self.pid, number)

    def launch(self, **options: Any) -> Monitor:
        topology = Topology.of(self.appliance(**options), 0)
        self.machine.launch(topology, [], self.run)
        return self.machine.connect_monitor(timeout=LAUNCH, command_timeout=COMMAND)

    def boot(self, **options: Any) -> tuple[Monitor, Console]:
        monitor = self.launch(**options)
        console = self.machine.open_console()
        monitor.start()
        return monitor, console

    def finish(self) -> None:
        for close in reversed(self._open):
            close()
        self.machine.kill()
        self.run.release()


def threads() -> list[str]:
    return sorted(thread.name for thread in threading.enumerate())


def children() -> set[str]:
    """The processes that this one has started and not collected, zombies too."""
    lists = Path("/proc/self/task").glob("*/children")
    return {pid for listed in lists for pid in listed.read_text().split()}


def processes_of(run_id: str) -> set[str]:
    """All on this host that have the run's id in their environment."""
    return {path.parent.name for path in Path("/proc").glob("[0-9]*/environ") if _has(path, run_id)}


def _has(path: Path, run_id: str) -> bool:
    try:
        return f"ALPY_RUN={run_id}" in path.read_bytes().decode(errors="replace").split("\0")
    except OSError:
        return False
