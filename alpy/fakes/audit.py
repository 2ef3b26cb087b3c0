# SPDX-License-Identifier: GPL-3.0-or-later
"""An audit that reads the book of the world."""

from __future__ import annotations

from collections.abc import Sequence

from attrs import define

from alpy.core.errors import HostError
from alpy.core.ports import Leftover
from alpy.fakes.guard import OUTLIVES, FakeGuard
from alpy.fakes.ledger import Ledger
from alpy.fakes.skeleton import docker_refused


def _unreadable() -> HostError:
    return HostError(asked="/proc", found="unreadable, as planned", remedy="Plan no such fault.")


@define
class FakeAudit:
    """Whoever made a thing is the call by which it came: "skeleton.create_nodes"."""

    _ledger: Ledger
    _guard: FakeGuard

    def of_host(self) -> Sequence[Leftover]:
        with self._ledger.call("audit.of_host", docker_refused):
            return self._alive(on_host=True)

    def of_process(self) -> Sequence[Leftover]:
        with self._ledger.call("audit.of_process", _unreadable):
            return self._alive(on_host=False)

    def _alive(self, *, on_host: bool) -> Sequence[Leftover]:
        return [
            Leftover(thing, self._ledger.maker_of(thing))
            for thing in self._ledger.alive
            if thing.startswith(OUTLIVES) == on_host and thing not in self._guard.of_dead_runs
        ]
