# SPDX-License-Identifier: GPL-3.0-or-later
"""Many trials, one after the other, and their table."""

from __future__ import annotations

import os
import random
import shutil
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Final

from attrs import define, field

from tests.integration import tiny_guest
from torture.arena import Arena
from torture.faults import FAULTS
from torture.private_daemon import PrivateDaemon
from torture.trial import Outcome, Verdict, inflict

# Of the faults that a single run suffers, every so many hit Rabbit.
_EVERY: Final = 8
# Lines that a tiny life writes to its debug.log, about.
_LINES: Final = 50


@define(eq=False, kw_only=True)
class Campaign:
    """*runs* trials of the faults *only*, by turns in an order of chance that *seed* decides."""

    runs: int
    seed: int
    only: Sequence[str] = tuple(FAULTS)
    trial: int | None = None
    """Of all of them, do only the one with this number."""
    rabbit: bool = True
    prepared: float = 1 / 3
    """So many of them start from a saved state; half of these have to make it first."""
    images: Sequence[str] = ("tiny.kernel", "tiny.disk")
    """What the tiny guest comes as. The one with a disk has working files too."""
    patient: bool = True
    """Whether each trial ends only when all guards of its runs have ended."""
    life_seconds: float | None = None
    """How long a life takes that nobody disturbs; by default that is measured."""
    tell: Callable[[str], object] = print
    verdicts: list[tuple[str, Verdict]] = field(factory=list, init=False)
    _begun: float = field(factory=time.monotonic, init=False)
    folder: Path = field(init=False)
    """Where the evidence of all runs is; only that of trials that went wrong is kept."""
    _measured: dict[tuple[bool, bool, bool], tuple[float, int]] = field(factory=dict, init=False)
    _daemon: PrivateDaemon | None = field(default=None, init=False)

    def run(self) -> None:
        """Do all trials; what was done when it is interrupted is in *verdicts*.

        Raises:
            RuntimeError: this host can't be tortured: a run fails that nobody disturbs.
        """
        self.folder = Path(tempfile.mkdtemp(prefix="alpy-torture-"))
        try:
            tiny_guest.write_kernel(self.folder / "tiny.kernel")
            tiny_guest.write_disk(self.folder / "tiny.disk")
            for number, name in enumerate(self._plan(), 1):
                if self.trial in {None, number}:
                    self._trial(number, name)
        finally:
            if self._daemon:
                self._daemon.close()
            if self.went_wrong:
                self.tell(f"Evidence of what went wrong: {self.folder}")
            else:
                shutil.rmtree(self.folder, ignore_errors=True)

    @property
    def went_wrong(self) -> bool:
        return any(verdict.outcome is not Outcome.CLEAN for _, verdict in self.verdicts)

    def _plan(self) -> list[str]:
        able = [name for name in self.only if os.geteuid() == 0 or not FAULTS[name].root]
        if left_out := [name for name in self.only if name not in able]:
            self.tell(f"Left out, since only root can do it: {', '.join(left_out)}")
        if not able:
            return []
        chance = random.Random(self.seed)  # noqa: S311  moments, not secrets
        # A daemon takes its time to come back: what is done to one is in every other round only.
        quick = [name for name in able if not FAULTS[name].daemon] or able
        plan: list[str] = []
        while len(plan) < self.runs:
            for names in (able, quick):
                plan += chance.sample(names, len(names))
        return plan[: self.runs]

    def _trial(self, number: int, name: str) -> None:
        fault = FAULTS[name]
        alone = fault.single and fault.refused is None and not fault.daemon
        rabbit = self.rabbit and alone and not number % _EVERY
        # Of its own, so that each trial can be repeated without those before.
        chance = random.Random(f"{self.seed} {number}")  # noqa: S311
        prepared = alone and chance.random() < self.prepared
        finds = prepared and chance.random() < 1 / 2
        seconds, lines = self._life(rabbit, prepared, finds)
        folder = self.folder / f"{number:04}-{name}"
        folder.mkdir()
        arena = Arena(
            folder=folder,
            chance=chance,
            images=self.folder,
            names=self.images,
            seconds=seconds,
            lines=lines,
            rabbit=rabbit,
            daemon=self._own_daemon() if fault.daemon else None,
        )
        if finds:
            self._bring_state(arena)
        if prepared:
            arena.prepare_lives()
        with arena:
            verdict = inflict(fault, arena, patient=self.patient)
            struck = [victim.struck_at for victim in arena.victims if victim.struck_at]
            if verdict.outcome is not Outcome.CLEAN and (folder / "full").exists():
                shutil.copytree(folder / "full", folder / "full-disk", symlinks=True)
        self.verdicts.append((name, verdict))
        self.tell(f"{self._progress(number)} {name} {_story(verdict, arena)}")
        for line in verdict.details:
            self.tell(f"    {line}")
        if verdict.outcome is Outcome.CLEAN:
            shutil.rmtree(folder)
        else:
            for line in struck:
                self.tell(f"    struck behind: {line}")

    def _progress(self, number: int) -> str:
        done = len(self.verdicts)
        left = (time.monotonic() - self._begun) / done * (self.runs - number)
        return f"{number}/{self.runs}" + (f", {left / 60:.0f} min left:" if left else ":")

    def _own_daemon(self) -> PrivateDaemon:
        if self._daemon is None:
            self._daemon = PrivateDaemon()
            self._daemon.start()
            self._daemon.load_images()
        return self._daemon

    def _life(self, rabbit: bool, prepared: bool, finds: bool) -> tuple[float, int]:
        """How long a life takes that nobody disturbs, and how many lines it logs."""
        if self.life_seconds is not None:
            return self.life_seconds * (1 + (prepared and not finds)), _LINES
        key = rabbit, prepared, finds
        if key not in self._measured:
            folder = self.folder / "-".join(["measure", *map(str, key)])
            folder.mkdir()
            arena = self._arena(folder, rabbit=rabbit, prepared=prepared)
            if finds:
                self._bring_state(arena)
            with arena:
                verdict = inflict(FAULTS["none"], arena)
                victim = arena.victims[0]
                lines = len(victim.log())
            if verdict.outcome is not Outcome.CLEAN:
                raise RuntimeError(f"A run fails that nobody disturbs: {verdict.details}")
            self._measured[key] = victim.seconds, lines
        return self._measured[key]

    def _arena(self, folder: Path, *, rabbit: bool, prepared: bool) -> Arena:
        """One where lives are lived that nobody disturbs."""
        chance = random.Random(self.seed)  # noqa: S311
        return Arena(
            folder=folder,
            chance=chance,
            images=self.folder,
            names=self.images[:1],
            seconds=0,
            rabbit=rabbit,
            prepared=prepared,
        )

    def _bring_state(self, arena: Arena) -> None:
        """Let the lives of *arena* find the state that they want; it is made once for all."""
        folder = self.folder / f"states-{arena.rabbit}"
        if not folder.exists():
            folder.mkdir()
            with self._arena(folder, rabbit=arena.rabbit, prepared=True) as maker:
                verdict = inflict(FAULTS["none"], maker)
            if verdict.outcome is not Outcome.CLEAN:
                raise RuntimeError(f"A run fails that makes a saved state: {verdict.details}")
        # With the times of its files, by which a state is known to be whole.
        shutil.copytree(folder / "states", arena.cache)
        arena.names = self.images[:1]

    def table(self) -> str:
        """Fault by outcome, with the slowest notice and the exit statuses that were seen."""
        heads = "".join(f"{outcome.value:>17}" for outcome in Outcome)
        lines = [f"{'fault':20}{'runs':>6}{'struck':>8}{heads}{'told within':>17}  exit statuses"]
        names = [name for name in FAULTS if any(name == each for each, _ in self.verdicts)]
        lines += (_row(name, [v for each, v in self.verdicts if each == name]) for name in names)
        lines.append(_row("all", [verdict for _, verdict in self.verdicts], codes=False))
        clean = sum(v.outcome is Outcome.CLEAN for _, v in self.verdicts)
        lines.append(f"{clean} of {len(self.verdicts)} clean; seed {self.seed}")
        return "\n".join(lines)


