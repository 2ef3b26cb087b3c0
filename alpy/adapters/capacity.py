# SPDX-License-Identifier: GPL-3.0-or-later
"""How many virtual machines this host takes at once: its CPUs and memory, and what we may use."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from contextlib import suppress
from pathlib import Path, PurePosixPath
from typing import Final

from attrs import frozen

from alpy.core.errors import InvalidValueError

CPUS_VARIABLE: Final = "ALPY_SLOTS_CPUS"
MEMORY_VARIABLE: Final = "ALPY_SLOTS_MEMORY_MIB"
# A virtual CPU waits more than it works, most of the time.
_CPUS_PER_CORE: Final = 2
# The rest is for the host's own programs, and for what QEMU needs besides the machine's memory.
_MEMORY_SHARE: Final = 0.8
_MIB: Final = 1 << 20

_CGROUPS: Final = PurePosixPath("sys/fs/cgroup")


@frozen(kw_only=True)
class Capacity:
    """What all virtual machines of a user may have together."""

    cpus: int
    memory_mib: int


def host_capacity(environment: Mapping[str, str], *, root: Path = Path("/")) -> Capacity:
    """What the *environment* says, or else what the host has and a control group leaves of it.

    *root*: where the host's /proc and /sys are; given by tests only.

    Raises:
        InvalidValueError: the environment says what can't be.
    """
    cpus = whole_number(environment, CPUS_VARIABLE)
    memory_mib = whole_number(environment, MEMORY_VARIABLE)
    return Capacity(
        cpus=cpus or max(1, int(_CPUS_PER_CORE * _cores(root))),
        memory_mib=memory_mib or int(_MEMORY_SHARE * _memory_bytes(root) / _MIB),
    )


def whole_number(environment: Mapping[str, str], variable: str) -> int | None:
    """What *variable* is set to, at least 1; None if it is not set.

    Raises:
        InvalidValueError: it is set to something else.
    """
    word = environment.get(variable)
    if not word:
        return None
    if not word.isdecimal() or int(word) < 1:
        raise InvalidValueError(f"{variable} = {word!r}: a whole number, at least 1, is wanted")
    return int(word)


def _cores(root: Path) -> float:
    quotas = [float(len(os.sched_getaffinity(0)))]
    for folder in _folders(root, ""):
        quota, period, *_ = [*_words(folder / "cpu.max"), "", ""]
        quotas += _quotient(quota, period)
    for folder in _folders(root, "cpu"):
        quota, period = (
            "".join(_words(folder / f"cpu.cfs_{name}_us")) for name in ("quota", "period")
        )
        quotas += _quotient(quota, period)
    return min(quotas)


def _quotient(quota: str, period: str) -> list[float]:
    # Without a limit the first is "max", or "-1".
    return [int(quota) / int(period)] if quota.isdecimal() and period.isdecimal() else []


def _memory_bytes(root: Path) -> int:
    total = _words(root / "proc/meminfo")[1]
    limits = [int(total) << 10]
    for controller, name in (("", "memory.max"), ("memory", "memory.limit_in_bytes")):
        for folder in _folders(root, controller):
            limits += [int(word) for word in _words(folder / name) if word.isdecimal()]
    return min(limits)


def _folders(root: Path, controller: str) -> Iterator[Path]:
    """Our control group for *controller*, and all above it: each one's limit counts.

    Those of version 2 have "" for a controller. In a container our own may be out of sight.
    """
    mounts = [_CGROUPS / controller] if controller else [_CGROUPS, _CGROUPS / "unified"]
    for line in _lines(root / "proc/self/cgroup"):
        _, controllers, path = line.split(":", 2)
        if controller in controllers.split(","):
            below = PurePosixPath(path.lstrip("/"))
            for mount in mounts:
                yield from (root / mount / each for each in (below, *below.parents))


def _words(path: Path) -> list[str]:
    return " ".join(_lines(path)).split()


def _lines(path: Path) -> list[str]:
    # What a host does not have sets no limit.
    with suppress(OSError):
        return path.read_text(encoding="ascii").splitlines()
    return []
