# SPDX-License-Identifier: GPL-3.0-or-later
"""How long the daemon is waited for."""

from __future__ import annotations

import math
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

import docker

from alpy.adapters.docker.errors import is_silence, translated
from alpy.core.errors import DockerError
from alpy.core.ports import Clock
from alpy.core.waiting import Deadline

# For a request to a daemon that was silent, in seconds.
_SHORT: Final = 2.0
# Of its limit, a request has to have had so much for that; a removal's begins a moment before.
_MOST: Final = 0.9


class Patience:
    """A request has *limit* seconds, or 2 s once one has waited in vain, until one is answered.

    So what is done when the daemon hangs, as a teardown of many apps, waits for it once.
    """

    def __init__(self, *, limit: float, clock: Clock) -> None:
        self._limit = limit
        self._clock = clock
        self.host_timeout = math.ceil(limit * clock.scale)
        """The limit in whole seconds of the host, as docker-py wants it."""
        self._short = min(math.ceil(_SHORT * clock.scale), self.host_timeout)

    @contextmanager
    def asking(self, api: docker.APIClient, asked: str, *, image: str = "") -> Iterator[None]:
        """As `translated`, for a request over *api*; sets what the next one will have."""
        most = Deadline.after(_MOST * self._limit, clock=self._clock)
        was_silent, timeout = api.timeout < self.host_timeout, self.host_timeout
        try:
            with translated(asked, image=image):
                yield
        except DockerError as error:
            if is_silence(error) and (was_silent or most.passed):
                timeout = self._short
            raise
        finally:
            api.timeout = timeout
