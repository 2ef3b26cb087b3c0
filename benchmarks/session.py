# SPDX-License-Identifier: GPL-3.0-or-later
"""One call of scripts/bench: how often, where, against whom, and how long it will still take."""

from __future__ import annotations

import sys
import tempfile
import time
from collections.abc import Callable, Container, Iterator, Mapping
from contextlib import contextmanager
from functools import cached_property
from pathlib import Path
from typing import TypeAlias

from attrs import define, evolve, field

import alpy
from alpy.core.link import DEFAULT_QUEUE_LENGTH
from benchmarks.earlier import Peer, ensure_peer
from benchmarks.report import clock
from carrot import rabbit

Way: TypeAlias = Callable[[], Mapping[str, float]]
"""Measures once: seconds, or whatever it is, by the name of the part."""
Samples: TypeAlias = dict[str, dict[str, tuple[float, ...]]]
"""By the way, then by the part."""


@define
class Progress:
    """How far we are: each family of figures counts as much as it was said to take."""

    seconds: Mapping[str, float]
    now: Callable[[], float] = time.monotonic
    _begin: float = field(init=False)
    _family: str = field(default="", init=False)
    _since: float = field(init=False)
    _done: list[str] = field(factory=list, init=False)

    def __attrs_post_init__(self) -> None:
        self._begin = self._since = self.now()

    def enter(self, family: str) -> None:
        """*family* begins, and the one before is over."""
        if self._family:
            self._done.append(self._family)
        self._family, self._since = family, self.now()

    @property
    def elapsed(self) -> float:
        return self.now() - self._begin

    @property
    def left(self) -> float:
        """Seconds, if this host goes on to be as slow as it was in what is done."""
        said = sum(self.seconds[name] for name in self._done)
        pace = (self._since - self._begin) / said if said else 1.0
        to_come = sum(
            seconds
            for name, seconds in self.seconds.items()
            if name not in self._done and name != self._family
        )
        here = self.seconds[self._family] * pace - (self.now() - self._since)
        return to_come * pace + max(0.0, here)

    def line(self, what: str) -> str:
        return f"[{clock(self.elapsed)}, {clock(self.left)} left] {self._family}: {what}"


@define
class Session:
    """What each family of figures is given."""

    runs: int
    """How often each way is measured, about."""
    quick: bool
    """To see that it works: little of everything."""
    progress: Progress
    _peer_lives: list[dict[str, float]] = field(factory=list, init=False)

    @cached_property
    def appliance(self) -> alpy.Appliance:
        """The same for both, and always emulated: the ratios then hold on any host."""
        return rabbit.appliance(acceleration="tcg")

    @cached_property
    def peer(self) -> Peer:
        """The earlier alpy, in an environment of its own."""
        self.tell("set up alpy 6.0.0")
        return Peer(python=ensure_peer(), appliance=self.appliance)

    def peer_life(self) -> dict[str, float]:
        """As `Peer.life`, and remembered."""
        self._peer_lives.append(self.peer.life())
        return self._peer_lives[-1]

    def peer_lives(self) -> list[dict[str, float]]:
        """All that were measured so far, and one at least."""
        if not self._peer_lives:
            self.tell("one life of alpy 6.0.0")
            self.peer_life()
        return self._peer_lives

    def tell(self, what: str) -> None:
        sys.stdout.write(f"{self.progress.line(what)}\n")
        sys.stdout.flush()

    def take_turns(
        self,
        what: str,
        runs: int,
        ways: Mapping[str, Way],
        *,
        once: Container[str] = (),
        warm_up: bool = False,
    ) -> Samples:
        """Measure each of *ways*, one after the other, *runs* times over, those in *once* one time.

        Each run begins with another way than the one before. *warm_up*: with a round that does not
        count, for what the first one finds cold.
        """
        samples: Samples = {name: {} for name in ways}
        if warm_up and not self.quick:
            self.tell(f"{what}, a round that does not count")
            for way in ways.values():
                way()
        for run in range(runs):
            self.tell(f"{what}, {run + 1} of {runs}")
            for name in _rotated(list(ways), run):
                if run and name in once:
                    continue
                for part, value in ways[name]().items():
                    samples[name][part] = (*samples[name].get(part, ()), value)
        return samples

    @contextmanager
    def testbed(
        self,
        *,
        links: int = 2,
        queue_length: int = DEFAULT_QUEUE_LENGTH,
        prepared: bool = False,
        data_disk: alpy.DataDisk | None = None,
    ) -> Iterator[alpy.Testbed]:
        """A testbed to be entered; its evidence goes when the block ends."""
        with tempfile.TemporaryDirectory(prefix="alpy-bench-") as folder:
            yield alpy.testbed(
                evolve(self.appliance, data_disk=data_disk),
                links=[alpy.Link(number=n, queue_length=queue_length) for n in range(links)],
                run_dir=Path(folder) / "run",
                prepared=rabbit.LOGGED_IN if prepared else None,
            )


def _rotated(names: list[str], by: int) -> list[str]:
    return [names[(n + by) % len(names)] for n in range(len(names))]


def of_part(samples: Samples, part: str, **names: str) -> dict[str, tuple[float, ...]]:
    """The samples of *part*, by other names of the ways."""
    return {new: samples[old].get(part, ()) for new, old in names.items() if old in samples}
