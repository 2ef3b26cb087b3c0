# SPDX-License-Identifier: GPL-3.0-or-later
"""One TCP stream through the appliance: with alpy, by hand, without captures, without appliance."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from functools import partial

from benchmarks import by_hand
from benchmarks.figures import ALPY, LIMIT, Figure, Goal
from benchmarks.session import Samples, Session, Way, of_part
from carrot import rabbit, traffic

_BY_HAND = "by hand"
_SERVER = "192.168.2.1"
# Which process got which pages matters some percent: every way starts anew so many times.
_STARTS = 2


def measure(session: Session) -> list[Figure]:
    samples: Samples = {}
    starts = 1 if session.quick else _STARTS
    for start in range(starts):
        session.tell(f"boot one with alpy and two by hand, {start + 1} of {starts}")
        with _all_ways(session) as ways:
            more = session.take_turns("iperf3", session.runs, ways, once={"taps"})
        for way, parts in more.items():
            samples[way] = {"rate": (*samples.get(way, {}).get("rate", ()), *parts["rate"])}
    return [
        Figure(
            name="TCP through the appliance",
            unit="Mbit/s",
            higher_is_better=True,
            samples=of_part(samples, "rate", **{ALPY: "alpy", _BY_HAND: "hand", LIMIT: "free"}),
            limit_is="the same QEMU by hand, its captures off",
            goals=[
                Goal(
                    words="iperf3 within 5 % of the same QEMU command line run by hand",
                    under=_BY_HAND,
                    at_least=0.95,
                )
            ],
        ),
        Figure(
            name="the same QEMU command line, by hand",
            unit="Mbit/s",
            higher_is_better=True,
            samples=of_part(samples, "rate", **{ALPY: "hand", LIMIT: "taps"}),
            limit_is="both taps and QEMU's own loop, without an appliance",
        ),
    ]


@contextmanager
def _all_ways(session: Session) -> Iterator[dict[str, Way]]:
    """All of them at the same time, idle but for the one whose turn it is."""
    seconds = 1 if session.quick else 3
    with ExitStack() as stack:
        bed = stack.enter_context(session.testbed())
        stack.enter_context(bed)
        client, server = bed.nodes
        client.configure("192.168.1.1/24", gateway="192.168.1.254")
        server.configure("192.168.2.1/24", gateway="192.168.2.254")
        rabbit.route(rabbit.start(bed), "192.168.1.254/24", "192.168.2.254/24")
        command = (bed.run_dir / "qemu.log").read_text(encoding="utf-8").splitlines()[0]
        hand = stack.enter_context(by_hand.routed(partial(by_hand.same_command, command)))
        free = stack.enter_context(
            by_hand.routed(partial(by_hand.same_command, command, capture=False))
        )
        taps = stack.enter_context(by_hand.switched(by_hand.hub_command))
        pairs = {"hand": hand, "free": free, "taps": taps}
        yield {
            "alpy": partial(_rate, partial(traffic.tcp_rate, client, server), seconds),
            **{name: partial(_rate, pair.tcp_rate, seconds) for name, pair in pairs.items()},
        }


def _rate(rate: Callable[..., float], seconds: int) -> dict[str, float]:
    return {"rate": rate(_SERVER, seconds=seconds)}
