# SPDX-License-Identifier: GPL-3.0-or-later
"""Many lives in one process, which must not grow by them: in descriptors, threads or memory."""

from __future__ import annotations

import gc
import logging
import random
import re
import shutil
import tempfile
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from statistics import median
from typing import Final

from attrs import define, field, frozen

import alpy
from tests.integration import tiny_guest
from torture.checker import leftovers, run_in
from torture.evidence import faults_of
from torture.faults import FAULTS
from torture.footprint import Footprint
from torture.life import tiny_appliance
from torture.notes import Blow, Note, Truth, judge_blow
from torture.striker import BLOWS, Striker

# Fewer lives tell nothing of memory.
_ENOUGH: Final = 10
_SETTLE_SECONDS: Final = 5.0
_LINGER_SECONDS: Final = 5.0
_LOOK: Final = 0.005
# Of resident memory, after warm-up, for each life. The allocator takes a whole MiB now and then.
_KIB_PER_LIFE: Final = 24.0
_BUSYBOX: Final = "alpy-busybox"
_EXCEPTION: Final = "RuntimeError: of the test"


NAMES: Final = ("none", "exception", *BLOWS)
# Nothing was done to these that a test can feel.
_PASS: Final = frozenset({"none", "guard-SIGKILL"})


@frozen(kw_only=True)
class Life:
    name: str
    told: float | None
    footprint: Footprint
    complaints: list[str]


