# SPDX-License-Identifier: GPL-3.0-or-later
"""The launch of a testbed's machine: from a saved state, or else from power-on."""

from __future__ import annotations

from typing import TYPE_CHECKING

from attrs import define, field

from alpy.core.errors import AlpyError, LifecycleError
from alpy.core.preparation import RESTORE_FAULTS, was_ended

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from alpy.core.dut import Dut
    from alpy.core.ports import Console, Ports, Tap
    from alpy.core.preparation import StartingPoint
    from alpy.core.teardown import Teardown
    from alpy.core.topology import Topology
    from alpy.core.waiting import Limits
    from alpy.core.watch import Watch


@define(kw_only=True, eq=False)
class Launch:
    """Takes the hypervisor's process, its console and its monitor, and gives *dut* the latter.

    In two steps: to start takes the hypervisor a while, in which the testbed has other work.

    A saved state that is of no use is given up, and then the machine starts from power-on.
    """

    topology: Topology
    ports: Ports
    limits: Limits
    dut: Dut
    watch: Watch
    start: StartingPoint | None
    savable: bool
    _taps: Sequence[Tap] = field(default=(), init=False)
    _saved: Path | None = field(default=None, init=False)
    _console: Console | None = field(default=None, init=False)

    @property
    def console(self) -> Console:
        """The serial port of the appliance.

        Raises:
            LifecycleError: nothing was launched yet.
        """
        if self._console is None:
            raise LifecycleError(
                step="use the console of", state="not launched yet", allowed=["enter the testbed"]
            )
        return self._console

    def begin(self, taps: Sequence[Tap], teardown: Teardown) -> None:
        """Start the machine's process on *taps*; its releases are owed to *teardown*.

        It goes on by itself, and needs nobody until `complete`.
        """
        teardown.owe("QEMU", self.ports.machine.kill)
        teardown.owe("console", self._close_console)
        teardown.owe("monitor", self.dut.disconnect)
        self._taps = taps
        self._saved = self.start.folder if self.start else None
        try:
            self._spawn()
        except RESTORE_FAULTS as error:
            self._give_up(error)
            self._spawn()

    def complete(self) -> None:
        """Take its console and its monitor. It is paused where it is to begin."""
        try:
            self._connect()
        except RESTORE_FAULTS as error:
            self._give_up(error)
            self._spawn()
            self._connect()
        if self.start:
            self.start.leave()

    def _spawn(self) -> None:
        machine, run = self.ports.machine, self.ports.run_directory
        machine.launch(self.topology, self._taps, run, saved=self._saved, savable=self.savable)
        self.dut.launched(restored=self._saved is not None)

    def _connect(self) -> None:
        self._console = self.ports.machine.open_console(watch=self.watch)
        self.dut.connect(
            self.ports.machine.connect_monitor(
                timeout=self.limits.launch, command_timeout=self.limits.monitor, watch=self.watch
            )
        )

    def _give_up(self, error: AlpyError) -> None:
        """From now on the machine starts from power-on; if that is no help, raise *error*."""
        if self.start is None or self._saved is None or was_ended(error):
            raise error
        self._saved = None
        self.start.give_up(error)
        self.ports.machine.kill()
        self.dut.never_launched()

    def _close_console(self) -> None:
        if self._console is not None:
            self._console.close()
