# SPDX-License-Identifier: GPL-3.0-or-later
"""Sweeps of what a dead run left: undisturbed, killed on the way, and two at once."""

from __future__ import annotations

import signal
from typing import Final

from torture.arena import Arena
from torture.stale_world import StaleWorld, plant_stale_world
from torture.victim import Moment

_SWEEP_SECONDS: Final = 120.0


def one_sweep(arena: Arena) -> None:
    planted = _plant(arena)
    arena.start().wait(_SWEEP_SECONDS)
    arena.complaints += planted.complaints()


def killed_sweep(arena: Arena) -> None:
    planted = _plant(arena)
    victim = arena.start_sweep()
    if arena.chance.random() < 1 / 2:
        victim.once(lambda: planted.touched)
        victim.pause(arena.chance.uniform(0, 0.1))
    else:
        arena.moment = Moment(seconds=arena.chance.uniform(0.1, 0.8))
        victim.wait_until(arena.moment)
    victim.send(signal.SIGKILL)
    victim.wait(_SWEEP_SECONDS)
    arena.start_sweep().wait(_SWEEP_SECONDS)
    arena.complaints += planted.complaints()


def two_sweeps(arena: Arena) -> None:
    planted = _plant(arena)
    first = arena.start_sweep()
    first.pause(arena.chance.choice([0, arena.chance.uniform(0, 0.3)]))
    second = arena.start_sweep()
    for sweep in (first, second):
        sweep.wait(_SWEEP_SECONDS)
    arena.complaints += planted.complaints()


def _plant(arena: Arena) -> StaleWorld:
    planted = plant_stale_world(arena.folder)
    arena.finally_(planted.remove)
    arena.planted.append(planted.run)
    return planted
