# SPDX-License-Identifier: GPL-3.0-or-later
"""What comes of a saved state when its QEMU does not begin with it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, cast

import pytest

from alpy.adapters.clock import SystemClock
from alpy.adapters.holdings import Holdings
from alpy.adapters.qemu.saved_state import Saved
from alpy.adapters.qmp.monitor import QmpMonitor
from alpy.core.errors import (
    AlpyError,
    HostError,
    MachineDiedError,
    MachineStoppedError,
    MonitorError,
    MonitorTimeoutError,
    NodeDiedError,
    SavedStateError,
)
from alpy.core.exit_status import ExitStatus


class Monitor:
    """One where *outcome* is the answer to a look at the migration."""

    def __init__(self, outcome: Callable[[], dict[str, str]]) -> None:
        self._outcome = outcome

    def execute(self, command: str, _arguments: object = None) -> Any:
        return self._outcome() if command == "query-migrate" else {}

    def hand_over(self, descriptor: int, *, name: str) -> None:
        pass


@pytest.fixture
def saved(tmp_path: Path) -> Iterator[Saved]:
    (tmp_path / "memory").write_bytes(bytes(1 << 20))
    (tmp_path / "devices").touch()
    state = Saved(
        mib=1, folder=tmp_path, clock=SystemClock(), timeout=0.01, holdings=Holdings("test")
    )
    state.open()
    yield state
    state.close()


def connect(saved: Saved, outcome: Callable[[], dict[str, str]]) -> None:
    saved.connected(cast("QmpMonitor", Monitor(outcome)))


def raising(error: AlpyError) -> Callable[[], dict[str, str]]:
    def look() -> dict[str, str]:
        raise error

    return look


def died(**how: int) -> MachineDiedError:
    return MachineDiedError(status=ExitStatus(**how), stderr="")


@pytest.mark.parametrize(
    "error",
    [
        died(code=1),
        *(died(signal=number) for number in (4, 6, 7, 8, 11, 31)),
        MonitorError(command="migrate-incoming", answer="no such thing"),
    ],
    ids=str,
)
def test_what_qemu_has_against_a_state_is_lasting(saved: Saved, error: AlpyError) -> None:
    with pytest.raises(SavedStateError) as caught:
        connect(saved, raising(error))
    assert caught.value.lasting
    assert caught.value.__cause__ is error


def test_a_migration_that_fails_is_lasting(saved: Saved) -> None:
    with pytest.raises(SavedStateError, match="version 7") as caught:
        connect(saved, lambda: {"status": "failed", "error-desc": "version 7"})
    assert caught.value.lasting


@pytest.mark.parametrize(
    "outcome",
    [
        raising(MonitorTimeoutError(command="query-migrate", seconds=10)),
        lambda: {"status": "active"},
    ],
    ids=["no answer", "no end"],
)
def test_a_host_that_is_slow_says_nothing_against_a_state(
    saved: Saved, outcome: Callable[[], dict[str, str]]
) -> None:
    with pytest.raises(SavedStateError) as caught:
        connect(saved, outcome)
    assert not caught.value.lasting


@pytest.mark.parametrize(
    "error",
    [
        died(code=0),  # so it ends by SIGTERM
        died(signal=9),
        died(signal=15),
        MachineDiedError(status=None, stderr=""),
        MachineStoppedError(process=7),
        NodeDiedError(node=0),
        HostError(asked="a", found="b", remedy="c"),
    ],
    ids=str,
)
def test_what_others_do_is_told_as_what_it_is(saved: Saved, error: AlpyError) -> None:
    with pytest.raises(type(error)) as caught:
        connect(saved, raising(error))
    assert caught.value is error
