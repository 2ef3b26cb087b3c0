# SPDX-License-Identifier: GPL-3.0-or-later
"""A cache of saved states that is only names."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from pathlib import Path

from attrs import define, field

from alpy.core.errors import DeadlineError, HostError, SavedStateError
from alpy.fakes.guest import SavedGuest
from alpy.fakes.ledger import Ledger

_USED, _MADE = "use of a saved state", "saved state in the making"
_FOLDER = Path("/fake/states")


def _refusal(found: str = "failed, as planned") -> HostError:
    return HostError(asked="saved states", found=found, remedy="Plan no such fault.")


@define(eq=False)
class FakeShelf:
    """What the runs of one host share: the states that are kept, and who makes or uses which."""

    kept: set[str] = field(factory=set, init=False)
    ruled_out: dict[str, str] = field(factory=dict, init=False)
    """Why there can't be the state with this key."""
    users: Counter[str] = field(factory=Counter, init=False)
    """How many runs use or make the state with this key."""
    makers: dict[str, object] = field(factory=dict, init=False)
    machines: dict[Path, SavedGuest] = field(factory=dict, init=False)
    """The states themselves, by their folders."""


@define(eq=False)
class FakeSavedStates:
    """`process_dies` is the test's lever; other runs may share the `shelf`."""

    _ledger: Ledger
    shelf: FakeShelf = field(factory=FakeShelf)
    _key: str = field(default="", init=False)

    @property
    def _is_ours(self) -> bool:
        return self.shelf.makers.get(self._key) is self

    def process_dies(self) -> None:
        """The process of this run is killed."""
        self._let_go()

    def find(self, identity: Mapping[str, str], *, timeout: float) -> Path | None:
        with self._ledger.call("saved_states.find", _refusal):
            self._let_go()
            key = str(sorted(identity.items()))
            if not self._ledger.clock.wait(lambda: key not in self.shelf.makers, timeout=timeout):
                raise DeadlineError(
                    awaited="the end of another run's work on the saved state", seconds=timeout
                )
            if reason := self.shelf.ruled_out.get(key):
                raise SavedStateError(state=key, reason=reason)
            self._key = key
            self.shelf.users[key] += 1
            self._ledger.came(_USED)
            if key in self.shelf.kept:
                return self._folder
            self.shelf.makers[key] = self
            return None

    def begin(self) -> Path:
        with self._ledger.call("saved_states.begin", _refusal):
            self._check_ours()
            self._ledger.came(_MADE)
            return self._folder

    def keep(self) -> Path:
        with self._ledger.call("saved_states.keep", _refusal):
            self._check_ours()
            self.shelf.kept.add(self._key)
            self._end_making()
            return self._folder

    def discard(self, reason: str) -> None:
        with self._ledger.call("saved_states.discard", _refusal):
            self._check_found()
            if self._remove():
                self._ledger.append(_FOLDER / "discarded", f"{reason}\n".encode())
            self._let_go()

    def rule_out(self, reason: str) -> None:
        with self._ledger.call("saved_states.rule_out", _refusal):
            self._check_found()
            if self._remove():
                self.shelf.ruled_out[self._key] = reason
            self._let_go()

    def release(self) -> None:
        with self._ledger.call("saved_states.release", _refusal, in_any_case=self._let_go):
            self._let_go()

    @property
    def _folder(self) -> Path:
        return _FOLDER / self._key

    def _check_found(self) -> None:
        if not self._key:
            raise _refusal("no state was found")

    def _remove(self) -> bool:
        """Whether the state could be removed: nobody else uses it."""
        if self.shelf.users[self._key] > 1:
            return False
        self.shelf.kept.discard(self._key)
        return True

    def _check_ours(self) -> None:
        if not self._is_ours:
            raise _refusal("this state is not ours to make")

    def _end_making(self) -> None:
        if self._is_ours:
            del self.shelf.makers[self._key]
        self._ledger.went(_MADE)

    def _let_go(self) -> None:
        self._end_making()
        self.shelf.users -= Counter([self._key])
        self._key = ""
        self._ledger.went(_USED)
