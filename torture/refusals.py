# SPDX-License-Identifier: GPL-3.0-or-later
"""QEMUs that refuse, hang, babble, or are not there."""

from __future__ import annotations

import os
import shutil
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from torture.arena import Arena

_PROGRAM: Final = "qemu-system-x86_64"
# How long a life waits for a greeting that does not come.
LAUNCH_SECONDS: Final = 2.0
# Questions, as for the version, are answered by the real one.
_FAKE: Final = """\
#!{python}
import os, re, sys, time
monitor = re.search(r"id=monitor,fd=(\\d+)", " ".join(sys.argv))
if monitor is None:
    os.execv({real!r}, [{real!r}, *sys.argv[1:]])
def say(words):
    os.write(int(monitor[1]), words)
{then}
"""
_ELF: Final = b"\x7fELF"


def refused(arena: Arena, options: Sequence[str]) -> None:
    """The real one refuses *options*."""
    arena.start(None, *(f"--qemu={option}" for option in options))


def no_kernel(arena: Arena) -> None:
    """What is given as a kernel is none, though it may begin like one."""
    mark = arena.chance.choice([b"", _ELF])
    (arena.folder / "none.kernel").write_bytes(mark + arena.chance.randbytes(1 << 16))
    arena.images, arena.names = arena.folder, ("none.kernel",)
    arena.start()


def missing(arena: Arena) -> None:
    """None of its programs is on PATH; all others are."""
    arena.start(path=_programs_but(arena.folder / "bin", "qemu"))


def silent(arena: Arena) -> None:
    """It hangs and never greets."""
    _start_fake(arena, "time.sleep(1000)")


def forked(arena: Arena) -> None:
    """A script that runs it as a child process, which hangs and never greets."""
    _start_fake(arena, "os.fork()\ntime.sleep(1000)")


def babbling(arena: Arena) -> None:
    """It says on the monitor what is no protocol, and then hangs."""
    words = b"[1, 2]\n" if arena.chance.random() < 1 / 2 else arena.chance.randbytes(99) + b"\n"
    _start_fake(arena, f"say({words!r})\ntime.sleep(1000)")


def dying(arena: Arena) -> None:
    """It ends within its greeting."""
    _start_fake(arena, """say(b'{"QMP": {')\nsys.exit("out of luck")""")


def _start_fake(arena: Arena, then: str) -> None:
    programs = _programs_but(arena.folder / "bin", _PROGRAM)
    real = shutil.which(_PROGRAM)
    fake = programs / _PROGRAM
    fake.write_text(_FAKE.format(python=sys.executable, real=real, then=then))
    fake.chmod(0o755)
    arena.start(None, "--launch", str(LAUNCH_SECONDS), path=programs)


def _programs_but(folder: Path, prefix: str) -> Path:
    """A *folder* with all programs of PATH but those whose names begin with *prefix*."""
    folder.mkdir()
    for each in filter(Path.is_dir, map(Path, reversed(os.get_exec_path()))):
        for program in each.iterdir():
            if not program.name.startswith(prefix):
                link = folder / program.name
                link.unlink(missing_ok=True)
                link.symlink_to(program.absolute())
    return folder
