# SPDX-License-Identifier: GPL-3.0-or-later
"""The whole life of a test with two links: a ping from node to node through the appliance."""

from __future__ import annotations

import statistics
import time
from datetime import UTC, datetime
from pathlib import Path

import alpy
from benchmarks import bare, restore_by_hand
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
    """Seconds from QEMU's start until a shell has answered, with nothing else in between."""
    with session.testbed(links=0, prepared=True) as bed, bed:
        bed.dut.start()
        alpy.attach(bed.console)
        answered = datetime.now(UTC)
        assert began_with_state(bed)
        return {"seconds": (answered - _start_of_qemu(bed.run_dir)).total_seconds()}


def _start_of_qemu(run_dir: Path) -> datetime:
    lines = (run_dir / "debug.log").read_text(encoding="utf-8").splitlines()
    return datetime.fromisoformat(next(line for line in lines if _QEMU_STEP in line).split()[0])


def measure(session: Session) -> list[Figure]:
    session.tell("make the saved states, if there are none")
    with session.testbed(prepared=True) as bed, bed:
        pass
    with session.testbed(links=0, prepared=True) as bed, bed:
        command, state = _restored_by(bed)
    samples = session.take_turns(
        "lives",
        session.runs + 1,
        {
            "restored": lambda: _live(session, prepared=True),
            "booted": lambda: _live(session, prepared=False),
            "peer": session.peer_life,
            "restore": lambda: _restore(session),
            "bare": lambda: _bare(session.appliance),
            "by hand": lambda: {"seconds": restore_by_hand.restore(command, state)},
        },
    )
    return _figures(samples)


def _restored_by(bed: alpy.Testbed) -> tuple[str, Path]:
    """The command line of a QEMU that began with a saved state, and the folder of that."""
    assert bed.start is not None
    assert bed.start.folder is not None, "it had to boot: the warning tells why"
    command = (bed.run_dir / "qemu.log").read_text(encoding="utf-8").splitlines()[0]
    return command, bed.start.folder


def _live(session: Session, *, prepared: bool) -> dict[str, float]:
    with session.testbed(prepared=prepared) as bed:
        parts = live(bed)
        assert not prepared or began_with_state(bed), "it had to boot: the warning tells why"
        return parts


def began_with_state(bed: alpy.Testbed) -> bool:
    """Whether its machine was restored, and not booted for want of a saved state."""
    return bed.start is not None and bed.start.folder is not None


def _bare(appliance: alpy.Appliance) -> dict[str, float]:
    containers, boot = bare.containers(2), bare.boot(appliance)
    restored = sum(containers.values())
    return {
        "shell": boot,
        "down": containers["down"],
        "restored": restored,
        "booted": restored + boot,
    }


def _figures(samples: Samples) -> list[Figure]:
    containers = "its three containers, bare by docker-py"
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
            name="saved state, no links: from QEMU's start to an answering shell",
            unit="s",
            samples=of_part(samples, "seconds", **{ALPY: "restore", LIMIT: "by hand"}),
            limit_is="the same state in a QEMU by hand, to a prompt",
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
            limit_is="two bare containers, removed side by side by docker-py",
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
