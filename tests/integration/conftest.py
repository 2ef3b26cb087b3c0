# SPDX-License-Identifier: GPL-3.0-or-later
"""After all of them: nothing of ours may be left on this host."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import docker
import pytest

from tests.conftest import docker_socket_is_open


def _containers() -> set[str]:
    if not docker_socket_is_open():
        return set()
    client = docker.from_env(timeout=30)
    try:
        ours = client.containers.list(all=True, filters={"label": "alpy.run"}, ignore_removed=True)
        return {f"container {container.name}" for container in ours}
    finally:
        client.close()


def _taps() -> set[str]:
    interfaces = Path("/sys/class/net").iterdir()
    return {f"tap {path.name}" for path in interfaces if (path / "tun_flags").exists()}


@pytest.fixture(scope="session", autouse=True)
def _nothing_is_left_behind() -> Iterator[None]:
    before = _containers() | _taps()
    yield
    left = (_containers() | _taps()) - before
    assert not left, f"left behind by these tests: {sorted(left)}"
