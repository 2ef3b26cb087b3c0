# SPDX-License-Identifier: GPL-3.0-or-later
"""Containers, found by their labels and names."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final

from alpy.adapters.docker.engine import DockerEngine, full_name
from alpy.adapters.recovery.owner import ROLE_LABEL, RUN_LABEL, owner_from_labels
from alpy.adapters.recovery.traces import AppEnd, Trace
from alpy.core.exit_status import ExitStatus
from alpy.core.waiting import Deadline

# Docker's list of containers tells the code in words only: "Exited (137) 2 seconds ago".
_EXITED: Final = re.compile(r"Exited \((\d+)\)")


class LabelledContainers:
    """A Place: the containers that runs of this user made.

    An image that a user makes of an app's container hands our labels on to all that is made from
    it; so the name has to be ours too.
    """

    def __init__(self, engine: DockerEngine) -> None:
        self._engine = engine

    def find(self) -> Sequence[Trace]:
        return self._find(RUN_LABEL)

    def find_of(self, run: str) -> Sequence[Trace]:
        return self._find(f"{RUN_LABEL}={run}", f"alpy.uid={os.geteuid()}")

    def _find(self, *labels: str) -> Sequence[Trace]:
        return [trace for found in self._engine.containers(*labels) for trace in _trace(found)]

    def remove(self, trace: Trace, within: Deadline, /) -> None:
        name = trace.what.removeprefix("container ")
        self._engine.remove_by(trace.handle, name=name, timeout=within.remaining)


def _trace(found: Mapping[str, Any]) -> Iterator[Trace]:
    labels: Mapping[str, str] = found["Labels"]
    # One that is half removed may have lost its name.
    name = str((found["Names"] or [found["Id"]])[0]).removeprefix("/")
    prefix = full_name(labels[RUN_LABEL], "")
    if found["Names"] and not name.startswith(prefix):
        return
    yield Trace(
        run=labels[RUN_LABEL],
        what=f"container {name} ({found['Status']})",
        maker=labels.get(ROLE_LABEL, "nobody who says so"),
        handle=found["Id"],
        owner=owner_from_labels(labels),
        end=_app_end(name.removeprefix(prefix), found),
    )


def _app_end(app: str, found: Mapping[str, Any]) -> AppEnd | None:
    if found["Labels"].get(ROLE_LABEL) != "app" or found["State"] == "created":
        return None
    if exited := _EXITED.match(found["Status"]):
        return AppEnd(app, str(ExitStatus.from_container(int(exited[1]))))
    return AppEnd(app, "unknown: it still ran, and was killed by its removal")
