# SPDX-License-Identifier: GPL-3.0-or-later
"""Tests that need Docker or QEMU skip where there is none, with the reason.

The checks of the project (scripts/test) set ALPY_REQUIRE=docker,qemu: there they fail instead.
"""

from __future__ import annotations

import os
import shutil
import signal
from collections.abc import Callable
from functools import cache

import pytest

pytest.register_assert_rewrite("tests.contracts")


def pytest_configure() -> None:
    # In the background of a script Ctrl-C is ignored, and so it would be in all that tests start.
    signal.signal(signal.SIGINT, signal.default_int_handler)


def docker_socket_is_open() -> bool:
    return os.access("/var/run/docker.sock", os.R_OK | os.W_OK)


@cache
def _docker_lacks() -> str | None:
    if not docker_socket_is_open():
        return "no permission on the Docker daemon's socket, or no daemon"
    import docker  # noqa: PLC0415  most unit tests do without
    from docker.errors import DockerException, ImageNotFound  # noqa: PLC0415

    try:
        client = docker.from_env(timeout=10)
        for image in ("alpy-busybox", "alpy-iproute2", "alpy-tools"):
            client.images.get(image)
    except ImageNotFound as error:
        return f"image missing, scripts/setup makes it: {error}"
    except DockerException as error:
        return f"no Docker daemon answers: {error}"
    client.close()
    return None


@cache
def _qemu_lacks() -> str | None:
    if shutil.which("qemu-system-x86_64") is None:
        return "qemu-system-x86_64 is not on PATH"
    return None


_LACKS: dict[str, Callable[[], str | None]] = {"docker": _docker_lacks, "qemu": _qemu_lacks}


def pytest_runtest_setup(item: pytest.Item) -> None:
    required = os.environ.get("ALPY_REQUIRE", "").split(",")
    for name, lacks in _LACKS.items():
        if item.get_closest_marker(name) and (reason := lacks()):
            if name in required:
                pytest.fail(f"{name} is required here: {reason}", pytrace=False)
            pytest.skip(reason)
