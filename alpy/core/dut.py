# SPDX-License-Identifier: GPL-3.0-or-later
"""The device under test: the appliance as the test commands it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from attrs import define, field

from alpy.core.errors import LifecycleError, MachineDiedError, MachineStoppedError
from alpy.core.lifecycle import VmState, VmStep, next_state, possible_steps
from alpy.core.narrative import get_logger, step
from alpy.core.waiting import wait_until

if TYPE_CHECKING:
    from collections.abc import Callable

    from alpy.core.ports import Clock, Machine, Monitor
    from alpy.core.waiting import Limits
    from alpy.core.watch import Watch

log = get_logger("alpy.dut")


@define(kw_only=True, eq=False)
class Dut:
    """The appliance in the testbed. Every step is held against `alpy.core.lifecycle` first.

    Every call can raise LifecycleError (the state does not allow it; nothing was changed),
    MachineDiedError (QEMU ended unasked), MachineStoppedError (a signal stopped it), MonitorError
    (QEMU refused, or did not answer), and what *watch* raises of the rest of the testbed.
    """

    _machine: Machine
    _clock: Clock
    _limits: Limits
    _watch: Watch
    _monitor: Monitor | None = field(default=None, init=False)
    _state: VmState = field(default=VmState.DEFINED, init=False)
    _mourned: bool = field(default=False, init=False)

    @property
    def state(self) -> VmState:
        """What the VM does now, as far as QEMU has told."""
        self._learn()
        return self._state

    @property
    def monitor(self) -> Monitor:
        """The monitor, for what this class has no word for: `monitor.execute("query-status")`."""
        if self._monitor is None:
            raise self._refusal("command")
        return self._monitor

    def launched(self, *, restored: bool = False) -> None:
        """Learn that the machine is there, paused. The testbed calls this."""
        self._state = next_state(self._state, VmStep.RESTORE if restored else VmStep.LAUNCH)

    def never_launched(self) -> None:
        """Forget that launch. The testbed calls this when a saved state was of no use."""
        self._state, self._monitor = VmState.DEFINED, None

    def connect(self, monitor: Monitor) -> None:
        """Command the machine through *monitor* from now on. The testbed calls this."""
        self._monitor = monitor

    def disconnect(self) -> None:
        """Close the monitor. The testbed calls this."""
        if self._monitor is not None:
            self._monitor.close()

    def mourn(self) -> None:
        """Know that the test was told of QEMU's end: `finish` need not tell it again."""
        self._mourned = True

    def start(self) -> None:
        """Let the virtual CPUs run: for the first time, or on after `pause`."""
        with step(log, "Start the virtual CPU"):
            self._take(VmStep.START, lambda monitor: monitor.start())

    def pause(self) -> None:
        """Stop the virtual CPUs. Memory and links stay; frames wait in the taps."""
        with step(log, "Pause the virtual CPU"):
            self._take(VmStep.PAUSE, lambda monitor: monitor.pause())

    def reset(self) -> None:
        """Press the reset button."""
        with step(log, "Reset"):
            self._take(VmStep.RESET, lambda monitor: monitor.reset())

    def power_down(self, *, timeout: float = 60) -> None:
        """Press the power button and wait until the appliance has shut itself down.

        Raises:
            DeadlineError: *timeout* seconds passed first.
        """
        with step(log, "Power down"):
            self._take(VmStep.PRESS_POWER_BUTTON, lambda monitor: monitor.press_power_button())
            self.wait_for_shutdown(timeout=timeout)

    def wait_for_shutdown(self, *, timeout: float) -> None:
        """Wait until the appliance has shut itself down, by a command on its console, say.

        Raises:
            DeadlineError: *timeout* seconds passed first.
        """

        def has_shut_down() -> bool:
            self._watch()
            return self._state in {VmState.POWERED_DOWN, VmState.GONE}

        wait_until(
            has_shut_down,
            awaited="the appliance's shutdown",
            timeout=timeout,
            clock=self._clock,
        )

    def check_alive(self) -> None:
        """Demand that QEMU has not died, and can work.

        Raises:
            MachineDiedError: it has died.
            MachineStoppedError: a signal has stopped it.
        """
        self._learn()
        if self._state is VmState.CRASHED:
            raise MachineDiedError(
                status=self._machine.wait_for_exit(timeout=0), stderr=self._machine.stderr()
            )
        if process := self._machine.stopped_process():
            raise MachineStoppedError(process=process)

    def finish(self) -> None:
        """End QEMU in good order. The testbed calls this, once the test is over.

        Raises:
            MachineDiedError: it had died before, or did not end well.
            MachineStoppedError: a signal has stopped it, so it can't be asked.
        """
        if self._mourned:
            return
        self.check_alive()
        if self._state in {VmState.DEFINED, VmState.GONE} or not self._monitor:
            return
        self._act(VmStep.QUIT, lambda monitor: monitor.quit())
        status = self._machine.wait_for_exit(timeout=self._limits.quit)
        if status is None or not status.ok:
            raise MachineDiedError(status=status, stderr=self._machine.stderr())

    def _take(self, vm_step: VmStep, act: Callable[[Monitor], None]) -> None:
        self._watch()
        self._act(vm_step, act)

    def _act(self, vm_step: VmStep, act: Callable[[Monitor], None]) -> None:
        after = next_state(self._state, vm_step)
        act(self.monitor)
        self._state = after

    def _learn(self) -> None:
        if self._state is VmState.DEFINED:
            return
        # In this order: QEMU may end between the two looks, and its shutdown must be known by then.
        ended = self._machine.wait_for_exit(timeout=0) is not None
        if self._state is VmState.RUNNING and self._monitor and self._monitor.shut_down_seen():
            self._state = next_state(self._state, VmStep.SHUT_DOWN)
        if ended:
            self._state = next_state(self._state, VmStep.EXIT)

    def _refusal(self, what: str) -> LifecycleError:
        return LifecycleError(step=what, state=self._state, allowed=possible_steps(self._state))
