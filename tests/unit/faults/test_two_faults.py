# SPDX-License-Identifier: GPL-3.0-or-later
"""Two calls of one life go wrong: in all pairs of calls of a small life, in many of larger ones."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import chain

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.unit.faults.invariants import INVARIANTS, violated
from tests.unit.faults.kinds import KINDS, LOSSES
from tests.unit.faults.lives import LIVES, PREPARED_LIVES, SMALLEST, Life, Start
from tests.unit.faults.outcome import OF_CACHE, Outcome, every_outcome, good_calls, live_with
from tests.unit.faults.tally import Tally

PAIRS = [
    ("refused", "refused"),
    ("reply lost", "port gone"),
    ("refused", "Ctrl-C before"),
    ("Ctrl-C after", "reply lost"),
    ("cut short after", "refused"),
    ("done too late", "hangs"),
    ("QEMU killed", "refused"),
    ("state of no use", "refused"),
    ("state of no use", "cut short after"),
]


# In a prepared life, the calls whose faults lead it elsewhere; and what leads there by them.
TURNS = OF_CACHE | {"saved_states.release", "machine.launch", "machine.connect_monitor"}
OF_TURNS = {"refused", "cut short after", "state of no use"}
TURNING_LIVES = [
    life for life in PREPARED_LIVES if life.start not in {Start.AWAITED, Start.ABANDONED}
]


def _every_pair(life: Life, first: str, second: str) -> Iterator[tuple[int, int, Outcome]]:
    seen: set[str] = set()
    for number, alone in every_outcome(life, KINDS[first]):
        call = life.struck(alone.world).calls[number]
        if life in PREPARED_LIVES and call not in TURNS:
            continue
        # A loss is no answer to a call, so one at the first call of each name is enough; and so is
        # one line of the log, which fails nothing before its release.
        once = first in LOSSES or call == "run_directory.write_debug"
        if (alone.injected or first in LOSSES) and not (once and call in seen):
            seen.add(call)
            # What the life does after its first fault is what the second can strike.
            for later in range(number + 1, len(life.struck(alone.world).calls)):
                faults = (KINDS[first], number), (KINDS[second], later)
                yield number, later, live_with(life, *faults)


@pytest.mark.parametrize(("first", "second"), PAIRS)
def test_two_faults_at_any_two_calls_hide_nothing_and_leave_nothing_unnamed(
    tally: Tally, first: str, second: str
) -> None:
    wrong = []
    cases = 0
    lives = [SMALLEST, *(TURNING_LIVES if first in OF_TURNS else [])]
    pairs = chain.from_iterable(_every_pair(life, first, second) for life in lives)
    for number, later, outcome in pairs:
        cases += 1
        wrong += [(number, later, each) for each in violated(outcome, *INVARIANTS)]
    tally.cases["two faults, all pairs"] += cases
    tally.violations += len(wrong)
    assert wrong[:5] == [], f"{len(wrong)} in all"
    assert cases > (300 if first != "state of no use" else 100)


@settings(max_examples=1000, deadline=None, suppress_health_check=list(HealthCheck))
@given(data=st.data())
def test_any_two_faults_in_any_life_hide_nothing_and_leave_nothing_unnamed(
    tally: Tally, data: st.DataObject
) -> None:
    life = data.draw(st.sampled_from([*LIVES, *PREPARED_LIVES]))
    call = st.integers(0, len(good_calls(life)) - 1)
    kind = st.sampled_from(sorted(KINDS))
    faults = [(data.draw(kind), data.draw(call)) for _ in range(2)]
    outcome = live_with(life, *((KINDS[name], number) for name, number in faults))
    tally.cases["two faults, random"] += 1
    wrong = list(violated(outcome, *INVARIANTS))
    tally.violations += len(wrong)
    assert wrong == []
