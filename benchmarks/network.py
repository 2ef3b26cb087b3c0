# SPDX-License-Identifier: GPL-3.0-or-later
"""From nothing to raised links and a paused QEMU, and back to nothing."""

from __future__ import annotations

import time

from benchmarks import bare
from benchmarks.figures import ALPY, LIMIT, PEER, Figure, Goal, slope
from benchmarks.session import Samples, Session, of_part

LINKS = (1, 2, 4, 8, 16, 32)
# Beyond this the peer takes up to twenty seconds for a life, and lives once.
MANY = 8
# Up to this a life is short, and the first one finds programs and images that nobody has read.
FEW = 2
_DOCKER_RUN = "docker run"


def measure(session: Session) -> list[Figure]:
    counts = LINKS[1:4:2] if session.quick else LINKS
    samples = {links: _measure(session, links) for links in counts}
    figures = [
        Figure(
            name=f"network up, {links} link{'s' * (links != 1)}",
            unit="s",
            samples=of_part(each, "up", **_WAYS),
            limit_is="as many bare containers, side by side by docker-py",
            goals=[_FIVE_TIMES] if links == MANY else (),
        )
        for links, each in samples.items()
    ]
    return [*figures, _further_link(figures, counts), _teardown(samples[MANY])]


def _measure(session: Session, links: int) -> Samples:
    return session.take_turns(
        f"{links} links",
        session.runs,
        {
            "alpy": lambda: _life(session, links),
            "peer": lambda: session.peer.network(links),
            "bare": lambda: bare.containers(links),
            "docker run": lambda: bare.docker_run(links),
        },
        once={"peer"} if links > MANY else (),
        warm_up=links <= FEW,
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
    for way in _WAYS:
        medians = (figure.median(way) for figure in figures)
        points = {
            links: median
            for links, median in zip(counts, medians, strict=True)
            if median is not None
        }
        cost = slope(points)
        samples[way] = () if cost is None else (cost,)
    return Figure(
        name=f"each further link, from {counts[0]} to {counts[-1]}",
        unit="s",
        samples=samples,
        limit_is="a further bare container, in the same way",
        goals=[
            Goal(
                words="each further link at most 1.2 times a bare `docker run`",
                under=_DOCKER_RUN,
                at_most=1.2,
            )
        ],
    )


def _teardown(samples: Samples) -> Figure:
    return Figure(
        name=f"teardown, {MANY} links",
        unit="s",
        samples=of_part(samples, "down", **_WAYS),
        limit_is="as many bare containers, removed side by side by docker-py",
        goals=[
            Goal(
                words=f"teardown of {MANY} links no slower than alpy 6.0.0's",
                under=PEER,
                at_most=1.0,
            )
        ],
    )


_WAYS = {ALPY: "alpy", PEER: "peer", LIMIT: "bare", _DOCKER_RUN: "docker run"}
_FIVE_TIMES = Goal(
    words=f"network up, {MANY} links: at least 5 times faster than alpy 6.0.0",
    over=PEER,
    under=ALPY,
    at_least=5,
)
