# SPDX-License-Identifier: GPL-3.0-or-later
"""A node as the test uses it: give its interface addresses, run apps beside it."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import PurePosixPath
from typing import Any

from attrs import define

from alpy.core.app import AppResult, AppSpec
from alpy.core.interface import Addresses, Interface, InterfaceConfig, Routes
from alpy.core.link import Link, LinkCounters
from alpy.core.narrative import get_logger, step
from alpy.core.ports import Skeleton
from alpy.core.running_app import Bench, RunningApp

log = get_logger("alpy.node")


@define(kw_only=True, eq=False)
class Node:
    """The far end of a link: a network namespace with the tap as `eth0` and a loopback."""

    link: Link
    _bench: Bench

    @property
    def number(self) -> int:
        return self.link.number

    def configure(
        self,
        *addresses: str | Interface,
        gateway: Addresses = (),
        routes: Routes = (),
        mtu: int | None = None,
    ) -> None:
        """Add *addresses*, with their prefix lengths, and routes to `eth0`.

        *gateway*: the default router, or one per IP version. *routes*: pairs of a network and the
        router to it. *mtu* in bytes.

        Raises:
            InvalidValueError: the values can't work, by themselves or together.
            DockerError: `ip` refused them.
        """
        config = InterfaceConfig(addresses=addresses, gateways=gateway, routes=routes, mtu=mtu)
        self._bench.demand_use()
        self._bench.watch()
        with step(log, f"Configure node {self.number}", addresses=" ".join(map(str, addresses))):
            self._skeleton.configure({self.number: config})

    def run(
        self,
        command: Sequence[str],
        *,
        image: str,
        timeout: float = 60,
        check: bool = True,
        **options: Any,
    ) -> AppResult:
        """Run *command* to its end in a container of *image*, and remove it.

        *options* are fields of `AppSpec`: environment, volumes, user, capabilities, files,
        exit_codes, and options for more of Docker's.

        Raises:
            AppFailedError: it ended otherwise than with one of its exit codes; not if *check* is
                false.
            AppTimeoutError: it did not end within *timeout* seconds. It is killed.
            ImageMissingError: the image is not on this host.
        """
        spec = AppSpec.of(command, image, options)
        with step(log, f"Run {_program(spec)} on node {self.number}"):
            app = RunningApp.start(spec, node=self.number, bench=self._bench)
            result = app.wait_and_remove(timeout=timeout)
            if check:
                result.check()
        return result

    def start(self, command: Sequence[str], *, image: str, **options: Any) -> RunningApp:
        """Start *command* in a container of *image*; it runs when this returns.

        It is stopped at the end of the testbed at the latest. One that ended by itself before must
        have had one of its exit codes; that is checked then. *options* as for `run`.

        Raises:
            ImageMissingError: the image is not on this host.
        """
        spec = AppSpec.of(command, image, options)
        with step(log, f"Start {_program(spec)} on node {self.number}"):
            app = RunningApp.start(spec, node=self.number, bench=self._bench)
            self._bench.started.append(app)
            return app

    def counters(self) -> LinkCounters:
        """What the kernel counted at this link's tap until now."""
        return self._skeleton.counters([self.link])[0]

    @property
    def _skeleton(self) -> Skeleton:
        return self._bench.ports.skeleton


def _program(spec: AppSpec) -> str:
    return PurePosixPath(spec.command[0]).name
