# SPDX-License-Identifier: GPL-3.0-or-later
"""Programs of the host that the builds call, and the errors when one is missing or fails."""

import logging
import os
import shutil
import subprocess
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Final

log: Final = logging.getLogger("carrot.build")

# Which Debian package brings each program.
DEBIAN_PACKAGES: Final[Mapping[str, str]] = {
    "apt-config": "apt",
    "depmod": "kmod",
    "dpkg": "dpkg",
    "lz4": "lz4",
    "mcopy": "mtools",
    "mkfs.vfat": "dosfstools",
    "mmdebstrap": "mmdebstrap",
    "mmd": "mtools",
    "qemu-img": "qemu-utils",
    "sfdisk": "fdisk",
    "zstd": "zstd",
}

# An ordinary user's PATH has no sbin on Debian, but may run what is there.
_ADMIN_PATHS: Final = ("/usr/sbin", "/sbin")


class BuildError(Exception):
    """Rabbit or an image could not be built; the text says what to do."""


class MissingProgramError(BuildError):
    """The host lacks programs that a build needs."""

    def __init__(self, programs: Sequence[str]) -> None:
        packages = sorted({DEBIAN_PACKAGES.get(program, program) for program in programs})
        super().__init__(
            f"this host has no {', '.join(programs)}; "
            f"on Debian or Ubuntu: apt-get install {' '.join(packages)}"
        )
        self.programs, self.packages = tuple(programs), tuple(packages)


class ProgramFailedError(BuildError):
    """A program of the host ended with an error; the end of its output is in the text."""

    def __init__(self, *, command: Sequence[str], exit_code: int, output: str) -> None:
        last_lines = "\n".join(f"  {line}" for line in output.strip().splitlines()[-12:])
        super().__init__(f"{command[0]} failed with exit code {exit_code}:\n{last_lines}")
        self.command, self.exit_code, self.output = tuple(command), exit_code, output


def find_program(name: str) -> str | None:
    """The path of the program *name*, or None."""
    return shutil.which(name) or shutil.which(name, path=":".join(_ADMIN_PATHS))


def require_programs(names: Sequence[str]) -> None:
    """Raise MissingProgramError if one of *names* is not on this host."""
    missing = [name for name in names if find_program(name) is None]
    if missing:
        raise MissingProgramError(missing)


def run_program(
    command: Sequence[str], *, stdin: bytes = b"", environment: Mapping[str, str] | None = None
) -> bytes:
    """Run *command*, feed it *stdin*, and return its standard output.

    *environment* is added to our own.

    Raises:
        MissingProgramError: the host has no such program.
        ProgramFailedError: it ended with another exit code than 0.
    """
    path = find_program(command[0])
    if path is None:
        raise MissingProgramError([command[0]])
    done = subprocess.run(
        [path, *command[1:]],
        input=stdin,
        env={**os.environ, **(environment or {})},
        capture_output=True,
        check=False,
    )
    if done.returncode != 0:
        output = (done.stdout[-10_000:] + done.stderr).decode(errors="replace")
        raise ProgramFailedError(command=command, exit_code=done.returncode, output=output)
    return done.stdout


@contextmanager
def step(name: str) -> Iterator[None]:
    """Log one line when the step is done or failed, with its seconds."""
    started = time.monotonic()
    log.debug("%s...", name)
    outcome = "failed"
    try:
        yield
        outcome = "done"
    finally:
        log.info("%s... %s (%.1f s)", name, outcome, time.monotonic() - started)
