# SPDX-License-Identifier: GPL-3.0-or-later
"""A look at a container for who can't wait, as the watch over a test can't."""

from __future__ import annotations

import math
import threading
from collections.abc import Mapping
from typing import Any, Final

import docker
import docker.errors

from alpy.adapters.docker.errors import translated
from alpy.core.errors import DockerError
from alpy.core.ports import Clock

# For one look, and then till the next one, in seconds: at first, and after many without an answer.
_FIRST: Final = 0.3
_LAST: Final = 1.0


class Glance:
    """Asks the daemon how a container is, over a connection of its own with little patience.

    A look that found no answer makes the next one later and more patient, up to a second, whatever
    container it is for: so a daemon that is silent holds nobody up for long, and one that is busy
    is heard in the end.
    """

    def __init__(self, *, clock: Clock) -> None:
        self._clock = clock
        self._asking = threading.Lock()
        self._client: docker.DockerClient | None = None
        self._patience = _FIRST
        self._next = -math.inf

    def state(self, full_name: str, *, name: str, version: str) -> Mapping[str, Any] | None:
        """Docker's record of how the container is; None if that is not told at once.

        *version* is that of the daemon's interface, which need not be asked for then.

        Raises:
            DockerError: the daemon refused, as when somebody has removed the container.
        """
        with self._asking:
            return self._state(full_name, name, version)

    def _state(self, full_name: str, name: str, version: str) -> Mapping[str, Any] | None:
        if self._clock.now() < self._next:
            return None
        try:
            with translated(f"look at container {name}"):
                state = self._ask(full_name, version)
        except DockerError as error:
            if isinstance(error.__cause__, docker.errors.APIError):
                raise
            self._next = self._clock.now() + self._patience
            self._patience = min(2 * self._patience, _LAST)
            return None
        self._patience = _FIRST
        return state

    def _ask(self, full_name: str, version: str) -> Mapping[str, Any]:
        if self._client is None:
            self._client = docker.from_env(version=version)
        api: Any = self._client.api
        api.timeout = self._patience * self._clock.scale
        state: Mapping[str, Any] = api.inspect_container(full_name)["State"]
        return state

    def close(self) -> None:
        """Close the connection; the next look opens a new one."""
        with self._asking:
            client, self._client = self._client, None
        if client is not None:
            client.close()
