# SPDX-License-Identifier: GPL-3.0-or-later
"""The sweep over places in memory."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from attrs import define, evolve, field

from alpy.adapters.recovery.liveness import Life, Verdict
from alpy.adapters.recovery.owner import Owner
from alpy.adapters.recovery.sweep import Clearing, SweptRun, sweep
from alpy.adapters.recovery.traces import Trace
from alpy.core.errors import HostError
from alpy.core.waiting import Deadline
from alpy.fakes import World

US = Owner(run="", pid=1, start=1, boot="today", pidns="1", uid=1000)
DEAD_RUNS = {"dead", "dead too"}


def judge(owner: Owner) -> Verdict:
    return Verdict(Life.DEAD if owner.run in DEAD_RUNS else Life.ALIVE, "so it is")


def refusal() -> HostError:
    return HostError(asked="remove it", found="it is stuck", remedy="Wait")


@define
class Shelf:
    """A place: what lies here, and how often it refuses to let go."""

    traces: list[Trace] = field(factory=list)
    refuses: int = 0
    arrives_late: list[Trace] = field(factory=list)
    """What a request brings that is still under way when the rest is found."""

    def put(
        self, run: str, what: str, *, uid: int = 1000, labelled: bool = True, folder: str = ""
    ) -> None:
        owner = evolve(US, run=run, uid=uid, dir=folder) if labelled else None
        self.traces.append(Trace(run=run, what=what, maker="node", handle=what, owner=owner))

    given: list[float] = field(factory=list)
    """How many seconds each removal was given."""
    silent: bool = False
    """It can't be asked about a run."""

    def find(self) -> Sequence[Trace]:
        return list(self.traces)

    def find_of(self, run: str) -> Sequence[Trace]:
        if self.silent:
            raise refusal()
        found = [trace for trace in self.traces if trace.run == run]
        self.traces += self.arrives_late
        self.arrives_late = []
        return found

    def remove(self, trace: Trace, within: Deadline, /) -> None:
        self.given.append(within.remaining)
        if self.refuses:
            self.refuses -= 1
            raise refusal()
        self.traces = [each for each in self.traces if each != trace]

    @property
    def held(self) -> list[str]:
        return [trace.what for trace in self.traces]


def run_sweep(
    *shelves: Shelf,
    folders: Mapping[str, Shelf] | None = None,
    notes: Shelf | None = None,
    dry_run: bool = False,
) -> list[SweptRun]:
    return sweep(
        shelves,
        notes=notes or Shelf(),
        place_in=(folders or {}).__getitem__,
        judge=judge,
        uid=1000,
        clock=World().clock,
        timeout=5,
        dry_run=dry_run,
    )


def test_only_what_dead_runs_left_is_removed() -> None:
    shelf = Shelf()
    for run in ("dead", "alive", "dead too"):
        shelf.put(run, f"container of {run}")
    swept = run_sweep(shelf)
    assert shelf.held == ["container of alive"]
    assert [(run.run, run.dead) for run in swept] == [
        ("alive", False), ("dead", True), ("dead too", True),
    ]  # fmt: skip


def test_what_does_not_tell_whose_it_is_goes_with_the_run_that_is_known_to_be_dead() -> None:
    containers, taps = Shelf(), Shelf()
    containers.put("dead", "node")
    taps.put("dead", "tap", labelled=False)
    taps.put("unknown", "other tap", labelled=False)
    kept = [run for run in run_sweep(containers, taps) if not run.dead]
    assert containers.held + taps.held == ["other tap"]
    assert "do not tell" in kept[0].why


def test_what_another_user_has_is_left_alone() -> None:
    shelf = Shelf()
    shelf.put("dead", "node", uid=1001)
    (run,) = run_sweep(shelf)
    assert shelf.held == ["node"]
    assert "another user" in run.why


