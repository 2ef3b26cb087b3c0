# SPDX-License-Identifier: GPL-3.0-or-later
"""Frames lost of a million: counted at the taps and in both captures."""

from __future__ import annotations

import time
from pathlib import Path

import alpy
from alpy.adapters.pcap import read_frames
from alpy.core.waiting import wait_until
from benchmarks.figures import ALPY, LIMIT, Figure, Goal
from benchmarks.session import Session
from carrot import rabbit, traffic
from carrot.frames import ETHER_TYPE

FRAMES = 1_000_000
BURST = 100_000


def measure(session: Session) -> list[Figure]:
    frames = BURST if session.quick else FRAMES
    # A burst at full speed waits in the tap until QEMU has read it, and then comes the next.
    with session.testbed(queue_length=BURST) as bed:
        with bed:
            bed.dut.start()
            rabbit.cross_connect(rabbit.login(bed.console), 0, 1)
            begin = time.monotonic()
            for burst in range(1, frames // BURST + 1):
                session.tell(f"burst {burst} of {frames // BURST}, {BURST} frames each")
                traffic.send_frames(bed.nodes[0], BURST, timeout=120)
                _wait_behind(bed, burst * BURST)
            seconds = time.monotonic() - begin
            _wait_until_still(bed)
        session.tell("look for each frame in both captures")
        missing = max(frames - _ours(bed.run_dir / f"link{link}.pcap") for link in (0, 1))
        dropped = sum(each.dropped_in + each.dropped_out for each in bed.counters)
    return [
        Figure(
            name=f"frames lost of {frames:,}, of 60 to 1514 bytes",
            unit="",
            samples={ALPY: (max(missing, dropped),), LIMIT: (0,)},
            limit_is="both captures and the kernel's counters have all of them",
            goals=[Goal(words="no frame lost", at_most=0)],
        ),
        Figure(
            name="frames per second through the appliance, captured twice",
            unit="/s",
            higher_is_better=True,
            samples={ALPY: (frames / seconds,)},
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


def _ours(capture: Path) -> int:
    return sum(frame[12:14] == ETHER_TYPE for frame in read_frames(capture))
