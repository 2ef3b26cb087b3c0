# SPDX-License-Identifier: GPL-3.0-or-later
"""What a dead run may have left, planted by hand, beside what is not its own."""

from __future__ import annotations

import os
import secrets
import subprocess
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path

import docker
from attrs import define, field

from torture.checker import Run, connect

_BUSYBOX = "alpy-busybox"


@define(eq=False)
class StaleWorld:
    """All that was planted: what is of the dead run has to go, and what is kept has to stay."""

    run: Run
    _process: subprocess.Popen[bytes]
    _kept_process: subprocess.Popen[bytes]
    _kept_containers: Mapping[str, str]
    """By name, whose each is."""
    _kept_taps: list[str] = field(factory=list)

    @property
    def touched(self) -> bool:
        """Whether a sweep has begun to remove it."""
        return self._process.poll() is not None

    def complaints(self) -> list[str]:
        """What was done to what is not the dead run's."""
        client = connect()
        try:
            names = {each["Names"][0].removeprefix("/") for each in client.api.containers(all=True)}
        finally:
            client.close()
        gone = [whose for name, whose in self._kept_containers.items() if name not in names]
        found = [f"the container of {whose} was removed" for whose in gone]
        if self._kept_process.poll() is not None:
            found.append("the process of a live run was killed")
        links = Path("/sys/class/net")
        return found + [
            f"tap {tap} was removed" for tap in self._kept_taps if not (links / tap).exists()
        ]

    def remove(self) -> None:
        """Remove whatever nobody else has removed."""
        for process in (self._process, self._kept_process):
            process.kill()
            process.wait(30)
        client = docker.from_env()
        try:
            for each in client.api.containers(
                all=True, filters={"label": f"torture={self.run.id}"}
            ):
                with suppress(docker.errors.NotFound):
                    client.api.remove_container(each["Id"], force=True)
        finally:
            client.close()
        taps = [*self._kept_taps, f"{self.run.stem_of_taps()}0"] if self._kept_taps else []
        for tap in taps:
            words = ["ip", "link", "delete", tap]
            subprocess.run(words, check=False, capture_output=True, timeout=30)


def plant_stale_world(folder: Path) -> StaleWorld:
    """Containers, a process and, if we are root, a tap of a run that is dead.

    Beside it the same of a run that lives, as far as it tells, and containers of other users, of
    other machines and of strangers.
    """
    directory = folder / "stale"
    directory.mkdir(mode=0o700)
    run = Run(f"dead{secrets.token_hex(4)}", directory)
    (directory / "debug.log").write_text(f"then run {run.id}\n")
    dead, alive = _facts(run), _facts_of_a_live_run()
    taps = []
    if os.geteuid() == 0:
        _plant_tap(f"{run.stem_of_taps()}0", dead)
        taps = [f"{Run(alive['run']).stem_of_taps()}0"]
        _plant_tap(taps[0], alive)
    other = dead | {"uid": str(os.geteuid() + 1), "run": f"other{secrets.token_hex(4)}", "dir": ""}
    machine = dead | {"run": f"far{secrets.token_hex(4)}", "boot": "-", "host": "-", "dir": ""}
    kept = {
        "a live run": (f"alpy-{alive['run']}-node0", _labels(alive)),
        "another user": (f"alpy-{other['run']}-node0", _labels(other)),
        "another machine": (f"alpy-{machine['run']}-node0", _labels(machine)),
        "nobody known": (f"alpy-unknown-{run.id}", {"alpy.run": "unknown"}),
        # `docker commit` hands an app's labels on to all that is made from the new image.
        "a user who made an image of an app": (f"mine-of-{run.id}", _labels(dead)),
        "a stranger": (f"torture-{run.id}", {}),
    }
    for state in ("created", "running", "exited"):
        _plant_container(f"alpy-{run.id}-{state}", _labels(dead), run, state)
    for name, labels in kept.values():
        _plant_container(name, labels, run, "created")
    return StaleWorld(
        run,
        _plant_process(run.id, directory / "qemu.log"),
        _plant_process(alive["run"], folder / "qemu.log"),
        {name: whose for whose, (name, _) in kept.items()},
        taps,
    )


def _facts(run: Run) -> dict[str, str]:
    with subprocess.Popen(["true"]) as ended:
        pid = ended.pid
    return {
        "run": run.id,
        "pid": str(pid),
        "start": "1",
        "boot": Path("/proc/sys/kernel/random/boot_id").read_text().strip(),
        "pidns": str(Path("/proc/self/ns/pid").stat().st_ino),
        "host": "this",
        "uid": str(os.geteuid()),
        "dir": str(run.directory or ""),
    }


def _facts_of_a_live_run() -> dict[str, str]:
    """Of a run in this process, which has no directory."""
    # proc(5): behind the name, which may hold anything, the start is the 20th word.
    start = Path("/proc/self/stat").read_text().rpartition(")")[2].split()[19]
    run = Run(f"live{secrets.token_hex(4)}")
    return _facts(run) | {"pid": str(os.getpid()), "start": start}


def _labels(facts: Mapping[str, str]) -> dict[str, str]:
    return {f"alpy.{key}": value for key, value in facts.items()} | {"alpy.role": "node"}


def _plant_tap(name: str, facts: dict[str, str]) -> None:
    alias = " ".join(["alpy", *(f"{key}={value}" for key, value in facts.items())])
    owner = str(os.geteuid())
    for words in (
        ["tuntap", "add", "dev", name, "mode", "tap", "user", owner],
        ["link", "set", "dev", name, "alias", alias[:255]],
    ):
        subprocess.run(["ip", *words], check=True, timeout=30)


def _plant_container(name: str, labels: Mapping[str, str], run: Run, state: str) -> None:
    client = docker.from_env()
    try:
        made = client.containers.create(
            _BUSYBOX,
            ["true"] if state == "exited" else ["sleep", "1000"],
            name=name,
            labels={**labels, "torture": run.id},
            network_mode="none",
        )
        if state != "created":
            made.start()
    finally:
        client.close()


def _plant_process(run: str, log: Path) -> subprocess.Popen[bytes]:
    with log.open("wb") as file:
        return subprocess.Popen(["sleep", "1000"], stdout=file, env=os.environ | {"ALPY_RUN": run})
