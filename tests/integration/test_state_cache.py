# SPDX-License-Identifier: GPL-3.0-or-later
"""The cache of saved states on a real disk: its contract, damage, room, and makers that die."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from alpy.adapters.clock import SystemClock
from alpy.adapters.holdings import Holdings
from alpy.adapters.saved import entry
from alpy.adapters.saved.contents import CONTENTS
from alpy.adapters.saved.lock import Lock
from alpy.adapters.saved.store import DEFAULT_LIMIT, StateCache, cache_folder, limit_of
from alpy.core.errors import HostError, InvalidValueError
from tests.contracts.saved_states import (
    ONE,
    OTHER,
    PATIENCE,
    ConcurrentSavedStatesContract,
    SavedStatesContract,
    made,
)

MAKER = """
import sys
from pathlib import Path
from alpy.adapters.clock import SystemClock
from alpy.adapters.saved.store import StateCache
from tests.contracts.saved_states import ONE
cache = StateCache(folder=Path(sys.argv[1]), clock=SystemClock())
cache.find(ONE, timeout=0)
(cache.begin() / "half").write_text("half")
print("begun", flush=True)
sys.stdin.readline()
"""


CROWD = """
import sys
from pathlib import Path
from alpy.adapters.clock import SystemClock
from alpy.adapters.saved.store import StateCache
from tests.contracts.saved_states import ONE
cache = StateCache(folder=Path(sys.argv[1]), clock=SystemClock())
print("ready", flush=True)
sys.stdin.readline()
found = cache.find(ONE, timeout=10)
if not found:
    (cache.begin() / "memory").write_bytes(bytes(1000000))
    cache.keep()
