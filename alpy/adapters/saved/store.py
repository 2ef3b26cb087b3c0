# SPDX-License-Identifier: GPL-3.0-or-later
"""The cache of saved states: each is made once, is whole or not there, and goes in its turn."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from hashlib import sha256
from pathlib import Path
from typing import Final
from uuid import uuid4

from attrs import define, field, frozen

from alpy.adapters.capacity import whole_number
from alpy.adapters.holdings import Holdings
from alpy.adapters.private_folder import make_private, user_cache
from alpy.adapters.saved.contents import CONTENTS
from alpy.adapters.saved.entry import fault_of, last_use_of, name_of, size_of, write_manifest
from alpy.adapters.saved.lock import Lock
from alpy.core.errors import AlpyError, HostError, SavedStateError
from alpy.core.narrative import get_logger, step
from alpy.core.ports import Clock
from alpy.core.waiting import wait_until

# A state of a small Linux takes 100 to 150 MB.
DEFAULT_LIMIT: Final = 8 << 30
LIMIT_VARIABLE: Final = "ALPY_STATES_MIB"
_KEY_LENGTH: Final = 32
_LOCK, _MAKING, _GONE, _RULED_OUT = ".lock", ".making", ".gone", ".ruled-out"

_log = get_logger("alpy.saved")


@frozen(kw_only=True)
class SavedEntry:
    """A saved state as `alpy cache` shows it. *last_use*: in seconds of the epoch."""

    key: str
    name: str
    size: int
    last_use: float


@define(kw_only=True)
class StateCache:
    """The SavedStates port on *folder*, for one testbed. It keeps *limit* bytes, and what is used.

    A lock beside each state is shared by those who use it, and held alone by who makes or removes
    it. What a killed maker left is removed by whoever looks for any state next.
    """

    _folder: Path
    _clock: Clock
    _limit: int = DEFAULT_LIMIT
    _holdings: Holdings = field(factory=Holdings)
    _key: str = field(default="", init=False)
    _identity: Mapping[str, str] = field(factory=dict, init=False)
    _lock: Lock | None = field(default=None, init=False)
    _is_ours: bool = field(default=False, init=False)

    def find(self, identity: Mapping[str, str], *, timeout: float) -> Path | None:
        self.release()
        if fault := make_private(self._folder):
            raise self._refusal(fault)
        text = json.dumps(dict(identity), sort_keys=True)
        self._key, self._identity = sha256(text.encode()).hexdigest()[:_KEY_LENGTH], identity
        self._lock = self._lock_of(self._key)
        with self._translated():
            self._remove_leftovers()
            if not self._try_to_find():
                self._wait_for_maker(timeout)
        return None if self._is_ours else self._entry

    def begin(self) -> Path:
        self._check_ours("begin")
        making = self._entry.with_suffix(_MAKING)
        with self._translated():
            _remove(making)
            making.mkdir(mode=0o700)
        return making

    def keep(self) -> Path:
        self._check_ours("keep")
        making = self._entry.with_suffix(_MAKING)
        with self._translated():
            write_manifest(making, self._identity)
            making.rename(self._entry)
            self._is_ours = False
            # From now on others may begin with it; it goes when its turn comes. Between the one
            # lock and the other somebody may have removed it.
            if not (self._lock and self._lock.share() and self._entry.is_dir()):
                raise self._refusal("keep: somebody else has the state that was made")
            self._keep_to_limit()
        return self._entry

    def discard(self, reason: str) -> None:
        self._throw_away("discard", reason)

    def rule_out(self, reason: str) -> None:
        self._throw_away("rule out", reason, note=self._entry.with_suffix(_RULED_OUT))

    def release(self) -> None:
        try:
            if self._is_ours and self._lock:
                with self._translated():
                    _remove(self._entry.with_suffix(_MAKING))
                    self._lock.forget()
        finally:
            lock, self._lock, self._is_ours = self._lock, None, False
            if lock:
                lock.release()

    def entries(self) -> list[SavedEntry]:
        """All states, the longest unused first."""
        found = [
            SavedEntry(
                key=path.name, name=name_of(path), size=size_of(path), last_use=last_use_of(path)
            )
            for path in self._folder.glob("?" * _KEY_LENGTH)
        ]
        return sorted(found, key=lambda entry: entry.last_use)

    def clear(self) -> tuple[list[SavedEntry], list[SavedEntry]]:
        """Remove all states: those that are gone, and those that somebody uses or makes just now.

        Raises:
            HostError: one can't be removed.
        """
        with self._translated():
            self._remove_leftovers()
            _remove(self._folder / CONTENTS)
            entries = self.entries()
            gone = [entry for entry in entries if self._try_to_remove(entry.key)]
            # What was ruled out, and locks of what is not there any more.
            for path in self._folder.glob("?" * _KEY_LENGTH + ".*"):
                self._try_to_remove(path.stem)
        return gone, [entry for entry in entries if entry not in gone]

    @property
    def _entry(self) -> Path:
        return self._folder / self._key

    def _try_to_find(self) -> bool:
        """Whether the state is there and ours to use, or not there and ours to make."""
        if self._lock is None or not self._lock.share():
            return False
        self._check_not_ruled_out()
        if self._fault() is None:
            return True
        if not self._lock.own():
            return False
        self._check_not_ruled_out()
        # Somebody may have made it since the first look, or remove it before we share it again.
        fault = self._fault()
        if fault is None:
            return self._lock.share() and self._fault() is None
        if self._entry.exists():
            _log.warning("A saved state was removed", state=self._key, why=fault)
            self._remove_entry(self._entry)
        self._is_ours = True
        return True

    def _check_not_ruled_out(self) -> None:
        with suppress(FileNotFoundError):
            why = self._entry.with_suffix(_RULED_OUT).read_text(encoding="utf-8", errors="replace")
            if why:  # or else there was no room for it
                reason = f"as an earlier run has found, {why} (to try again: alpy cache --clear)"
                raise SavedStateError(state=str(self._entry), reason=reason)

    def _throw_away(self, step: str, reason: str, *, note: Path | None = None) -> None:
        if self._lock is None:
            raise self._refusal(f"{step}: no state was found")
        try:
            with self._translated():
                # If others use it, it stays: they will see for themselves.
                if self._is_ours or self._lock.own():
                    _log.debug("a saved state was removed", state=self._key, why=reason)
                    self._remove_entry(self._entry)
                    if note:
                        note.write_text(reason, encoding="utf-8")
        finally:
            self.release()

    def _wait_for_maker(self, timeout: float) -> None:
        with step(_log, "Wait for a state that another run makes", state=self._key):
            wait_until(
                self._try_to_find,
                awaited=f"the end of another run's work on the saved state {self._key}",
                timeout=timeout,
                clock=self._clock,
            )

    def _fault(self) -> str | None:
        return fault_of(self._entry) if self._entry.is_dir() else "it is not there"

    def _keep_to_limit(self) -> None:
        entries = self.entries()
        size = sum(entry.size for entry in entries)
        for entry in entries:
            if size > self._limit and self._try_to_remove(entry.key):
                _log.debug("state removed to make room", state=entry.key, name=entry.name)
                size -= entry.size

    def _try_to_remove(self, key: str) -> bool:
        """Whether the state could be removed: nobody uses it."""
        lock = self._lock_of(key)
        if not lock.own():
            return False
        try:
            self._remove_entry(self._folder / key)
            (self._folder / key).with_suffix(_RULED_OUT).unlink(missing_ok=True)
            lock.forget()
        finally:
            lock.release()
        return True

    def _remove_entry(self, entry: Path) -> None:
        # Renamed first, so that nobody finds a half of it.
        grave = self._folder / f"{entry.name}{_GONE}-{uuid4().hex[:8]}"
        with suppress(FileNotFoundError):
            entry.rename(grave)
        # Perhaps somebody else removes leftovers just now.
        shutil.rmtree(grave, ignore_errors=True)

    def _remove_leftovers(self) -> None:
        """Remove what makers and removers have left who were killed."""
        for grave in self._folder.glob(f"*{_GONE}*"):
            shutil.rmtree(grave, ignore_errors=True)
        for making in self._folder.glob(f"*{_MAKING}"):
            lock = self._lock_of(making.stem)
            try:
                if lock.own():
                    _remove(making)
                    lock.forget()
            except OSError as error:
                _log.debug("a half state stays", state=making.stem, why=error.strerror)
            finally:
                lock.release()

    def _lock_of(self, key: str) -> Lock:
        lock = Lock(self._folder / f"{key}{_LOCK}")
        # Its file is for all; so is the way in which they open it.
        self._holdings.note_holder(lock, "saved states")
        return lock

    def _check_ours(self, step: str) -> None:
        if not self._is_ours:
            raise self._refusal(f"{step}: this state is not ours to make")

    @contextmanager
    def _translated(self) -> Iterator[None]:
        try:
            yield
        except AlpyError:
            raise
        except OSError as error:
            raise self._refusal(os.strerror(error.errno or 0)) from error

    def _refusal(self, found: str) -> HostError:
        return HostError(
            asked=f"saved states in {self._folder}",
            found=found,
            remedy="Make room there, or choose another folder by ALPY_STATES",
        )


def cache_folder(environment: Mapping[str, str]) -> Path:
    """Where states are kept: $ALPY_STATES, or a folder of alpy's cache."""
    if chosen := environment.get("ALPY_STATES"):
        return Path(chosen).absolute()
    return user_cache(environment) / "states"


def limit_of(environment: Mapping[str, str]) -> int:
    """What all states may take together, in bytes: $ALPY_STATES_MIB, or 8 GiB.

    Raises:
        InvalidValueError: the environment says what can't be.
    """
    mib = whole_number(environment, LIMIT_VARIABLE)
    return mib << 20 if mib else DEFAULT_LIMIT


def _remove(folder: Path) -> None:
    with suppress(FileNotFoundError):
        shutil.rmtree(folder)
