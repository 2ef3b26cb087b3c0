# SPDX-License-Identifier: GPL-3.0-or-later
"""Boot once, test many: the state that tests start from, made once and saved."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Final

from attrs import define, field, frozen

from alpy.core.errors import (
    AlpyError,
    DeadlineError,
    HostError,
    InvalidValueError,
    MachineRefusedError,
    MonitorTimeoutError,
    SavedStateError,
)
from alpy.core.lifecycle import VmState
from alpy.core.narrative import get_logger, step

if TYPE_CHECKING:
    from pathlib import Path

    from attrs import Attribute

    from alpy.core.ports import Machine, Ports, SavedStates
    from alpy.core.testbed import Testbed
    from alpy.core.topology import Topology

# By these a machine may fail to begin with a saved state, and begin from power-on all the same.
RESTORE_FAULTS: Final = (SavedStateError, HostError, MachineRefusedError, MonitorTimeoutError)

log = get_logger("alpy.testbed")


def _not_empty(_preparation: Preparation, _attribute: Attribute[str], key: str) -> None:
    if not key.strip():
        raise InvalidValueError(f"key {key!r} of a preparation: some words are wanted")


@frozen(kw_only=True)
class Preparation:
    """How an appliance gets from power-on to the state that tests start from.

    *prepare* does it on a testbed whose virtual CPU was not started yet, with all that a test can
    do. *key* stands for what it does: when that changes, change the key, or tests go on from states
    that the old one has led to.
    """

    key: str = field(validator=_not_empty)
    prepare: Callable[[Testbed], None]

    @property
    def identity(self) -> dict[str, str]:
        """What tells it from other preparations."""
        names = (getattr(self.prepare, name, "") for name in ("__module__", "__qualname__"))
        return {"preparation": self.key, "prepared by": " ".join(names)}

    def carry_out(self, bed: Testbed) -> None:
        """Bring *bed* into that state, and pause its VM there.

        Raises what *prepare* raises, and what `Dut.pause` does.
        """
        self.prepare(bed)
        if bed.dut.state is not VmState.PAUSED:
            bed.dut.pause()


@define(kw_only=True, eq=False)
class StartingPoint:
    """Where the machine of one testbed starts: from a saved state, or, without *folder*, power-on.

    A state that is not there yet is made in a testbed of its own, the *workshop*, so that the test
    which happened to be the first does not differ from all others. Trouble with the cache is a
    warning, and then the test's own machine boots and is prepared.
    """

    preparation: Preparation
    states: SavedStates
    machine: Machine
    workshop: Callable[[], Testbed]
    folder: Path | None = field(default=None, init=False)
    _is_ours: bool = field(default=False, init=False)
    """Whether the state was made here."""
    _given_up: AlpyError | None = field(default=None, init=False)

    def find(self, topology: Topology, *, timeout: float) -> None:
        """Find the state, or make it; wait *timeout* seconds at most for others who make it.

        Raises what the preparation raises.
        """
        try:
            identity = {**self.machine.identity(topology), **self.preparation.identity}
            self.folder = self.states.find(identity, timeout=timeout)
            begun = None if self.folder else self.states.begin()
        except (HostError, DeadlineError, InvalidValueError, SavedStateError) as error:
            self._do_without(error)
            return
        if begun is not None:
            self._make(begun)

    def _make(self, folder: Path) -> None:
        with step(log, "Prepare the appliance, once for all tests", key=self.preparation.key):
            is_entered = is_saved = False
            try:
                with self.workshop() as bed:
                    is_entered = True
                    self.preparation.carry_out(bed)
                    is_saved = self._save(bed, folder)
            except MachineRefusedError as error:
                # Perhaps QEMU has something against a machine that can be saved. What hangs on the
                # error was found in the teardown.
                if is_entered or was_ended(error) or hasattr(error, "__notes__"):
                    raise
                self._do_without(error)
            if is_saved:
                self._keep()

    def _save(self, bed: Testbed, folder: Path) -> bool:
        # No exception leaves the workshop for this: what its teardown finds is raised as ever.
        try:
            bed.save(folder)
        except SavedStateError as error:
            self._do_without(error, for_good=error.lasting)
            return False
        except HostError as error:
            self._do_without(error)
            return False
        return True

    def _keep(self) -> None:
        try:
            self.folder = self.states.keep()
        except HostError as error:
            self._do_without(error)
        else:
            self._is_ours = True

    def give_up(self, error: AlpyError) -> None:
        """The machine could not begin with the state, by *error*: it starts from power-on."""
        self.folder, self._given_up = None, error
        log.warning(f"No start from the saved state: {error}. Boot and prepare instead")

    def leave(self) -> None:
        """The machine has begun, and needs no state any more.

        If it could do so from power-on alone, the state was to blame, and goes.
        """
        error, self._given_up = self._given_up, None
        if error is None and self.folder:
            self.states.release()
        if error is not None:
            self._judge(error)

    def _judge(self, error: AlpyError) -> None:
        try:
            if not _is_lasting(error):
                self.states.release()
            elif self._is_ours and not isinstance(error, HostError):
                # Made anew, it would be no better.
                self.states.rule_out(_reason(error))
            else:
                self.states.discard(_reason(error))
        except HostError as fault:
            log.warning(f"It stays in the cache: {fault}")

    def _do_without(self, error: AlpyError, *, for_good: bool = False) -> None:
        log.warning(f"No saved state: {error}. Boot and prepare instead")
        try:
            # Others wait for what this one would have made. It is owed too, if this fails.
            if for_good:
                self.states.rule_out(_reason(error))
            else:
                self.states.release()
        except HostError as fault:
            log.warning(f"Its place in the cache stays taken till the end of the test: {fault}")


def was_ended(error: AlpyError) -> bool:
    """Whether it tells of a hypervisor that somebody else has ended, whatever it began with."""
    if not isinstance(error, MachineRefusedError):
        return False
    return error.status is None or not error.status.is_own_fault


def _is_lasting(error: AlpyError) -> bool:
    if isinstance(error, SavedStateError):
        return error.lasting
    return not isinstance(error, TimeoutError)


def _reason(error: AlpyError) -> str:
    return error.reason if isinstance(error, SavedStateError) else str(error)


def starting_point(
    preparation: Preparation | None, ports: Ports, workshop: Callable[[], Testbed]
) -> StartingPoint | None:
    """Where a machine starts that is to be prepared so; None means from power-on."""
    if preparation is None:
        return None
    return StartingPoint(
        preparation=preparation,
        states=ports.saved_states,
        machine=ports.machine,
        workshop=workshop,
    )
