# SPDX-License-Identifier: GPL-3.0-or-later
"""What is done to a life that has come to some moment, and to what it lives on."""

from __future__ import annotations

import os
import signal
import subprocess
from functools import partial
from pathlib import Path
from typing import Final

from torture.arena import Arena
from torture.parts import kill
from torture.states import damage, entries, made_in, warnings_in
from torture.victim import Moment, Victim

_CROWD: Final = (4, 8)
_LIFE_SECONDS: Final = 120.0
STOPPED_SECONDS: Final = 20.0
# The third may come when the teardown is about to end, and a busy host is slow.
_GIVING_UP_SECONDS: Final = 5.0


def nothing(arena: Arena) -> None:
    arena.start()


def send_signals(number: signal.Signals, times: int, arena: Arena, *, pause: float = 0.300) -> None:
    victim = arena.start_until_some_moment()
    victim.send(number)
    for _ in range(times - 1):
        victim.pause(arena.chance.uniform(0.010, pause))
        victim.send(number)


def press_until_it_gives_up(arena: Arena) -> None:
    # All three within a teardown, as a rule.
    send_signals(signal.SIGINT, 3, arena, pause=0.050)
    (victim,) = arena.victims
    victim.pause(_GIVING_UP_SECONDS)
    if victim.alive:
        arena.complaints.append(f"{_GIVING_UP_SECONDS:g} s after the third Ctrl-C it goes on")


def kill_guard(arena: Arena) -> None:
    victim = arena.start_until_some_moment(linger=False)
    if guard := victim.once(victim.guard):
        victim.strike(lambda: kill(guard))


def kill_python_and_guard(arena: Arena) -> None:
    victim = arena.start_until_some_moment()
    victim.strike(lambda: _kill_both(victim))


def _kill_both(victim: Victim) -> None:
    # Stopped first, so that it can't see its guard die, or start one more thing.
    victim.process.send_signal(signal.SIGSTOP)
    for guard in victim.guards():
        kill(guard)
    victim.process.kill()


def signal_qemu(number: signal.Signals, arena: Arena) -> None:
    victim = arena.start_until_some_moment()
    if qemu := victim.once(victim.qemu):
        victim.strike(lambda: kill(qemu, number))


def end_container(role: str, arena: Arena, *, remove: bool) -> None:
    victim = arena.start_until_some_moment()
    # A test that is stuck makes no more of them.
    stuck = arena.moment is None or arena.moment.linger
    state = "created" if remove and not stuck and arena.chance.random() < 1 / 4 else "running"
    if found := victim.once(lambda: victim.containers(role, state)):
        one = arena.chance.choice(found)
        victim.strike(
            lambda: victim.docker(
                lambda api: api.remove_container(one, force=True) if remove else api.kill(one)
            )
        )


def fill_disk(arena: Arena) -> None:
    disk = arena.folder / "full"
    disk.mkdir()
    # Room for what is there before the first frame; how much is a matter of chance.
    size = f"size={arena.chance.choice([64, 256, 1024, 4096])}k"
    subprocess.run(["mount", "-t", "tmpfs", "-o", size, "torture", disk], check=True, timeout=30)
    arena.finally_(lambda: subprocess.run(["umount", "--lazy", disk], check=True, timeout=30))
    victim = arena.start_until_some_moment(disk / "run", linger=False)
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


def damage_state(arena: Arena) -> None:
    """A life makes a state, which is damaged before the next one wants it."""
    arena.prepare_lives()
    arena.start().wait(_LIFE_SECONDS)
    made = entries(arena.cache)
    if not made:
        arena.complaints.append("no state was made")
        return
    what = damage(made[0], arena.chance)
    second = arena.start()
    second.wait(_LIFE_SECONDS)
    warnings = warnings_in("\n".join(second.log()))
    if len(warnings) != 1:
        arena.complaints.append(f"{what}: not told in one warning, but {warnings}")


def crowd(arena: Arena) -> None:
    if arena.chance.random() < 1 / 2:
        arena.prepare_lives()
    victims = [arena.start_in_common_folder() for _ in range(arena.chance.randint(*_CROWD))]
    if arena.chance.random() < 1 / 2:
        # They are in each other's way: with so many, a life takes a multiple of its time.
        arena.moment = Moment(seconds=arena.chance.uniform(0.3, len(victims) / 2 * arena.seconds))
        victims[0].wait_until(arena.moment)
        victims[0].send(signal.SIGKILL)
    for victim in victims:
        victim.wait(_LIFE_SECONDS)
    makers = sum(made_in(victim.output.read_text(errors="replace")) for victim in victims)
    if makers > 1 + bool(victims[0].struck_at):
        arena.complaints.append(f"{makers} of them made the same state")


def signal_daemon(number: signal.Signals, arena: Arena) -> None:
    victim = arena.start_until_some_moment(linger=number != signal.SIGSTOP)
    daemon = arena.daemon
    assert daemon, "this fault asks for a daemon"  # noqa: S101
    victim.strike(lambda: daemon.send(number))
    if number == signal.SIGSTOP:
        victim.pause(STOPPED_SECONDS)
        daemon.send(signal.SIGCONT)
    else:
        daemon.send(number)
        daemon.wait()
        victim.pause(arena.chance.uniform(0, 3))
        daemon.start()
