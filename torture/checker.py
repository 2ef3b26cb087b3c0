# SPDX-License-Identifier: GPL-3.0-or-later
"""What runs left on this host: looked for from outside, with none of alpy's code.

    python -m torture.checker RUN_ID|RUN_DIRECTORY|FOLDER_OF_RUNS...

Prints each thing that is left, and each fault of the evidence. Exit status: 0 if there is none.
What it can't see as an ordinary user: interfaces in the namespaces of containers, and the
environment of other users' processes.
"""

from __future__ import annotations

import base64
import hashlib
import os
import re
import sys
import tempfile
from collections.abc import Iterable, Iterator, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any, Final

import docker
from attrs import frozen

from torture.evidence import faults_of
from torture.namespaces import Interface, interfaces

_FIRST_LINE: Final = re.compile(r"\S+ run (\S+)\n")
# What QEMU works on; alpy keeps none of it unless it is asked to.
_WORKING_FILES: Final = re.compile(
    r"working-.*|disk\d+\.(qcow2|base|saved)|uefi-variables\.fd|data\.iso|.*\.sock(et)?"
)
# Shorter ids could be part of a name that somebody else chose.
_TELLING: Final = 6


@frozen
class Run:
    """A run by its id; *directory* is where its evidence is, if that is known."""

    id: str
    directory: Path | None = None

    def stem_of_taps(self) -> str:
        digest = hashlib.sha256(self.id.encode()).digest()
        return f"alpy{base64.b32encode(digest).decode().lower()[:7]}"

    def is_named_in(self, text: str) -> bool:
        """Whether *text* holds the run directory as a path, or as the start of one."""
        if self.directory is None:
            return False
        return bool(re.search(rf"{re.escape(str(self.directory))}(?![\w.-])", text))


@frozen(order=True)
class Leftover:
    kind: str
    name: str
    """What the host knows it by: a container's name, a process's id, a path."""
    detail: str
    run: str

    def __str__(self) -> str:
        return f"{self.kind} {self.name} ({self.detail}) of run {self.run}"


def run_in(directory: Path) -> Run | None:
    """The run whose evidence is in *directory*; None if its log does not begin with an id."""
    try:
        with (directory / "debug.log").open(encoding="utf-8", errors="replace") as log:
            line = _FIRST_LINE.fullmatch(log.readline())
    except OSError:
        return None
    return Run(line[1], directory.absolute()) if line else None


def runs_below(folder: Path) -> list[Run]:
    """All runs whose evidence is in *folder* or anywhere below it."""
    found = (run_in(log.parent) for log in sorted(folder.rglob("debug.log")))
    return [run for run in found if run]


def leftovers(runs: Sequence[Run], *, docker_host: str | None = None) -> list[Leftover]:
    """All that is there of *runs*, and nothing of anybody else."""
    if not runs:
        return []
    return sorted(
        {
            *_containers(runs, docker_host),
            *_taps(runs),
            *_processes(runs),
            *_sockets(runs),
            *_files(runs),
            *_notes(runs),
        }
    )


def connect(docker_host: str | None = None) -> docker.DockerClient:
    """The daemon at *docker_host*, or the usual one."""
    if docker_host:
        return docker.DockerClient(docker_host, timeout=30)
    return docker.from_env(timeout=30)


def _containers(runs: Sequence[Run], docker_host: str | None) -> Iterator[Leftover]:
    client = connect(docker_host)
    try:
        found = [each for each in client.api.containers(all=True) if _exists(client, each)]
    finally:
        client.close()
    for each in found:
        labels, name = each["Labels"] or {}, (each["Names"] or [each["Id"]])[0].removeprefix("/")
        for run in runs:
            here = run.directory is not None and labels.get("alpy.dir") == str(run.directory)
            labelled = here or labels.get("alpy.run") == run.id
            # A user's own has the labels too if its image was made of an app's container.
            if (labelled and name.startswith("alpy-")) or name.startswith(f"alpy-{run.id}-"):
                yield Leftover("container", name, each["State"], run.id)


def _exists(client: docker.DockerClient, listed: dict[str, Any]) -> bool:
    # dockerd 20.10 that was killed while it removed one goes on listing it, and has no such thing.
    if listed["State"] != "dead":
        return True
    try:
        client.api.inspect_container(listed["Id"])
    except docker.errors.NotFound:
        return False
    return True