print("found" if found else "made", flush=True)
"""


class CacheRig:
    def __init__(self, folder: Path) -> None:
        self.folder = folder / "a, b = c ä" / "states"
        self.clock = SystemClock()
        self.holdings = Holdings("run")
        self._made: list[StateCache] = []

    def states(self, *, limit: int = DEFAULT_LIMIT) -> StateCache:
        self._made.append(
            StateCache(folder=self.folder, clock=self.clock, limit=limit, holdings=self.holdings)
        )
        return self._made[-1]

    def save(self, folder: Path) -> None:
        (folder / "memory").write_bytes(b"all of it" * 10_000)
        (folder / "devices").write_bytes(b"few")

    def release(self) -> None:
        for states in self._made:
            states.release()

    def names(self) -> set[str]:
        return {path.name for path in self.folder.iterdir() if path.suffix != ".lock"}


@pytest.fixture
def rig(tmp_path: Path) -> Iterator[CacheRig]:
    made = CacheRig(tmp_path)
    yield made
    made.release()


class TestStateCache(SavedStatesContract, ConcurrentSavedStatesContract):
    @pytest.fixture
    def rig(self, rig: CacheRig) -> CacheRig:
        return rig


@pytest.fixture
def folder(rig: CacheRig) -> Path:
    """That of a state which was made and is not in use."""
    made(rig).release()
    (name,) = rig.names()
    return rig.folder / name


def of_an_earlier_boot(folder: Path) -> None:
    (folder / "used").write_text("earlier")


def shortened(folder: Path) -> None:
    os.truncate(folder / "memory", 100)


def changed(folder: Path) -> None:
    (folder / "devices").write_bytes(b"two")


def changed_unnoticed_before_a_boot(folder: Path) -> None:
    times = (folder / "devices").stat()
    changed(folder)
    os.utime(folder / "devices", ns=(times.st_atime_ns, times.st_mtime_ns))
    of_an_earlier_boot(folder)


def file_gone(folder: Path) -> None:
    (folder / "devices").unlink()


def manifest_gone(folder: Path) -> None:
    (folder / "manifest.json").unlink()


def manifest_half_written(folder: Path) -> None:
    os.truncate(folder / "manifest.json", 30)


def manifest_of_another_kind(folder: Path) -> None:
    (folder / "manifest.json").write_text('{"files": ["memory"]}')


@pytest.mark.parametrize(
    "damage",
    [
        shortened,
        changed,
        changed_unnoticed_before_a_boot,
        file_gone,
        manifest_gone,
        manifest_half_written,
        manifest_of_another_kind,
    ],
)
def test_a_damaged_state_is_removed_and_told_and_made_anew(
    rig: CacheRig,
    folder: Path,
    damage: Callable[[Path], None],
    caplog: pytest.LogCaptureFixture,
) -> None:
    damage(folder)
    made(rig)
    assert len([record for record in caplog.records if record.levelname == "WARNING"]) == 1
    assert rig.states().find(ONE, timeout=0) == folder
    assert rig.names() == {folder.name}


def test_a_state_that_lost_the_note_of_its_use_is_whole(rig: CacheRig, folder: Path) -> None:
    (folder / "used").unlink()
    for _ in range(2):
        assert rig.states().find(ONE, timeout=0) == folder
    assert (folder / "used").exists()


def test_a_whole_state_is_found_after_another_boot_of_the_host(folder: Path, rig: CacheRig) -> None:
    of_an_earlier_boot(folder)
    assert rig.states().find(ONE, timeout=0) == folder
    assert (folder / "used").read_text() != "earlier"


@pytest.mark.usefixtures("folder")
def test_only_the_owner_can_look_into_the_cache(rig: CacheRig) -> None:
    assert rig.folder.stat().st_mode & 0o777 == 0o700
    rig.folder.chmod(0o755)
    assert rig.states().find(ONE, timeout=0)
    assert rig.folder.stat().st_mode & 0o777 == 0o700
    # Others may have put a state there, and who begins with it does what they want.
    rig.folder.chmod(0o770)
    with pytest.raises(HostError, match="may have changed what is there"):
        rig.states().find(ONE, timeout=0)


def test_a_cache_that_cannot_be_made_is_an_error_of_the_host(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    cache = StateCache(folder=tmp_path / "file" / "states", clock=SystemClock())
    with pytest.raises(HostError, match="ALPY_STATES"):
        cache.find(ONE, timeout=0)


def test_what_a_killed_maker_left_is_removed_and_its_work_done_by_the_next(rig: CacheRig) -> None:
    maker = subprocess.Popen(
        [sys.executable, "-c", MAKER, rig.folder],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        cwd=Path(__file__).parents[2],
    )
    with maker:
        assert maker.stdout
        assert maker.stdout.readline() == b"begun\n"
        (left,) = rig.names()
        assert left.endswith(".making")
        maker.kill()
    # Whatever the next one wants, it clears up.
    made(rig, OTHER)
    assert left not in rig.names()
    made(rig, ONE)


def test_makers_in_many_processes_make_it_once(rig: CacheRig) -> None:
    made(rig, OTHER)  # so that the folder is there
    command = [sys.executable, "-c", CROWD, str(rig.folder)]
    root = Path(__file__).parents[2]
    crowd = [
        subprocess.Popen(command, cwd=root, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        for _ in range(4)
    ]
    for process in crowd:
        assert process.stdout
        assert process.stdout.readline() == b"ready\n"
    said = [process.communicate(b"go\n", timeout=PATIENCE)[0] for process in crowd]
    assert sorted(said) == [b"found\n"] * 3 + [b"made\n"]


def test_a_half_state_that_cannot_be_removed_is_in_nobodys_way(rig: CacheRig) -> None:
    made(rig, OTHER).release()
    (rig.folder / f"{'0' * 32}.making").touch()  # no folder: `rmtree` refuses
    (rig.folder / f"{'1' * 32}.making").mkdir()
    assert rig.states().find(OTHER, timeout=0)
    assert not (rig.folder / f"{'1' * 32}.making").exists()


def test_a_state_that_somebody_removes_while_it_is_kept_is_refused(
    rig: CacheRig, monkeypatch: pytest.MonkeyPatch
) -> None:
    maker = rig.states()
    maker.find(ONE, timeout=0)
    rig.save(maker.begin())
    share = Lock.share

    def meanwhile(lock: Lock) -> bool:
        # From alone to shared is two steps for the kernel.
        lock.release()
        rig.states().clear()
        return share(lock)

    with monkeypatch.context() as patch:
        patch.setattr(Lock, "share", meanwhile)
        with pytest.raises(HostError, match="keep"):
            maker.keep()
    maker.release()
    made(rig)


def test_to_clear_forgets_what_was_ruled_out_and_what_files_hold(rig: CacheRig) -> None:
    maker = rig.states()
    maker.find(ONE, timeout=0)
    maker.rule_out("it can't be saved")
    (rig.folder / CONTENTS).mkdir()
    (rig.folder / CONTENTS / "note").touch()
    assert rig.states().clear() == ([], [])
    assert list(rig.folder.iterdir()) == []
    made(rig)


def test_how_much_it_holds_says_the_environment() -> None:
    assert limit_of({}) == DEFAULT_LIMIT
    assert limit_of({"ALPY_STATES_MIB": "100"}) == 100 << 20
    with pytest.raises(InvalidValueError, match="ALPY_STATES_MIB"):
        limit_of({"ALPY_STATES_MIB": "much"})


def test_the_longest_unused_state_makes_room_and_one_in_use_stays(rig: CacheRig) -> None:
    third = {**ONE, "preparation": "third"}
    user = made(rig)
    made(rig, OTHER).release()
    for number, state in enumerate(sorted(rig.folder.glob("*/used"))):
        os.utime(state, (number, number))
    maker = rig.states(limit=1)
    maker.find(third, timeout=0)
    rig.save(maker.begin())
    maker.keep()
    assert [states.find(ONE, timeout=0) is not None for states in (user, rig.states())] == [
        True
    ] * 2
    assert rig.states().find(third, timeout=0) is not None
    assert rig.states().find(OTHER, timeout=0) is None


def test_each_use_counts_as_the_last_one(rig: CacheRig) -> None:
    made(rig).release()
    made(rig, OTHER).release()
    for state in rig.folder.glob("*/used"):
        os.utime(state, (1, 1))
    rig.states().find(ONE, timeout=0)
    assert [found.name for found in rig.states().entries()] == [
        "rabbit, configured",
        "rabbit, logged in",
    ]
    assert rig.states().entries()[1].last_use > 1


def test_to_clear_removes_all_that_is_not_in_use_and_tells_the_rest(rig: CacheRig) -> None:
    user = made(rig)
    made(rig, OTHER).release()
    gone, kept = rig.states().clear()
    assert [entry.name for entry in gone] == ["rabbit, configured"]
    assert [entry.name for entry in kept] == ["rabbit, logged in"]
    assert kept[0].size > 90_000
    user.release()
    rig.states().clear()
    assert list(rig.folder.iterdir()) == []


def test_a_cache_that_was_never_used_is_empty(rig: CacheRig) -> None:
    assert rig.states().entries() == []
    assert rig.states().clear() == ([], [])


def test_where_it_is_says_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", "/home/me")
    assert cache_folder({}) == Path("/home/me/.cache/alpy/states")
    assert cache_folder({"XDG_CACHE_HOME": "/c"}) == Path("/c/alpy/states")
    assert cache_folder({"XDG_CACHE_HOME": "/c", "ALPY_CACHE": "/d"}) == Path("/d/states")
    assert cache_folder({"ALPY_CACHE": "/d", "ALPY_STATES": "/e"}) == Path("/e")


def test_the_manifest_tells_people_what_it_is(folder: Path) -> None:
    text = (folder / "manifest.json").read_text()
    assert '"preparation": "logged in"' in text
    assert entry.name_of(folder) == "rabbit, logged in"
    assert entry.name_of(folder / "nowhere") == "?"


def test_a_lock_that_was_not_released_is_found_by_the_audit(rig: CacheRig) -> None:
    made(rig)
    rig.states().find(ONE, timeout=0)
    held = rig.holdings.open_descriptors()
    assert [(each.maker, ".lock" in each.what) for each in held] == [("saved states", True)] * 2
    rig.release()
    assert rig.holdings.open_descriptors() == []


def test_who_gives_up_making_a_state_leaves_no_lock_behind(rig: CacheRig) -> None:
    maker = rig.states()
    maker.find(ONE, timeout=0)
    rig.save(maker.begin())
    maker.release()
    assert list(rig.folder.iterdir()) == []


@pytest.mark.skipif(os.geteuid() == 0, reason="root may remove everything")
def test_what_cannot_be_removed_is_an_error_of_the_host_and_holds_nobody_up(rig: CacheRig) -> None:
    maker = rig.states()
    maker.find(ONE, timeout=0)
    rig.save(maker.begin())
    (rig.folder / maker._entry.with_suffix(".making")).chmod(0o500)
    with pytest.raises(HostError):
        maker.release()
    assert rig.holdings.open_descriptors() == []
