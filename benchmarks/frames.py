# SPDX-License-Identifier: GPL-3.0-or-later
"""Frames lost of a million: counted at the taps, and looked for one by one in both captures."""

from __future__ import annotations

import time
from collections.abc import Sequence

import alpy
from alpy.core.waiting import wait_until
from benchmarks.captured import Burst, bursts_of
from benchmarks.figures import ALPY, LIMIT, Figure, Goal
from benchmarks.session import Session
from carrot import rabbit, traffic

FRAMES = 1_000_000
BURST = 100_000
_NONE_LOST = f"no frame lost (queue_length={BURST:,}, and a wait between bursts of as many)"


def measure(session: Session) -> list[Figure]:
    frames = BURST if session.quick else FRAMES
    # A burst at full speed waits in the tap until QEMU has read it, and then comes the next.
    with session.testbed(queue_length=BURST) as bed:
        with bed:
            bed.dut.start()
            rabbit.cross_connect(rabbit.login(bed.console), 0, 1)
            for burst in range(1, frames // BURST + 1):
                session.tell(f"burst {burst} of {frames // BURST}, {BURST} frames each")
                traffic.send_frames(bed.nodes[0], BURST, timeout=120)
                _wait_behind(bed, burst * BURST)
            _wait_until_still(bed)
        session.tell("look for each frame in both captures")
        before, behind = (bursts_of(bed.run_dir / f"link{n}.pcap", BURST) for n in (0, 1))
        missing = max(frames - sum(len(burst.seen) for burst in each) for each in (before, behind))
        dropped = sum(each.dropped_in + each.dropped_out for each in bed.counters)
    return [
        Figure(
            name=f"frames lost of {frames:,}, of 60 to 1514 bytes",
            unit="",
            samples={ALPY: (max(missing, dropped),), LIMIT: (0,)},
            limit_is="both captures and the kernel's counters have all of them",
            goals=[Goal(words=_NONE_LOST, at_most=0)],
        ),
        Figure(
            name="frames per second through the appliance, captured twice",
            unit="/s",
            higher_is_better=True,
            samples={ALPY: _rates(before, behind)},
            limit_is="the emulated CPU, busy throughout",
        ),
    ]


def _wait_behind(bed: alpy.Testbed, count: int) -> None:
    wait_until(
        lambda: bed.nodes[1].counters().frames_out >= count,
        awaited=f"{count} frames behind the appliance",
        timeout=120,
        clock=bed.ports.clock,
    )


def _wait_until_still(bed: alpy.Testbed) -> None:
    # Some frames of IPv6's own were counted too, so the last of ours may still be on their way.
    seen = None
    while (now := bed.nodes[1].counters()) != seen:
        seen = now
        time.sleep(0.5)


def _rates(before: Sequence[Burst], behind: Sequence[Burst]) -> tuple[float, ...]:
    """Of each burst, from its first frame before the appliance to its last one behind it."""
    return tuple(
        len(after.seen) / (after.end - first.begin)
        for first, after in zip(before, behind, strict=False)
    )
