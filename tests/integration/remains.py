# SPDX-License-Identifier: GPL-3.0-or-later
"""What is on this host, looked at without alpy's own means of clearing up."""

from __future__ import annotations

import os
import re
import socket
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import docker

from alpy.adapters.tap import tap_name
from tests.conftest import docker_socket_is_open


def of_run(run: str) -> list[str]:
    """What is there of one run: containers, taps in the host's namespace, processes."""
    taps = {tap_name(run, number) for number in range(8)}
    interfaces = [f"tap {name}" for _, name in socket.if_nameindex() if name in taps]
    mine = [f"process {pid}" for pid, its_run in _processes() if its_run == run]
    found = containers(f"alpy.run={run}")
    return interfaces + mine + [f"container {each['Names']} {each['State']}" for each in found]


def of_this_process() -> set[str]:
    """What of any run is there, but for what another live process answers for."""
    found = {
        f"container {each['Names']}"
        for each in containers(f"alpy.uid={os.geteuid()}")
        if not _is_of_another(each["Labels"].get("alpy.pid", ""))
    }
    for path in Path("/sys/class/net").iterdir():
        if (path / "tun_flags").exists():
            # alpy's own tell their process in the alias, those of own_tap.py in the name.
            words = f"{(path / 'ifalias').read_text()} {path.name}"
            pids = re.findall(r"\bpid=(\d+)|\bown(\d+)t", words)
            if not any(_is_of_another("".join(pid)) for pid in pids):
                found.add(f"tap {path.name}")
    found |= {f"process {pid}" for pid, _run in _processes() if not _is_of_another(_parent(pid))}
    return found


def containers(label: str) -> list[dict[str, Any]]:
    if not docker_socket_is_open():
        return []
    client = docker.from_env(timeout=30)
    try:
        return list(client.api.containers(all=True, filters={"label": label}))
    finally:
        client.close()


def children(pid: int) -> dict[str, int]:
    """The children of a process, by the word of their command line that names them."""
    names = ("guard_process", "qemu-system")
    found: dict[str, int] = {}
    for task in Path(f"/proc/{pid}/task").iterdir():
        for child in (task / "children").read_text().split():
            words = Path(f"/proc/{child}/cmdline").read_text()
            found |= {name: int(child) for name in names if name in words}
    return found


def _is_of_another(pid: str) -> bool:
    # Init takes in the children of the dead; it answers for nothing.
    if not pid or int(pid) in {1, os.getpid()}:
        return False
    return Path(f"/proc/{pid}").exists()


def _parent(pid: int) -> str:
    try:
        status = Path(f"/proc/{pid}/status").read_text()
    except OSError:
        return ""
    return status.partition("\nPPid:")[2].split()[0]


def _processes() -> Iterator[tuple[int, str]]:
    for path in Path("/proc").iterdir():
        if path.name.isdecimal():
            try:
                variables = (path / "environ").read_bytes().split(b"\0")
            except OSError:
                continue
            for each in variables:
                if each.startswith(b"ALPY_RUN="):
                    yield int(path.name), each.removeprefix(b"ALPY_RUN=").decode()