def _taps(runs: Sequence[Run]) -> Iterator[Leftover]:
    for interface in interfaces():
        for run in runs:
            if _is_tap_of(interface, run):
                yield Leftover("tap", interface.name, f"in {interface.namespace}", run.id)


def _is_tap_of(interface: Interface, run: Run) -> bool:
    # Within its node a tap is called eth0, but its alias still tells.
    return f"run={run.id}" in interface.alias.split() or bool(
        re.fullmatch(rf"{run.stem_of_taps()}[0-9a-f]{{1,4}}", interface.name)
    )


def _processes(runs: Sequence[Run]) -> Iterator[Leftover]:
    for path in Path("/proc").iterdir():
        if not path.name.isdecimal():
            continue
        words, variables = _strings(path / "cmdline"), _strings(path / "environ")
        for run in runs:
            if kind := _kind_of_process(run, words, variables):
                yield Leftover(kind, path.name, " ".join(words)[:60], run.id)


def _kind_of_process(run: Run, words: Sequence[str], variables: Sequence[str]) -> str:
    if run.id in words and any(word.endswith("guard_process.py") for word in words):
        return "guard"
    if f"ALPY_RUN={run.id}" in variables:
        return "process"
    is_qemu = any(Path(word).name.startswith("qemu-") for word in words[:1])
    return "process" if is_qemu and any(map(run.is_named_in, words)) else ""


def _strings(path: Path) -> list[str]:
    try:
        return path.read_bytes().decode(errors="surrogateescape").split("\0")[:-1]
    except OSError:
        return []  # it ended meanwhile, or is another user's


def _sockets(runs: Sequence[Run]) -> Iterator[Leftover]:
    for line in Path("/proc/net/unix").read_text(errors="replace").splitlines()[1:]:
        name = line.split(maxsplit=7)[7:]
        for run in runs:
            if name and (run.is_named_in(name[0]) or _tells(name[0], run)):
                yield Leftover("socket", name[0], "unix", run.id)


def _files(runs: Sequence[Run]) -> Iterator[Leftover]:
    folders = {Path(tempfile.gettempdir()), Path("/tmp"), Path("/dev/shm"), Path("/run")}  # noqa: S108
    with suppress(KeyError):
        folders.add(Path(os.environ["XDG_RUNTIME_DIR"]))
    for path in _entries(folders):
        for run in runs:
            if _tells(path.name, run) and path != run.directory:
                yield Leftover("file", str(path), "not evidence", run.id)
    for run in runs:
        for path in _entries([run.directory] if run.directory else []):
            if _WORKING_FILES.fullmatch(path.name):
                yield Leftover("file", str(path), "not evidence", run.id)


def _notes(runs: Sequence[Run]) -> Iterator[Leftover]:
    for path in _entries([cache() / "runs"]):
        for run in runs:
            if path.name in {run.id, f"{run.id}.half"}:
                yield Leftover("note", str(path), "of a run that has not ended", run.id)


def cache() -> Path:
    """Where alpy keeps what outlives a boot, for this user."""
    if chosen := os.environ.get("ALPY_CACHE"):
        return Path(chosen)
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "alpy"


def _entries(folders: Iterable[Path]) -> Iterator[Path]:
    for folder in folders:
        with suppress(OSError):  # evidence that can't be read is a fault of its own
            yield from folder.iterdir()


def _tells(name: str, run: Run) -> bool:
    return len(run.id) >= _TELLING and run.id in name


def named(word: str) -> list[Run]:
    """The runs that a *word* of the command line stands for."""
    path = Path(word)
    if not path.is_dir():
        return [Run(word)]
    return runs_below(path)


def main(words: Sequence[str]) -> int:
    if not words or set(words) & {"-h", "--help"}:
        sys.stdout.write(str(__doc__))
        return 0 if words else 2
    runs = [run for word in words for run in named(word)]
    left = leftovers(runs)
    faults = [fault for run in runs if run.directory for fault in faults_of(run.directory)]
    total = f"{len(runs)} runs: {len(left)} things left, {len(faults)} faults of the evidence"
    sys.stdout.writelines(f"{line}\n" for line in (*left, *faults, total))
    return int(bool(left or faults))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