@define(eq=False, kw_only=True)
class OneProcess:
    """*lives* with faults and moments that *seed* decides."""

    lives: int
    seed: int
    tell: Callable[[str], object] = print
    warm_up: int = 10
    """In so many lives caches fill, and the allocator finds its size."""
    lived: list[Life] = field(factory=list, init=False)
    folder: Path = field(init=False)
    _up_seconds: float = field(default=1.0, init=False)
    """How long the last testbed took to be entered."""
    _begun: float = field(factory=time.monotonic, init=False)
    _before: Footprint | None = field(default=None, init=False)

    def run(self) -> None:
        """Live; what was lived when it is interrupted is in *lived*."""
        self.folder = Path(tempfile.mkdtemp(prefix="alpy-torture-"))
        # Its lines go to each run's debug.log in any case.
        logging.getLogger("alpy").addHandler(logging.NullHandler())
        try:
            tiny_guest.write_kernel(self.folder / "tiny.kernel")
            for number in range(1, self.lives + 1):
                self._tell(self._live(number))
        finally:
            if self.went_wrong:
                self.tell(f"Evidence of what went wrong: {self.folder}")
            else:
                shutil.rmtree(self.folder, ignore_errors=True)

    def _tell(self, life: Life) -> None:
        number = len(self.lived)
        left = (time.monotonic() - self._begun) / number * (self.lives - number)
        told = f", told after {life.told:.2f} s" if life.told is not None else ""
        progress = f"{number}/{self.lives}" + (f", {left / 60:.0f} min left" if left else "")
        self.tell(f"{progress}: {life.name}{told}; {life.footprint}")
        for line in life.complaints:
            self.tell(f"    {line}")

    @property
    def went_wrong(self) -> bool:
        return any(life.complaints for life in self.lived) or self.growth() > _KIB_PER_LIFE

    def growth(self) -> float:
        """How many KiB of memory each life has added, after the warm-up; 0 if there were few."""
        memory = [life.footprint.resident_kib for life in self.lived[self.warm_up :]]
        some = len(memory) // 4
        if some < _ENOUGH:
            return 0.0
        return (median(memory[-some:]) - median(memory[:some])) / (len(memory) - some)

    def _live(self, number: int) -> Life:
        chance = random.Random(f"{self.seed} {number}")  # noqa: S311  moments, not secrets
        name = chance.choice(NAMES)
        directory = self.folder / f"{number:04}-{name}"
        moment = chance.uniform(0, self._up_seconds + 0.5)
        notes: list[Note] = []
        striker = Striker(name, directory, moment) if name in BLOWS else None
        try:
            try:
                self._test(name, directory, notes)
            finally:
                if striker:
                    striker.stop()
        except KeyboardInterrupt:
            if striker is None or striker.blow is None:
                raise
        except Exception as error:  # noqa: BLE001  it is judged by its note
            notes.append(_raised(error))
        life = self._judge(name, directory, notes, striker.blow if striker else None)
        self.lived.append(life)
        if not life.complaints:
            shutil.rmtree(directory, ignore_errors=True)
        return life

    def _test(self, name: str, directory: Path, notes: list[Note]) -> None:
        begun = time.monotonic()
        appliance = tiny_appliance(self.folder / "tiny.kernel")
        with alpy.testbed(appliance, links=1, run_dir=directory) as bed:
            notes.append(Note(time.monotonic(), "begins", ""))
            self._up_seconds = time.monotonic() - begun
            try:
                _body(name, bed)
            except BaseException as error:
                notes.append(_raised(error))
                raise
            notes.append(Note(time.monotonic(), "passes", ""))

    def _judge(self, name: str, directory: Path, notes: list[Note], blow: Blow | None) -> Life:
        footprint, complaints = self._settle(directory)
        complaints += faults_of(directory)
        truth = (
            judge_blow(notes, blow, FAULTS[name].raises) if blow and name not in _PASS else Truth()
        )
        raised = next((each.text for each in notes if each.event == "raises"), "")
        if truth.complaint:
            complaints.append(truth.complaint)
        if (name in _PASS and raised) or (name == "exception" and raised != _EXCEPTION):
            complaints.append(f"it raised {raised}")
        return Life(name=name, told=truth.seconds, footprint=footprint, complaints=complaints)

    def _settle(self, directory: Path) -> tuple[Footprint, list[str]]:
        """What the process has, once nothing of that life is left, and else what is."""
        run = run_in(directory)
        deadline = time.monotonic() + _SETTLE_SECONDS
        while True:
            # What the checker has left in this process is not the lives' fault.
            re.purge()
            gc.collect()
            now = Footprint.now()
            left = [str(each) for each in leftovers([run] if run else [])]
            if self._before and len(self.lived) >= self.warm_up:
                left += now.beyond(self._before)
            else:
                left += now.children
                self._before = now
            if not left or time.monotonic() > deadline:
                return now, left
            time.sleep(_LOOK)

    def table(self) -> str:
        """The lives by fault, and the process after its warm-up, in its middle and at its end."""
        lines = [f"{'fault':20}{'lives':>6}{'clean':>8}{'told within':>17}"]
        for name, number in sorted(Counter(life.name for life in self.lived).items()):
            lives = [life for life in self.lived if life.name == name]
            told = [life.told for life in lives if life.told is not None]
            clean = sum(not life.complaints for life in lives)
            slowest = f"{max(told):15.2f} s" if told else f"{'-':>17}"
            lines.append(f"{name:20}{number:6}{clean:8}{slowest}")
        count = len(self.lived)
        lines += (
            f"after life {number}: {self.lived[number - 1].footprint}"
            for number in sorted({min(self.warm_up, count), (count + 1) // 2, count})
            if number
        )
        lines.append(f"memory grows by {self.growth():.1f} KiB a life; seed {self.seed}")
        return "\n".join(lines)


def _body(name: str, bed: alpy.Testbed) -> None:
    bed.nodes[0].start(["sleep", "1000"], image=_BUSYBOX)
    bed.dut.start()
    bed.console.expect("Hi", timeout=20)
    if name == "exception":
        raise RuntimeError("of the test")
    if name not in _PASS:
        bed.console.expect("what it never says", timeout=_LINGER_SECONDS)
    bed.dut.power_down(timeout=20)


def _raised(error: BaseException) -> Note:
    text = " ".join(f"{type(error).__name__}: {error}".split())
    return Note(time.monotonic(), "raises", text)
