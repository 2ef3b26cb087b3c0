# SPDX-License-Identifier: GPL-3.0-or-later
"""Places on a host that can't be looked at: the sweep and the guard count on one kind of error."""

from __future__ import annotations

import os
import socket
from pathlib import Path
from typing import NoReturn

import pytest

from alpy.adapters.recovery import taps
from alpy.adapters.recovery.processes import RunProcesses
from alpy.adapters.recovery.taps import HostTaps
from alpy.adapters.recovery.traces import Place, Trace
from alpy.core.errors import HostError
from alpy.core.waiting import Deadline
from alpy.fakes import World


def refuse(*_: object) -> NoReturn:
    raise PermissionError(13, "Permission denied")


@pytest.fixture(params=[HostTaps, RunProcesses])
def place(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Place:
    monkeypatch.setattr(taps, "_INTERFACES", tmp_path / "no-sys")
    monkeypatch.setattr(os, "scandir", refuse)
    made: Place = request.param()
    return made


def test_what_can_not_be_looked_at_is_an_error_of_the_host(place: Place) -> None:
    with pytest.raises(HostError, match="look at the"):
        place.find()
    with pytest.raises(HostError, match="look at the"):
        place.find_of("r1")


def test_a_tap_that_can_not_be_asked_for_is_an_error_of_the_host(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(socket, "if_nameindex", refuse)
    trace = Trace(run="r1", what="tap alpy0", maker="skeleton", handle="alpy0")
    with pytest.raises(HostError, match="remove tap alpy0: Permission denied"):
        HostTaps().remove(trace, Deadline.after(1, clock=World().clock))
