# SPDX-License-Identifier: GPL-3.0-or-later
"""Containers, found by their labels."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping, Sequence
from typing import Any, Final

from alpy.adapters.docker.engine import DockerEngine
from alpy.adapters.recovery.owner import ROLE_LABEL, RUN_LABEL, owner_from_labels
from alpy.adapters.recovery.traces import AppEnd, Trace
from alpy.core.exit_status import ExitStatus

# Docker's list of containers tells the code in words only: "Exited (137) 2 seconds ago".
_EXITED: Final = re.compile(r"Exited \((\d+)\)")


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
        maker=labels.get(ROLE_LABEL, "nobody who says so"),
        handle=found["Id"],
        owner=owner_from_labels(labels),
        end=_app_end(name.removeprefix(f"alpy-{labels[RUN_LABEL]}-"), found),
    )


def _app_end(app: str, found: Mapping[str, Any]) -> AppEnd | None:
    if found["Labels"].get(ROLE_LABEL) != "app" or found["State"] == "created":
        return None
    if exited := _EXITED.match(found["Status"]):
        return AppEnd(app, str(ExitStatus.from_container(int(exited[1]))))
    return AppEnd(app, "unknown: it still ran, and was killed by its removal")
