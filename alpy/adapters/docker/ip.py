# SPDX-License-Identifier: GPL-3.0-or-later
"""`ip` in containers that run once: they hold the privilege that this process does not need."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any, Final

from alpy.adapters.docker.engine import DockerEngine
from alpy.adapters.side_by_side import side_by_side
from alpy.core.errors import DockerError

_BATCH: Final = "/alpy.batch"
_FAILED_LINE: Final = re.compile(r"Command failed \S+:(\d+)")


class DockerIp:
    """Runs batches of `ip` commands. No shell, and NET_ADMIN as the only capability."""

    def __init__(self, *, engine: DockerEngine, image: str) -> None:
        self._engine = engine
        self._image = image
        # The containers that may still be there: each is owed before it is made.
        self._owed: set[str] = set()

    def run_on_host(self, batch: Sequence[str], *, name: str, go_on: bool = False) -> None:
        """Run *batch* in the host's network namespace, in one container called *name*.

        *go_on*: a line that fails does not end the batch, and is no error.

        Raises:
            DockerError: the daemon or `ip` refused; which line and why is in it.
        """
        options = ("-force",) if go_on else ()
        self._run(
            batch,
            name=name,
            options=options,
            network_mode="host",
            # The kernel looks a namespace's process id up among those that the caller sees.
            pid_mode="host",
            devices=["/dev/net/tun"],
        )

    def run_in(self, container: str, batch: Sequence[str], *, name: str) -> None:
        """Run *batch* in the network namespace of *container*, in one container called *name*.

        Raises:
            DockerError: the daemon or `ip` refused; which line and why is in it.
        """
        network = f"container:{self._engine.full_name(container)}"
        self._run(batch, name=name, network_mode=network)

    def remove_leftovers(self) -> None:
        """Remove the containers whose own removal failed.

        Raises:
            DockerError: one is still there.
        """
        side_by_side(self._remove, sorted(self._owed))

    def _run(
        self, batch: Sequence[str], *, name: str, options: Sequence[str] = (), **where: Any
    ) -> None:
        self._owed.add(name)
        try:
            code, said = self._run_container(batch, name=name, options=options, **where)
        except BaseException as error:
            self._try_remove(name, error)
            raise
        self._remove(name)
        if code and "-force" not in options:
            raise _refusal(batch, code, said)

    def _run_container(
        self, batch: Sequence[str], *, name: str, options: Sequence[str], **where: Any
    ) -> tuple[int, str]:
        self._engine.create(
            name,
            image=self._image,
            role="ip",
            entrypoint=["ip"],
            command=[*options, "-batch", _BATCH],
            user="0",
            cap_drop=["ALL"],
            cap_add=["NET_ADMIN"],
            security_opt=["no-new-privileges"],
            # What it says must be readable afterwards, whatever the daemon's default is.
            log_config={"Type": "json-file", "Config": {}},
            **where,
        )
        self._engine.put_files(name, {_BATCH: "".join(f"{line}\n" for line in batch).encode()})
        return self._engine.run_to_end(name)

    def _try_remove(self, name: str, error: BaseException) -> None:
        try:
            self._remove(name)
        except DockerError as leftover:
            # It stays owed: `remove_leftovers` tries again, and raises.
            error.add_note(f"not removed yet: {leftover}")

    def _remove(self, name: str) -> None:
        self._engine.remove(name)
        self._owed.discard(name)


def _refusal(batch: Sequence[str], code: int, said: str) -> DockerError:
    failed = _FAILED_LINE.search(said)
    line = batch[int(failed[1]) - 1] if failed else "; ".join(batch)
    remedy = "The kernel or this version of iproute2 can't do it."
    if "busy" in said or "exists" in said:
        remedy = "Another run left it behind; ip link shows it, ip link delete removes it."
    return DockerError(
        asked=f"ip {line}", found=said or f"exit code {code}, and it said nothing", remedy=remedy
    )
