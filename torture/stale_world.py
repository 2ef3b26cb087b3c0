# SPDX-License-Identifier: GPL-3.0-or-later
"""What a dead run may have left, planted by hand, beside something of a stranger's."""

from __future__ import annotations

import os
import secrets
import subprocess
from contextlib import suppress
from pathlib import Path

import docker
from attrs import define

from torture.checker import Run

_BUSYBOX = "alpy-busybox"


@define(eq=False)
class StaleWorld:
    run: Run
    _process: subprocess.Popen[bytes]
    _foreign: str

    def complaints(self) -> list[str]:
        """What was done to the stranger's."""
        client = docker.from_env()
        try:
            client.api.inspect_container(self._foreign)
        except docker.errors.NotFound:
            return ["a stranger's container was removed"]
        finally:
            client.close()
        return []

    def remove(self) -> None:
        """Remove whatever nobody else has removed."""
        self._process.kill()
        self._process.wait(30)
        client = docker.from_env()
        try:
            for name in (self._foreign, f"alpy-{self.run.id}-node0"):
                with suppress(docker.errors.NotFound):
                    client.api.remove_container(name, force=True)
        finally:
            client.close()


def plant_stale_world(folder: Path) -> StaleWorld:
    """A container, a process and, if we are root, a tap of a run that is dead."""
    directory = folder / "stale"
    directory.mkdir(mode=0o700)
    run = Run(f"dead{secrets.token_hex(4)}", directory)
    (directory / "debug.log").write_text(f"then run {run.id}\n")
    facts = _facts(run)
    if os.geteuid() == 0:
        _plant_tap(f"{run.stem_of_taps()}0", facts)
    foreign = _plant_containers(run, facts)
    with (directory / "qemu.log").open("wb") as log:
        process = subprocess.Popen(
            ["sleep", "1000"], stdout=log, env=os.environ | {"ALPY_RUN": run.id}
        )
    return StaleWorld(run, process, foreign)


def _facts(run: Run) -> dict[str, str]:
    with subprocess.Popen(["true"]) as ended:
        pid = ended.pid
    return {
        "run": run.id,
        "pid": str(pid),
        "start": "1",
        "boot": Path("/proc/sys/kernel/random/boot_id").read_text().strip(),
        "pidns": str(Path("/proc/self/ns/pid").stat().st_ino),
        "uid": str(os.geteuid()),
        "dir": str(run.directory),
    }


def _plant_tap(name: str, facts: dict[str, str]) -> None:
    alias = " ".join(["alpy", *(f"{key}={value}" for key, value in facts.items())])
    owner = str(os.geteuid())
    for words in (
        ["tuntap", "add", "dev", name, "mode", "tap", "user", owner],
        ["link", "set", "dev", name, "alias", alias[:255]],
    ):
        subprocess.run(["ip", *words], check=True, timeout=30)


def _plant_containers(run: Run, facts: dict[str, str]) -> str:
    labels = {f"alpy.{key}": value for key, value in facts.items()} | {"alpy.role": "node"}
    client = docker.from_env()
    try:
        client.containers.create(
            _BUSYBOX, ["cat"], name=f"alpy-{run.id}-node0", labels=labels, network_mode="none"
        )
        foreign = client.containers.create(
            _BUSYBOX, ["cat"], labels={"torture": run.id}, network_mode="none"
        )
        return str(foreign.id)
    finally:
        client.close()
