# SPDX-License-Identifier: GPL-3.0-or-later
"""Two calls of one life go wrong: in all pairs of calls of a small life, in many of larger ones."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.unit.faults.invariants import INVARIANTS, violated
from tests.unit.faults.kinds import KINDS, LOSSES
from tests.unit.faults.lives import LIVES, SMALLEST, Life
from tests.unit.faults.outcome import Outcome, every_outcome, good, live_with
from tests.unit.faults.tally import Tally

PAIRS = [
    ("refused", "refused"),
    ("reply lost", "port gone"),
    ("refused", "Ctrl-C before"),
    ("Ctrl-C after", "reply lost"),
    ("cut short after", "refused"),
    ("done too late", "hangs"),
    ("QEMU killed", "refused"),
]


def _every_pair(life: Life, first: str, second: str) -> Iterator[tuple[int, int, Outcome]]:
    seen: set[str] = set()
    for number, alone in enumerate(every_outcome(life, KINDS[first])):
        call = alone.world.calls[number]
        # A loss is no answer to a call, so one at the first call of each name is enough; and so is
        # one line of the log, which fails nothing before its release.
        once = first in LOSSES or call == "run_directory.write_debug"
        if (alone.injected or first in LOSSES) and not (once and call in seen):
            seen.add(call)
            # What the life does after its first fault is what the second can strike.
            for later in range(number + 1, len(alone.world.calls)):
                faults = (KINDS[first], number), (KINDS[second], later)
                yield number, later, live_with(life, *faults)


@pytest.mark.parametrize(("first", "second"), PAIRS)
def test_two_faults_at_any_two_calls_hide_nothing_and_leave_nothing_unnamed(
    tally: Tally, first: str, second: str
) -> None:
    wrong = []
    cases = 0
    for number, later, outcome in _every_pair(SMALLEST, first, second):
        cases += 1
        wrong += [(number, later, each) for each in violated(outcome, *INVARIANTS)]
    tally.cases["two faults, all pairs"] += cases
    tally.violations += len(wrong)
    assert wrong[:5] == [], f"{len(wrong)} in all"
    assert cases > 300


@settings(max_examples=1000, deadline=None, suppress_health_check=list(HealthCheck))
@given(data=st.data())
def test_any_two_faults_in_any_life_hide_nothing_and_leave_nothing_unnamed(
    tally: Tally, data: st.DataObject
) -> None:
    life = data.draw(st.sampled_from(LIVES))
    call = st.integers(0, len(good(life).calls) - 1)
    kind = st.sampled_from(sorted(KINDS))
    faults = [(data.draw(kind), data.draw(call)) for _ in range(2)]
    outcome = live_with(life, *((KINDS[name], number) for name, number in faults))
    tally.cases["two faults, random"] += 1
    wrong = list(violated(outcome, *INVARIANTS))
    tally.violations += len(wrong)
    assert wrong == []
