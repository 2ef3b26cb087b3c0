# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import time
from collections.abc import Sequence

import pytest

from alpy import cli
from alpy.adapters.recovery.owner import Owner
from alpy.adapters.recovery.sweep import SweptRun
from alpy.adapters.saved.store import SavedEntry
from alpy.core.errors import DockerError

OWNER = Owner(run="1a2b", pid=42, start=1, boot="b", pidns="n", uid=0, dir="/runs/one")
DEAD = SweptRun(run="1a2b", owner=OWNER, dead=True, why="its process 42 is gone", traces=("tap x",))
ALIVE = SweptRun(run="3c4d", owner=None, dead=False, why="process 7 runs it", traces=("tap y",))
STUCK = SweptRun(run="5e", owner=None, dead=True, why="gone", traces=(), faults=("tap z: busy",))


def clean(
    monkeypatch: pytest.MonkeyPatch, runs: Sequence[SweptRun], *options: str
) -> tuple[int, str]:
    said: list[str] = []
    asked: list[bool] = []

    def clear(*, dry_run: bool) -> list[SweptRun]:
        asked.append(dry_run)
        return list(runs)

    monkeypatch.setattr(cli, "clear_dead_runs", clear)
    status = cli.main(["clean", *options], say=said.append)
    assert asked == [bool(options)]
    return status, "\n".join(said)


def test_it_says_what_was_removed_and_kept_and_why(monkeypatch: pytest.MonkeyPatch) -> None:
    status, said = clean(monkeypatch, [DEAD, ALIVE])
    assert status == 0
    assert said.splitlines() == [
        "Run 1a2b: its process 42 is gone; its evidence: /runs/one",
        "  removed tap x",
        "Run 3c4d: process 7 runs it",
        "  kept tap y",
    ]


def test_what_could_not_be_removed_fails_it(monkeypatch: pytest.MonkeyPatch) -> None:
    status, said = clean(monkeypatch, [STUCK])
    assert status == 1
    assert "not removed: tap z: busy" in said


@pytest.mark.parametrize("option", ["-n", "--dry-run"])
def test_a_dry_run_says_what_would_be_removed(monkeypatch: pytest.MonkeyPatch, option: str) -> None:
    status, said = clean(monkeypatch, [DEAD], option)
    assert (status, "  would remove tap x" in said) == (1, True)


def test_where_no_run_is_dead_it_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    status, said = clean(monkeypatch, [])
    assert (status, said) == (0, "Nothing is left behind by dead runs.")


def test_without_docker_it_says_what_to_do(monkeypatch: pytest.MonkeyPatch) -> None:
    def clear(*, dry_run: bool) -> list[SweptRun]:
        raise DockerError(asked="list", found=f"no daemon, {dry_run}", remedy="Start it")

    monkeypatch.setattr(cli, "clear_dead_runs", clear)
    said: list[str] = []
    assert cli.main(["clean"], say=said.append) == 1
    assert said == ["alpy: list: no daemon, False. Start it"]


def test_help_tells_what_is_safe_and_what_the_exit_status_means(
    capsys: pytest.CaptureFixture[str],
) -> None:
    with pytest.raises(SystemExit, match="0"):
        cli.main(["clean", "--help"])
    told = capsys.readouterr().out
    assert "alive is left alone" in told
    assert "Exit status" in told


ENTRY = SavedEntry(key="0123456789abcdef", name="rabbit, logged in", size=102_400_000, last_use=0)


class Cache:
    def __init__(self, gone: Sequence[SavedEntry] = (), kept: Sequence[SavedEntry] = ()) -> None:
        self._gone, self._kept = list(gone), list(kept)

    def entries(self) -> list[SavedEntry]:
        return self._gone + self._kept

    def clear(self) -> tuple[list[SavedEntry], list[SavedEntry]]:
        return self._gone, self._kept


def cache(
    monkeypatch: pytest.MonkeyPatch, found: Cache, *options: str, now: float = 7200
) -> tuple[int, list[str]]:
    said: list[str] = []
    monkeypatch.setattr(cli, "state_cache", lambda: found)
    monkeypatch.setattr(time, "time", lambda: now)
    return cli.main(["cache", *options], say=said.append), said


@pytest.mark.parametrize(
    ("now", "age"), [(0, "0 s"), (90, "1 min"), (7300, "2 h"), (864_000, "10 d")]
)
def test_saved_states_are_listed_with_size_and_age(
    monkeypatch: pytest.MonkeyPatch, now: float, age: str
) -> None:
    status, said = cache(monkeypatch, Cache([ENTRY]), now=now)
    assert status == 0
    words = " ".join(said[0].split())
    assert words == f"01234567 102.4 MB {age} ago rabbit, logged in"


def test_what_is_in_use_is_not_cleared_and_told(monkeypatch: pytest.MonkeyPatch) -> None:
    status, said = cache(monkeypatch, Cache([ENTRY], [ENTRY]), "--clear")
    assert status == 1
    assert said[0].startswith("removed 01234567")
    assert said[1].startswith("in use: 01234567")
    assert cache(monkeypatch, Cache([ENTRY]), "--clear")[0] == 0


def test_an_empty_cache_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    assert cache(monkeypatch, Cache()) == (0, ["No states are saved."])
