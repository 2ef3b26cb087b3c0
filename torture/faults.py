# SPDX-License-Identifier: GPL-3.0-or-later
"""The faults: what is done to a run, at some moment of its life."""

from __future__ import annotations

import os
import signal
import subprocess
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from typing import Final

from attrs import frozen

from torture.arena import Arena
from torture.stale_world import plant_stale_world
from torture.victim import Victim, kill

_CROWD: Final = (4, 8)


@frozen(kw_only=True)
class Fault:
    inflict: Callable[[Arena], object]
    killed: bool = False
    """Its Python was killed, so its guard has to complete the record."""
    guarded: bool = True
    """If not, what is left may wait for the next sweep."""
    passes: bool = False
    """Nothing was done to the run itself: it has to pass."""
    root: bool = False
    """Only root can do it."""
    daemon: bool = False
    """It is done to a Docker daemon of our own. Only root can have one."""


def _control(arena: Arena) -> None:
    arena.start()


def _signals(number: signal.Signals, times: int, arena: Arena) -> None:
    victim = arena.start()
    victim.wait_until(arena.some_moment())
    victim.send(number)
    for _ in range(times - 1):
        victim.pause(arena.chance.uniform(0.010, 0.300))
        victim.send(number)


def _kill_guard(arena: Arena) -> None:
    victim = arena.start()
    victim.wait_until(arena.some_moment())
    if guard := victim.once(victim.guard):
        victim.strike(lambda: kill(guard))


def _kill_python_and_guard(arena: Arena) -> None:
    victim = arena.start()
    victim.wait_until(arena.some_moment())
    victim.strike(lambda: _kill_both(victim))


def _kill_both(victim: Victim) -> None:
    # Stopped first, so that it can't see its guard die, or start one more thing.
    victim.process.send_signal(signal.SIGSTOP)
    if guard := victim.guard():
        kill(guard)
    victim.process.kill()


def _qemu(number: signal.Signals, arena: Arena) -> None:
    victim = arena.start()
    victim.wait_until(arena.some_moment())
    if qemu := victim.once(victim.qemu):
        victim.strike(lambda: kill(qemu, number))


def _container(role: str, *, remove: bool, arena: Arena) -> None:
    victim = arena.start()
    victim.wait_until(arena.some_moment())
    state = "created" if remove and arena.chance.random() < 1 / 4 else "running"
    if found := victim.once(lambda: victim.container(role, state)):
        victim.strike(
            lambda: victim.docker(
                lambda api: api.remove_container(found, force=True) if remove else api.kill(found)
            )
        )


def _full_disk(arena: Arena) -> None:
    disk = arena.folder / "full"
    disk.mkdir()
    # Room for what is there before the first frame; how much is a matter of chance.
    size = f"size={arena.chance.choice([64, 256, 1024, 4096])}k"
    subprocess.run(["mount", "-t", "tmpfs", "-o", size, "torture", disk], check=True, timeout=30)
    arena.finally_(lambda: subprocess.run(["umount", "--lazy", disk], check=True, timeout=30))
    victim = arena.start(disk / "run")
    victim.wait_until(arena.some_moment())
    victim.strike(partial(_fill, disk / "filler"))


def _fill(path: Path) -> None:
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT)
    try:
        while True:
            os.write(descriptor, bytes(1 << 12))
    except OSError:
        return  # full
    finally:
        os.close(descriptor)


def _stale_world(arena: Arena) -> None:
    planted = plant_stale_world(arena.folder)
    arena.finally_(planted.remove)
    arena.planted.append(planted.run)
    arena.start().process.wait(120)
    arena.complaints += planted.complaints()


def _crowd(arena: Arena) -> None:
    victims = [arena.start_in(arena.folder) for _ in range(arena.chance.randint(*_CROWD))]
    if arena.chance.random() < 1 / 2:
        # They are in each other's way: with so many, a life takes a multiple of its time.
        moment = arena.chance.uniform(0.3, len(victims) / 2 * arena.seconds)
        arena.moment = f"{moment:.2f} s"
        victims[0].pause(moment)
        victims[0].send(signal.SIGKILL)


def _daemon(number: signal.Signals, arena: Arena) -> None:
    victim, daemon = arena.start(), arena.daemon
    assert daemon, "this fault asks for a daemon"  # noqa: S101
    victim.wait_until(arena.some_moment())
    victim.strike(lambda: daemon.send(number))
    if number == signal.SIGSTOP:
        victim.pause(20)
        daemon.send(signal.SIGCONT)
    else:
        daemon.send(number)
        daemon.wait()
        victim.pause(arena.chance.uniform(0, 3))
        daemon.start()


FAULTS: Final[Mapping[str, Fault]] = {
    "none": Fault(inflict=_control, passes=True),
    "SIGINT": Fault(inflict=partial(_signals, signal.SIGINT, 1)),
    "SIGINT-twice": Fault(inflict=partial(_signals, signal.SIGINT, 2)),
    "SIGINT-thrice": Fault(inflict=partial(_signals, signal.SIGINT, 3)),
    "SIGTERM": Fault(inflict=partial(_signals, signal.SIGTERM, 1)),
    "SIGHUP": Fault(inflict=partial(_signals, signal.SIGHUP, 1)),
    "SIGKILL": Fault(inflict=partial(_signals, signal.SIGKILL, 1), killed=True),
    "SIGKILL-with-guard": Fault(inflict=_kill_python_and_guard, guarded=False),
    "guard-SIGKILL": Fault(inflict=_kill_guard, passes=True),
    "qemu-SIGKILL": Fault(inflict=partial(_qemu, signal.SIGKILL)),
    "qemu-SIGSTOP": Fault(inflict=partial(_qemu, signal.SIGSTOP)),
    "qemu-SIGSEGV": Fault(inflict=partial(_qemu, signal.SIGSEGV)),
    "node-killed": Fault(inflict=lambda arena: _container("node", remove=False, arena=arena)),
    "node-removed": Fault(inflict=lambda arena: _container("node", remove=True, arena=arena)),
    "app-killed": Fault(inflict=lambda arena: _container("app", remove=False, arena=arena)),
    "app-removed": Fault(inflict=lambda arena: _container("app", remove=True, arena=arena)),
    "dockerd-SIGTERM": Fault(inflict=partial(_daemon, signal.SIGTERM), root=True, daemon=True),
    "dockerd-SIGKILL": Fault(inflict=partial(_daemon, signal.SIGKILL), root=True, daemon=True),
    "dockerd-SIGSTOP": Fault(inflict=partial(_daemon, signal.SIGSTOP), root=True, daemon=True),
    "full-disk": Fault(inflict=_full_disk, root=True),
    "stale-world": Fault(inflict=_stale_world, passes=True),
    "crowd": Fault(inflict=_crowd, passes=True),
}
