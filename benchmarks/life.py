# SPDX-License-Identifier: GPL-3.0-or-later
"""The whole life of a test with two links: a ping from node to node through the appliance."""

from __future__ import annotations

import statistics
import time
from datetime import datetime
from pathlib import Path

import alpy
from benchmarks import bare
from benchmarks.figures import ALPY, LIMIT, PEER, Figure, Goal
from benchmarks.session import Samples, Session, of_part
from carrot import rabbit

_QEMU_STEP = "Start QEMU, its virtual CPU paused..."
_PHASES = {
    "up": "network up",
    "configured": "addresses",
    "shell": "to a shell",
    "test": "route and ping",
    "down": "teardown",
}


def live(bed: alpy.Testbed) -> dict[str, float]:
    """The test, and the seconds of its parts."""
    began = time.monotonic()
    with bed:
        up = time.monotonic()
        client, server = bed.nodes
        client.configure("192.168.1.1/24", gateway="192.168.1.254")
        server.configure("192.168.2.1/24", gateway="192.168.2.254")
        configured = time.monotonic()
        shell = rabbit.start(bed)
        answered = time.monotonic()
        rabbit.route(shell, "192.168.1.254/24", "192.168.2.254/24")
        words = ["ping", "-c", "1", "-W", "5", "192.168.2.1"]
        client.run(words, image=rabbit.TOOLS, timeout=30)
        tested = time.monotonic()
    over = time.monotonic()
    return {
        "up": up - began,
        "configured": configured - up,
        "shell": answered - configured,
        "test": tested - answered,
        "down": over - tested,
        "life": over - began,
    }


def _restore(session: Session) -> dict[str, float]:
    """Seconds from QEMU's start until a shell has answered; what comes between does not count."""
    with session.testbed(prepared=True) as bed, bed:
        began = time.monotonic()
        bed.dut.start()
        alpy.attach(bed.console)
        answered = time.monotonic()
        assert began_with_state(bed)
        return {"seconds": _start_of_qemu(bed.run_dir) + answered - began}


def _start_of_qemu(run_dir: Path) -> float:
    """How long it took in this run, until its monitor had answered."""
    lines = (run_dir / "debug.log").read_text(encoding="utf-8").splitlines()
    begin, end = (datetime.fromisoformat(line.split()[0]) for line in lines if _QEMU_STEP in line)
    return (end - begin).total_seconds()


def measure(session: Session) -> list[Figure]:
    session.tell("make the saved state, if there is none")
    with session.testbed(prepared=True) as bed, bed:
        pass
    samples = session.take_turns(
        "lives",
        session.runs + 1,
        {
            "restored": lambda: _live(session, prepared=True),
            "booted": lambda: _live(session, prepared=False),
            "peer": session.peer.life,
            "restore": lambda: _restore(session),
            "bare": lambda: _bare(session.appliance),
        },
    )
    return _figures(samples)


def _live(session: Session, *, prepared: bool) -> dict[str, float]:
    with session.testbed(prepared=prepared) as bed:
        parts = live(bed)
        assert not prepared or began_with_state(bed), "it had to boot: the warning tells why"
        return parts


def began_with_state(bed: alpy.Testbed) -> bool:
    """Whether its machine was restored, and not booted for want of a saved state."""
    return bed.start is not None and bed.start.folder is not None


def _bare(appliance: alpy.Appliance) -> dict[str, float]:
    nodes = bare.containers(2)
    boot, app, qemu = bare.boot(appliance), bare.app(), bare.start_of_qemu(appliance)
    return {
        "seconds": qemu,
        "shell": boot,
        "down": nodes["down"],
        "restored": nodes["up"] + app + nodes["down"],
        "booted": nodes["up"] + boot + app + nodes["down"],
    }


def _figures(samples: Samples) -> list[Figure]:
    containers = "its three containers, started and removed bare"
    return [
        Figure(
            name="two-link test, from a saved state",
            unit="s",
            samples=_life_of(samples, "restored"),
            limit_is=containers,
            phases=_phases(samples),
            goals=[
                Goal(
                    words="two-link life from restore: at least 6 times faster than alpy 6.0.0",
                    over=PEER,
                    under=ALPY,
                    at_least=6,
                )
            ],
        ),
        Figure(
            name="two-link test, booted",
            unit="s",
            samples=_life_of(samples, "booted"),
            limit_is=f"{containers}, and a bare boot",
        ),
        Figure(
            name="saved state: from QEMU's start to an answering shell",
            unit="s",
            samples=of_part(samples, "seconds", **{ALPY: "restore", LIMIT: "bare"}),
            limit_is="from QEMU's start to its monitor's greeting",
            goals=[Goal(words="restore to an answering shell in under 0.3 s", at_most=0.3)],
        ),
        Figure(
            name="boot: from the CPU's start to an answering shell",
            unit="s",
            samples=of_part(samples, "shell", **{ALPY: "booted", PEER: "peer", LIMIT: "bare"}),
            limit_is="bare QEMU to the login prompt, its own start included",
        ),
        Figure(
            name="teardown, 2 links",
            unit="s",
            samples=of_part(samples, "down", **{ALPY: "restored", PEER: "peer", LIMIT: "bare"}),
            limit_is="one `docker rm --force` of two",
        ),
    ]


def _life_of(samples: Samples, way: str) -> dict[str, tuple[float, ...]]:
    return {
        **of_part(samples, "life", **{ALPY: way, PEER: "peer"}),
        **of_part(samples, way, **{LIMIT: "bare"}),
    }


def _phases(samples: Samples) -> dict[str, dict[str, float]]:
    names = {"peer": PEER, "booted": "alpy, booted", "restored": "alpy, saved state"}
    return {
        name: {words: statistics.median(samples[way][part]) for part, words in _PHASES.items()}
        for way, name in names.items()
    }
