# SPDX-License-Identifier: GPL-3.0-or-later
"""The tun and tap interfaces of this host, in every network namespace that can be entered."""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

from attrs import frozen


@frozen
class Interface:
    name: str
    alias: str
    namespace: str
    """ "the host", or a path by which it can be entered."""


def interfaces() -> Iterator[Interface]:
    """Every tun or tap interface."""
    yield from _interfaces([], "the host")
    if os.geteuid() == 0:
        for path in _namespaces().values():
            yield from _interfaces(["nsenter", f"--net={path}"], path)


def _namespaces() -> dict[int, str]:
    """A path for each network namespace but our own, by its number."""
    paths: dict[int, str] = {}
    # Docker keeps the namespace of a container by a mount, also when no process is in it.
    for path in (*_mounts(), *(str(each) for each in Path("/proc").glob("[0-9]*/ns/net"))):
        with suppress(OSError):
            paths.setdefault(Path(path).stat().st_ino, path)
    paths.pop(Path("/proc/self/ns/net").stat().st_ino, None)
    return paths


def _mounts() -> Iterator[str]:
    # proc(5): the fourth word is the root of the mount, the fifth where it is mounted.
    for line in Path("/proc/self/mountinfo").read_text(errors="replace").splitlines():
        words = line.split()
        if words[3].startswith("net:["):
            yield words[4]


def _interfaces(enter: list[str], namespace: str) -> Iterator[Interface]:
    shown = subprocess.run(
        [*enter, "ip", "-json", "-details", "link", "show"],
        capture_output=True,
        check=False,
        timeout=30,
        text=True,
    )
    if shown.returncode:
        return  # the namespace has gone meanwhile
    for each in json.loads(shown.stdout or "[]"):
        if each.get("linkinfo", {}).get("info_kind") == "tun":
            yield Interface(each["ifname"], each.get("ifalias", ""), namespace)
