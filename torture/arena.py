# SPDX-License-Identifier: GPL-3.0-or-later
"""One trial's place: its folder, its chance, and the lives that were started in it."""

from __future__ import annotations

import os
import random
import subprocess
import sys
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from pathlib import Path
from types import TracebackType
from typing import Final, Self

from attrs import define, field

from torture.checker import Run, runs_below
from torture.private_daemon import PrivateDaemon
from torture.victim import Moment, Victim

ROOT: Final = Path(__file__).parents[1]
# As torture.life has them; that module is not imported, since it imports alpy.
_WAYS: Final = ("console", "shell", "loop", "app", "output", "shutdown", "event")
# A test that lingers is where it does so well before.
_LINGER: Final = 1.5
_RABBIT: Final = ROOT / "rabbit/tests/forward-ipv4/main.py"


@define(eq=False, kw_only=True)
class Arena:
    folder: Path
    chance: random.Random
    images: Path
    """Where the tiny guest's images are."""
    names: Sequence[str] = ("tiny.kernel",)
    """Those of them that a life may have, by chance."""
    seconds: float
    """How long an undisturbed life takes from its start to its end."""
    rabbit: bool = False
    """Whether Rabbit's forward-ipv4 lives here, and not the tiny guest."""
    lines: int = 1
    """How many lines it writes to its debug.log."""
    prepared: bool = False
    """Whether the lives start from a saved state, of a cache in the arena's folder."""
    daemon: PrivateDaemon | None = None
    """The Docker daemon that the lives talk to, if not the host's."""
    victims: list[Victim] = field(factory=list, init=False)
    planted: list[Run] = field(factory=list, init=False)
    """Dead runs that have to be swept."""
    complaints: list[str] = field(factory=list, init=False)
    """What went wrong, but for what the checker finds."""
    moment: Moment | None = field(default=None, init=False)
    _stack: ExitStack = field(factory=ExitStack, init=False)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        _kind: type[BaseException] | None,
        _fault: BaseException | None,
        _trace: TracebackType | None,
    ) -> None:
        self._stack.close()

    def prepare_lives(self) -> None:
        """Let all lives that follow start from one saved state."""
        self.prepared, self.names = True, [self.chance.choice(self.names)]

    @property
    def cache(self) -> Path:
        """Where the lives' saved states are."""
        return self.folder / "states"

    @property
    def docker_host(self) -> str | None:
        """Where the daemon listens; None for the usual place."""
        return self.daemon.host if self.daemon else None

    def finally_(self, call: Callable[[], object]) -> None:
        """Do *call* when the trial is over, also when it fails."""
        self._stack.callback(call)

    def start(self, run_dir: Path | None = None, *options: str, path: Path | None = None) -> Victim:
        """A life; by default with a run directory in the arena's folder.

        *path*: the only folder where it finds programs.
        """
        directory = run_dir or self.folder / f"run{len(self.victims)}"
        image = self.images / self.chance.choice(self.names)
        life = [str(_RABBIT)] if self.rabbit else ["-m", "torture.life", str(image), *options]
        words = [*life, "--run-dir", str(directory), *self._preparation()]
        return self._start(words, run_dir=directory, path=path)

    def start_in_common_folder(self) -> Victim:
        """A life that chooses its run directory itself, below the arena's folder."""
        image = self.images / self.chance.choice(self.names)
        return self._start(["-m", "torture.life", str(image), *self._preparation()])

    def _preparation(self) -> list[str]:
        return ["--prepared"] if self.prepared else []

    def start_sweep(self) -> Victim:
        """What removes the remains of dead runs: the command, or a life that begins."""
        if self.chance.random() < 1 / 2:
            return self.start(self.folder / f"next{len(self.victims)}")
        return self._start(["-m", "alpy", "clean"])

    def start_until_some_moment(
        self, run_dir: Path | None = None, *, linger: bool = True
    ) -> Victim:
        """A life that has come to a moment of chance.

        If it may *linger*, it is stuck in a wait of its test then, half of the time. Else it has
        come to a line of its log, which finds narrow places, or to a time.
        """
        ways = [self.chance.choice(_WAYS), ""] if linger and not self.rabbit else [""]
        way = self.chance.choice(ways)
        self.moment = moment = self._some_moment(way)
        victim = self.start(run_dir, *(["--linger", way] if way else []))
        victim.wait_until(moment)
        return victim

    def _some_moment(self, way: str) -> Moment:
        if way:
            return Moment(linger=way, seconds=self.chance.uniform(0, _LINGER))
        if self.chance.random() < 1 / 2:
            seconds = self.chance.choice([0, self.chance.uniform(0, 0.05)])
            return Moment(line=self.chance.randint(1, self.lines), seconds=seconds)
        return Moment(seconds=self.chance.uniform(0.2, 1.1 * self.seconds))

    def _start(
        self, words: Sequence[str], *, run_dir: Path | None = None, path: Path | None = None
    ) -> Victim:
        output = self.folder / f"life{len(self.victims)}.txt"
        with output.open("wb") as file:
            process = subprocess.Popen(
                [sys.executable, *words],
                cwd=self.folder,
                stdin=subprocess.DEVNULL,
                stdout=file,
                stderr=subprocess.STDOUT,
                # What a terminal sends to us must not reach it.
                start_new_session=True,
                env=self._environment(path),
            )
        victim = Victim(process, run_dir, output, self.docker_host)
        self.victims.append(victim)
        self._stack.callback(victim.close)
        return victim

    def _environment(self, path: Path | None) -> dict[str, str]:
        variables = os.environ | {
            "PYTHONPATH": str(ROOT),
            "ALPY_STATES": str(self.cache),
            # They would wait for each other, and nothing strikes who waits in a line.
            "ALPY_SLOTS_CPUS": "64",
        }
        if self.docker_host:
            variables["DOCKER_HOST"] = self.docker_host
        if path:
            variables["PATH"] = str(path)
        return variables

    def runs(self) -> list[Run]:
        """All runs that were begun here, also those that planted themselves."""
        return runs_below(self.folder)
