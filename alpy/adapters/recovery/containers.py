# SPDX-License-Identifier: GPL-3.0-or-later
"""Containers, found by their labels."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from typing import Any

from alpy.adapters.docker.engine import DockerEngine
from alpy.adapters.recovery.owner import RUN_LABEL, owner_from_labels
from alpy.adapters.recovery.traces import Trace


class LabelledContainers:
    """A Place: the containers that runs of this user made."""

    def __init__(self, engine: DockerEngine) -> None:
        self._engine = engine

    def find(self) -> Sequence[Trace]:
        return [_trace(found) for found in self._engine.containers(RUN_LABEL)]

    def find_of(self, run: str) -> Sequence[Trace]:
        ours = f"alpy.uid={os.geteuid()}"
        return [_trace(found) for found in self._engine.containers(f"{RUN_LABEL}={run}", ours)]

    def remove(self, trace: Trace) -> None:
        self._engine.remove_by(trace.handle, name=trace.what.removeprefix("container "))


def _trace(found: Mapping[str, Any]) -> Trace:
    labels: Mapping[str, str] = found["Labels"]
    name = str((found["Names"] or [found["Id"]])[0]).removeprefix("/")
    return Trace(
        run=labels[RUN_LABEL],
        what=f"container {name} ({found['Status']})",
        handle=found["Id"],
        owner=owner_from_labels(labels),
    )