def _story(verdict: Verdict, arena: Arena) -> str:
    told = f", told after {verdict.told:.2f} s" if verdict.told is not None else ""
    over = f", over after {verdict.lived_on:.1f} s" if verdict.struck else ", not struck"
    return (
        f"({'rabbit' if arena.rabbit else 'tiny'}{', prepared' * arena.prepared}) "
        f"at {verdict.moment}{told}{over}: "
        f"{verdict.outcome.value}, exit {','.join(map(str, verdict.codes))}, "
        f"clear after {verdict.cleared:.1f} s, {verdict.seconds:.1f} s"
    )


def _row(name: str, verdicts: Sequence[Verdict], *, codes: bool = True) -> str:
    outcomes = Counter(verdict.outcome for verdict in verdicts)
    told = [verdict.told for verdict in verdicts if verdict.told is not None]
    row = f"{name:20}{len(verdicts):6}{sum(verdict.struck for verdict in verdicts):8}"
    row += "".join(f"{outcomes[outcome]:17}" for outcome in Outcome)
    row += f"{max(told):15.2f} s" if told else f"{'-':>17}"
    if codes:
        seen = Counter(code for verdict in verdicts for code in verdict.codes)
        row += "  " + ", ".join(f"{code}: {seen[code]}" for code in sorted(seen))
    return row
