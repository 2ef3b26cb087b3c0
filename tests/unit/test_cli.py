# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

from collections.abc import Sequence

import pytest

from alpy import cli
from alpy.adapters.recovery.owner import Owner
from alpy.adapters.recovery.sweep import SweptRun
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
