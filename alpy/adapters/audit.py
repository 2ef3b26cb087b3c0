# SPDX-License-Identifier: GPL-3.0-or-later
"""The Audit port: a look where things of the run were, and not at what their releases have said."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Final

from alpy.adapters.docker.engine import DockerEngine
from alpy.adapters.host_error import host_error
from alpy.adapters.recovery.recovery import Recovery
from alpy.core.ports import Leftover
from alpy.core.waiting import Deadline

# What was told to go is gone by now; on a busy host some of it takes a moment.
_PATIENCE: Final = 2.0
_INTERVAL: Final = 0.02


class RunAudit:
    """The run of *engine*, with its evidence in *directory*.

    On the host it looks where the guard and the next run would look. A tap that was moved into a
    node can't be seen there: it goes with its last holder, and all who can hold it are looked for.
    """

    def __init__(
        self, *, engine: DockerEngine, directory: Callable[[], Path], patience: float = _PATIENCE
    ) -> None:
        self._engine = engine
        self._directory = directory
        self._patience = patience
        self._recovery = Recovery(engine)

    def of_host(self) -> Sequence[Leftover]:
        return self._what_stays(self._on_host)

    def of_process(self) -> Sequence[Leftover]:
        return self._what_stays(self._in_process)

    def _on_host(self) -> Sequence[Leftover]:
        run, directory = self._engine.run_id, str(self._directory())
        traces = self._recovery.find_of(run, directory=directory)
        return [
            *(Leftover(trace.what, trace.maker) for trace in traces),
            *self._engine.holdings.live_processes(),
        ]

    def _in_process(self) -> Sequence[Leftover]:
        holdings = self._engine.holdings
        connections = [Leftover("connections to Docker", "engine")] * self._engine.is_connected
        try:
            return [*connections, *holdings.open_descriptors(), *holdings.live_threads()]
        except OSError as error:
            raise host_error(
                "look at the descriptors of this process",
                error,
                remedy="See 'ls -l /proc/self/fd', and 'ulimit -n'",
            ) from error

    def _what_stays(self, look: Callable[[], Sequence[Leftover]]) -> Sequence[Leftover]:
        clock = self._engine.clock
        deadline = Deadline.after(self._patience, clock=clock)
        while (left := look()) and not deadline.passed:
            clock.sleep(deadline.turn(_INTERVAL))
        return left
