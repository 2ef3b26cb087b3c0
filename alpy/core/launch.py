# SPDX-License-Identifier: GPL-3.0-or-later
"""The launch of a testbed's machine: from a saved state, or else from power-on."""

from __future__ import annotations

from typing import TYPE_CHECKING

from attrs import define, field

from alpy.core.errors import LifecycleError, SavedStateError

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

    A saved state that is of no use is given up, and then the machine starts from power-on.
    """

    topology: Topology
    ports: Ports
    limits: Limits
    dut: Dut
    watch: Watch
    start: StartingPoint | None
    savable: bool
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

    def take(self, taps: Sequence[Tap], teardown: Teardown) -> None:
        """Launch the machine on *taps*, paused; its releases are owed to *teardown*."""
        teardown.owe("QEMU", self.ports.machine.kill)
        teardown.owe("console", self._close_console)
        teardown.owe("monitor", self.dut.disconnect)
        if not (self.start and self.start.folder and self._restore(self.start, taps)):
            self._launch(taps, saved=None)

    def _restore(self, start: StartingPoint, taps: Sequence[Tap]) -> bool:
        """Whether the saved state was of use."""
        try:
            self._launch(taps, saved=start.folder)
        except SavedStateError as error:
            self.ports.machine.kill()
            self.dut.never_launched()
            start.give_up(error)
            return False
        # The machine has all of it. From now on it may be removed, or another one be made.
        self.ports.saved_states.release()
        return True

    def _launch(self, taps: Sequence[Tap], *, saved: Path | None) -> None:
        machine, run = self.ports.machine, self.ports.run_directory
        machine.launch(self.topology, taps, run, saved=saved, savable=self.savable)
        self.dut.launched(restored=saved is not None)
        self._console = machine.open_console(watch=self.watch)
        self.dut.connect(
            machine.connect_monitor(
                timeout=self.limits.launch, command_timeout=self.limits.monitor, watch=self.watch
            )
        )

    def _close_console(self) -> None:
        if self._console is not None:
            self._console.close()
