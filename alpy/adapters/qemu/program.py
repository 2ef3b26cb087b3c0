# SPDX-License-Identifier: GPL-3.0-or-later
"""Questions to QEMU's programs that need no VM: version, devices, images."""

from __future__ import annotations

import os
import re
import subprocess
from collections.abc import Mapping
from typing import Final

from alpy.core.errors import HostError, InvalidValueError

_PACKAGES: Final = (
    "Install QEMU: 'apt-get install qemu-system-x86 qemu-utils' (Debian, Ubuntu),"
    " 'dnf install qemu-system-x86 qemu-img' (Fedora),"
    " 'apk add qemu-system-x86_64 qemu-img' (Alpine)"
)
# The oldest that a distribution still supports (Debian 11); none before it was tried.
_OLDEST: Final = (5, 2)
# Answers come in tens of milliseconds; more than this, and the program hangs.
_SECONDS: Final = 30.0
# The environment of a test may hold secrets, and everything here can be read in QEMU's /proc.
_PASSED_ON: Final = ("HOME", "LANG", "LD_LIBRARY_PATH", "PATH", "QEMU_MODULE_DIR", "TMPDIR")


def missing(program: str, error: OSError) -> HostError:
    """What to say when *program* could not be started."""
    found = "it is not on PATH" if isinstance(error, FileNotFoundError) else str(error.strerror)
    return HostError(asked=f"run {program}", found=found, remedy=_PACKAGES)


def environment(**more: str) -> Mapping[str, str]:
    """What a program of QEMU's gets of ours, and *more*."""
    return {name: os.environ[name] for name in _PASSED_ON if name in os.environ} | more


def ask(*argv: str) -> subprocess.CompletedProcess[str]:
    """Run a program that answers on stdout and ends.

    Raises:
        HostError: it is missing, or did not end in time.
    """
    try:
        return subprocess.run(
            argv, stdin=subprocess.DEVNULL, capture_output=True, text=True, errors="replace",
            check=False, timeout=_SECONDS, env=environment(),
        )  # fmt: skip
    except OSError as error:
        raise missing(argv[0], error) from error
    except subprocess.TimeoutExpired as error:
        raise HostError(
            asked=f"run {argv[0]}",
            found=f"no answer within {_SECONDS:g} s",
            remedy="Try it by hand: " + " ".join(argv),
        ) from error


def check_version(program: str) -> tuple[int, int]:
    """The major and minor version of QEMU.

    Raises:
        HostError: it is missing, too old, or no QEMU.
    """
    answer = ask(program, "--version").stdout
    number = re.match(r"QEMU emulator version (\d+)\.(\d+)", answer)
    if not number:
        said = answer.strip()[:80] or "nothing"
        raise HostError(asked=f"run {program}", found=f"no QEMU; it says {said}", remedy=_PACKAGES)
    version = int(number[1]), int(number[2])
    if version < _OLDEST:
        wanted = ".".join(map(str, _OLDEST))
        raise HostError(
            asked=f"QEMU {wanted} or later",
            found=f"{program} is {number[1]}.{number[2]}",
            remedy="Upgrade it, or give the path of a newer one",
        )
    return version


def check_nic_model(program: str, model: str) -> None:
    """Look whether this QEMU has the NIC *model*.

    Raises:
        HostError: the program is missing.
        InvalidValueError: it has not; those that it has are named.
    """
    listing = ask(program, "-device", "help").stdout
    network = listing.partition("Network devices:")[2].partition("\n\n")[0]
    known = re.findall(r'^name "([^"]+)", bus PCI', network, re.MULTILINE)
    if model not in known:
        raise InvalidValueError(
            f"NIC model {model!r}: this {program} has {', '.join(known) or 'no PCI NIC'}"
        )
