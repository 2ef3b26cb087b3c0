# SPDX-License-Identifier: GPL-3.0-or-later
"""Rabbit in memory: what it prints and answers, for unit tests of code that drives it."""

from __future__ import annotations

import alpy
from alpy import fakes
from carrot import rabbit

# Seconds of fake time, about what Rabbit takes for real.
_BOOT = 2.0


def appliance() -> alpy.Appliance:
    """Rabbit's shape, without a file of it."""
    return alpy.Appliance(name="rabbit", kernel=alpy.Kernel(image="rabbit/kernel"), memory_mib=256)


def rabbit_world(commands: fakes.shell.Commands | None = None) -> fakes.World:
    """A world whose appliance is Rabbit.

    Its shell answers *commands* as `fakes.ShellAnswers` does; by default every command succeeds and
    prints nothing.
    """
    answers = fakes.ShellAnswers(commands or (lambda _command: (0, "")))
    script = (
        fakes.Script()
        .prints("\r\nrabbit login: ", after=_BOOT)
        .reads(f"{rabbit.USER}\n")
        .prints("Password: ")
        .reads(f"{rabbit.PASSWORD}\n", echo=False)
        .prints("\r\nrabbit# ")
        .answers(answers, prompt="rabbit# ")
    )
    return fakes.World(script=script)