def test_what_lies_in_the_run_directory_that_a_trace_names_goes_with_it() -> None:
    containers, folders = Shelf(), {"runs/a": Shelf(), "runs/b": Shelf()}
    for run, folder in (("dead", "runs/a"), ("alive", "runs/b")):
        containers.put(run, f"container of {run}", folder=folder)
        folders[folder].put(run, f"file of {run}", labelled=False)
    alive, dead = run_sweep(containers, folders=folders)
    assert (alive.dead, dead.dead) == (False, True)
    assert dead.traces == ("container of dead", "file of dead")
    assert (folders["runs/a"].held, folders["runs/b"].held) == ([], ["file of alive"])


def test_a_run_is_told_in_the_folder_that_one_of_its_traces_names() -> None:
    shelf = Shelf()
    shelf.put("dead", "tap")
    shelf.put("dead", "node", folder="runs/a")
    shelf.put("dead", "other tap")
    (run,) = run_sweep(shelf, folders={"runs/a": Shelf()})
    assert run.owner
    assert run.owner.dir == "runs/a"


def test_a_dry_run_tells_and_removes_nothing() -> None:
    shelf = Shelf()
    shelf.put("dead", "node")
    (run,) = run_sweep(shelf, dry_run=True)
    assert (run.dead, run.traces, shelf.held) == (True, ("node",), ["node"])


def test_what_does_not_go_at_once_is_tried_again() -> None:
    shelf = Shelf(refuses=2)
    shelf.put("dead", "node")
    (run,) = run_sweep(shelf)
    assert (run.traces, run.faults, shelf.held) == (("node",), (), [])


def test_what_does_not_go_at_all_is_told_and_does_not_hinder_the_rest() -> None:
    stuck, shelf = Shelf(refuses=1000), Shelf()
    stuck.put("dead", "node")
    shelf.put("dead", "tap")
    (run,) = run_sweep(stuck, shelf)
    assert (run.traces, shelf.held) == (("tap",), [])
    assert run.faults == (str(refusal()),)


def test_what_arrives_late_is_found_by_looking_again() -> None:
    shelf = Shelf()
    shelf.put("dead", "late node")
    shelf.traces, shelf.arrives_late = [], shelf.traces
    clearing = Clearing([shelf], World().clock)
    clearing.clear("dead", looks=3, timeout=60)
    assert (clearing.removed, shelf.held) == (["late node"], [])


def test_it_goes_on_looking_until_nothing_has_come_for_so_long() -> None:
    world = World()
    shelf, late = Shelf(), Shelf()
    late.put("dead", "late node")
    for seconds in (4.5, 9.0):
        world.clock.after(seconds, lambda: shelf.put("dead", "late node"))
    clearing = Clearing([shelf], world.clock)
    clearing.clear("dead", looks=1, timeout=60, quiet=5)
    assert shelf.held == []
    assert len(shelf.given) == 2
    assert 14 <= world.clock.now() < 15


def test_a_removal_is_given_no_longer_than_the_sweep_has() -> None:
    shelf = Shelf(refuses=1000)
    shelf.put("dead", "node")
    run_sweep(shelf)
    assert shelf.given[0] == 5
    assert shelf.given[-1] < 0.31


def test_a_place_that_cannot_be_asked_does_not_hinder_the_others() -> None:
    shelf = Shelf()
    shelf.put("dead", "tap")
    clearing = Clearing([Shelf(silent=True), shelf], World().clock)
    clearing.clear("dead", looks=3, timeout=60)
    assert shelf.held == []
    assert clearing.faults == [str(refusal())]


def test_a_run_that_left_only_files_is_found_by_its_note() -> None:
    notes, folder = Shelf(), Shelf()
    notes.put("dead", "note", folder="runs/a")
    folder.put("dead", "file", labelled=False)
    (run,) = run_sweep(notes=notes, folders={"runs/a": folder})
    assert run.traces == ("file", "note")
    assert (notes.held, folder.held) == ([], [])
