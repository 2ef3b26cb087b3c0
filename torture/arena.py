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
    daemon: PrivateDaemon | None = None
    """The Docker daemon that the lives talk to, if not the host's."""
    victims: list[Victim] = field(factory=list, init=False)
    planted: list[Run] = field(factory=list, init=False)
    """Dead runs that have to be swept."""
    complaints: list[str] = field(factory=list, init=False)
    """What went wrong, but for what the checker finds."""
    moment: str = field(default="-", init=False)
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

    @property
    def docker_host(self) -> str | None:
        """Where the daemon listens; None for the usual place."""
        return self.daemon.host if self.daemon else None

    def finally_(self, call: Callable[[], object]) -> None:
        """Do *call* when the trial is over, also when it fails."""
        self._stack.callback(call)

    def start(self, run_dir: Path | None = None) -> Victim:
        """A life; by default with a run directory in the arena's folder."""
        number = len(self.victims)
        return self._start(run_dir or self.folder / f"run{number}", self.folder)

    def start_in(self, folder: Path) -> Victim:
        """A life that chooses its run directory itself, below its working directory *folder*."""
        return self._start(None, folder)

    def _start(self, run_dir: Path | None, cwd: Path) -> Victim:
        output = self.folder / f"life{len(self.victims)}.txt"
        image = self.images / self.chance.choice(self.names)
        program = [str(_RABBIT)] if self.rabbit else ["-m", "torture.life", str(image)]
        where = ["--run-dir", str(run_dir)] if run_dir else []
        host = {"DOCKER_HOST": self.docker_host} if self.docker_host else {}
        with output.open("wb") as file:
            process = subprocess.Popen(
                [sys.executable, *program, *where],
                cwd=cwd,
                stdin=subprocess.DEVNULL,
                stdout=file,
                stderr=subprocess.STDOUT,
                # What a terminal sends to us must not reach it.
                start_new_session=True,
                env=os.environ | {"PYTHONPATH": str(ROOT)} | host,
            )
        victim = Victim(process, run_dir, output, self.docker_host)
        self.victims.append(victim)
        self._stack.callback(victim.close)
        return victim

    def some_moment(self) -> Moment:
        """Half of them by the log, which finds narrow places; half by the clock."""
        if self.chance.random() < 1 / 2:
            line = self.chance.randint(1, self.lines)
            moment = Moment(line, self.chance.choice([0, self.chance.uniform(0, 0.05)]))
        else:
            moment = Moment(0, self.chance.uniform(0.2, 1.1 * self.seconds))
        self.moment = str(moment)
        return moment

    def runs(self) -> list[Run]:
        """All runs that were begun here, also those that planted themselves."""
        return runs_below(self.folder)
