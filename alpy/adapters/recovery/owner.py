# SPDX-License-Identifier: GPL-3.0-or-later
"""Whose a container or a tap is: the label that tells it, and how the label is read."""

from __future__ import annotations

import hashlib
import os
import socket
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Final
from urllib.parse import quote, unquote

from attrs import asdict, frozen

from alpy.adapters.proc_stat import process_stat

RUN_LABEL: Final = "alpy.run"
ROLE_LABEL: Final = "alpy.role"

# The kernel keeps an interface's alias up to this many bytes (IFALIASZ counts the NUL).
_ALIAS_LENGTH: Final = 255
_ALIAS_MARK: Final = "alpy"
_FACTS: Final = ("run", "pid", "start", "boot", "host", "pidns", "uid", "dir")
_HOST_LETTERS: Final = 12


@frozen(kw_only=True)
class Owner:
    """The run that made a thing, and the process that the run lives in.

    A process id alone may have been given to another process since; together with its *start*, in
    clock ticks since the *boot*, it stands for one process for ever.
    """

    run: str
    pid: int
    start: int
    boot: str
    pidns: str
    """The namespace in which *pid* is counted; a CI job in a container has one of its own."""
    uid: int
    host: str = ""
    """What stays the same from boot to boot, and is another text on another machine."""
    dir: str = ""
    """The run directory; empty if there is none."""

    def labels(self) -> dict[str, str]:
        """For a container."""
        return {f"alpy.{fact}": str(value) for fact, value in asdict(self).items()}

    def alias(self) -> str:
        """For an interface: one line of plain letters, short enough for the kernel."""
        facts = asdict(self)
        full = _alias(facts)
        return full if len(full) <= _ALIAS_LENGTH else _alias(facts | {"dir": ""})


def owner_from_labels(labels: Mapping[str, str]) -> Owner | None:
    """Who made a container; None if it does not say so in full."""
    facts = {fact: labels.get(f"alpy.{fact}", "") for fact in _FACTS}
    return _owner(facts)


def owner_from_alias(alias: str) -> Owner | None:
    """Who made an interface; None if it does not say so in full."""
    words = alias.split()
    if words[:1] != [_ALIAS_MARK]:
        return None
    facts = (word.partition("=") for word in words[1:])
    return _owner({key: unquote(value) for key, _, value in facts})


def this_process(run: str, directory: Path | None) -> Owner:
    """The owner of what this process makes for *run*."""
    return Owner(
        run=run,
        pid=os.getpid(),
        start=start_of(os.getpid()) or 0,
        boot=boot_id(),
        host=host_id(),
        pidns=pid_namespace(),
        uid=os.geteuid(),
        dir=str(directory or ""),
    )


def start_of(pid: int) -> int | None:
    """When process *pid* was started; None if it does not live."""
    stat = process_stat(pid)
    return stat.start if stat and stat.lives else None


def boot_id() -> str:
    """What is another text after each boot; empty where the kernel does not tell."""
    with suppress(OSError):
        return Path("/proc/sys/kernel/random/boot_id").read_text(encoding="ascii").strip()
    return ""


def host_id() -> str:
    """What is another text on each machine. Its name is in it too, for ids that images bring."""
    machine = ""
    with suppress(OSError):
        machine = Path("/etc/machine-id").read_text(encoding="ascii", errors="replace").strip()
    # The id itself is not for everybody's eyes, as machine-id(5) says; and an alias is short.
    return hashlib.sha256(f"{machine} {socket.gethostname()}".encode()).hexdigest()[:_HOST_LETTERS]


def pid_namespace() -> str:
    """The namespace of our process ids; empty where the kernel does not tell."""
    with suppress(OSError):
        return str(Path("/proc/self/ns/pid").stat().st_ino)
    return ""


def _alias(facts: Mapping[str, object]) -> str:
    words = [f"{fact}={quote(str(value), safe='/')}" for fact, value in facts.items()]
    return " ".join([_ALIAS_MARK, *words])


def _owner(facts: Mapping[str, str]) -> Owner | None:
    try:
        return Owner(
            run=facts["run"],
            pid=int(facts["pid"]),
            start=int(facts["start"]),
            boot=facts["boot"],
            host=facts.get("host", ""),
            pidns=facts["pidns"],
            uid=int(facts["uid"]),
            dir=facts.get("dir", ""),
        )
    except (KeyError, ValueError):
        return None
