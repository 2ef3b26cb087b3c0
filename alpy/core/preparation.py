# SPDX-License-Identifier: GPL-3.0-or-later
"""Boot once, test many: the state that tests start from, made once and saved."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from attrs import define, field, frozen

from alpy.core.errors import (
    AlpyError,
    DeadlineError,
    HostError,
    InvalidValueError,
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

    def find(self, topology: Topology, *, timeout: float) -> None:
        """Find the state, or make it; wait *timeout* seconds at most for others who make it.

        Raises what the preparation raises.
        """
        try:
            identity = {**self.machine.identity(topology), "preparation": self.preparation.key}
            self.folder = self.states.find(identity, timeout=timeout)
            begun = None if self.folder else self.states.begin()
        except (HostError, DeadlineError, InvalidValueError) as error:
            self._do_without(error)
            return
        if begun is not None:
            self._make(begun)

    def _make(self, folder: Path) -> None:
        with step(log, "Prepare the appliance, once for all tests", key=self.preparation.key):
            with self.workshop() as bed:
                self.preparation.carry_out(bed)
                is_saved = self._save(bed, folder)
            if is_saved:
                self._keep()

    def _save(self, bed: Testbed, folder: Path) -> bool:
        # No exception leaves the workshop for this: what its teardown finds is raised as ever.
        try:
            bed.save(folder)
        except (SavedStateError, HostError) as error:
            self._do_without(error)
            return False
        return True

    def _keep(self) -> None:
        try:
            self.folder = self.states.keep()
        except HostError as error:
            self._do_without(error)

    def give_up(self, error: SavedStateError) -> None:
        """The state that was found can't be used: remove it, and start from power-on."""
        self.folder = None
        log.warning(f"{error}. Boot and prepare instead")
        try:
            self.states.discard(error.reason)
        except HostError as fault:
            log.warning(f"It stays in the cache: {fault}")

    def _do_without(self, error: AlpyError) -> None:
        log.warning(f"No saved state: {error}. Boot and prepare instead")
        try:
            # Others wait for what this one would have made. It is owed too, if this fails.
            self.states.release()
        except HostError as fault:
            log.warning(f"Its place in the cache stays taken till the end of the test: {fault}")


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
