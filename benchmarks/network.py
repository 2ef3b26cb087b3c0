# SPDX-License-Identifier: GPL-3.0-or-later
"""From nothing to raised links and a paused QEMU, and back to nothing."""

from __future__ import annotations

import time

from benchmarks import bare
from benchmarks.figures import ALPY, LIMIT, PEER, Figure, Goal, growth
from benchmarks.session import Samples, Session, of_part

LINKS = (1, 2, 4, 8, 16, 32)
# The peer takes twenty seconds for each life beyond this.
MANY = 8


def measure(session: Session) -> list[Figure]:
    counts = LINKS[1:4:2] if session.quick else LINKS
    samples = {links: _measure(session, links) for links in counts}
    figures = [
        Figure(
            name=f"network up, {links} link{'s' * (links != 1)}",
            unit="s",
            samples=of_part(each, "up", **_WAYS),
            limit_is="as many bare `docker run`, side by side",
            goals=[_FIVE_TIMES] if links == MANY else (),
        )
        for links, each in samples.items()
    ]
    return [*figures, _further_link(figures, counts), _teardown(samples[MANY])]


def _measure(session: Session, links: int) -> Samples:
    runs = session.runs if links <= MANY else max(1, session.runs - 1)
    return session.take_turns(
        f"{links} links",
        runs,
        {
            "alpy": lambda: _life(session, links),
            "peer": lambda: session.peer.network(links),
            "bare": lambda: bare.containers(links),
        },
    )


def _life(session: Session, links: int) -> dict[str, float]:
    # What is to be imported was imported when the testbed is made, here and in the peer.
    with session.testbed(links=links) as bed:
        started = time.monotonic()
        with bed:
            up = time.monotonic()
        return {"up": up - started, "down": time.monotonic() - up}


def _further_link(figures: list[Figure], counts: tuple[int, ...]) -> Figure:
    samples = {}
    for way in (ALPY, PEER, LIMIT):
        medians = (figure.median(way) for figure in figures)
        points = {
            links: median
            for links, median in zip(counts, medians, strict=True)
            if median is not None
        }
        cost = growth(points) if points else None
        samples[way] = () if cost is None else (cost,)
    return Figure(
        name=f"each further link, from {counts[0]} to {counts[-1]}",
        unit="s",
        samples=samples,
        limit_is="a bare `docker run`, in the same way",
        goals=[
            Goal(
                words="each further link at most 1.2 times a bare `docker run`",
                under=LIMIT,
                at_most=1.2,
            )
        ],
    )


def _teardown(samples: Samples) -> Figure:
    return Figure(
        name=f"teardown, {MANY} links",
        unit="s",
        samples=of_part(samples, "down", **_WAYS),
        limit_is="one `docker rm --force` of as many",
        goals=[
            Goal(
                words=f"teardown of {MANY} links no slower than alpy 6.0.0's",
                under=PEER,
                at_most=1.0,
            )
        ],
    )


_WAYS = {ALPY: "alpy", PEER: "peer", LIMIT: "bare"}
_FIVE_TIMES = Goal(
    words=f"network up, {MANY} links: at least 5 times faster than alpy 6.0.0",
    over=PEER,
    under=ALPY,
    at_least=5,
)
