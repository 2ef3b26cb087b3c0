# SPDX-License-Identifier: GPL-3.0-or-later
"""The testbed: takes a topology through the ports, step by step, and gives all of it back."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from pathlib import Path
from types import TracebackType
from typing import Self

from attrs import Factory, asdict, define, field

from alpy.core.dut import Dut
from alpy.core.errors import (
    LeakError,
    LifecycleError,
    MachineDiedError,
    MachineStoppedError,
    described,
)
from alpy.core.launch import Launch
from alpy.core.lifecycle import VmState
from alpy.core.link import Link, LinkCounters
from alpy.core.narrative import add_sink, get_logger, remove_sink, step
from alpy.core.node import Node
from alpy.core.ports import CaptureSummary, Console, Ports
from alpy.core.preparation import StartingPoint
from alpy.core.room import Room
from alpy.core.running_app import Bench
from alpy.core.teardown import Fault, Teardown
from alpy.core.topology import Topology
from alpy.core.waiting import Limits

log = get_logger("alpy.testbed")


@define(kw_only=True, eq=False)
class Testbed:
    """One life of a topology, as a context manager: entered once, paused before the first frame.

    Inside the block `dut`, `console` and `nodes` are there for the test. At its end, however it
    ends, everything is released, newest first; the first fault is raised, and every other one hangs
    on it as a note.
    """

    __test__ = False  # for pytest: no test class, though it is called Testbed

    topology: Topology
    ports: Ports
    limits: Limits = field(factory=Limits)
    start: StartingPoint | None = None
    """Where the machine starts; without one, from power-on."""
    savable: bool = False
    """Whether `save` can be called."""
    dut: Dut = field(init=False)
    nodes: tuple[Node, ...] = field(init=False)
    counters: tuple[LinkCounters, ...] = field(default=(), init=False)
    """What the kernel counted at each link, once the test is over."""
    captures: tuple[CaptureSummary, ...] = field(default=(), init=False)
    """What each capture holds, once the test is over."""
    _teardown: Teardown = field(
        default=Factory(lambda self: Teardown(report=self._report), takes_self=True), init=False
    )
    _leaves_something: bool = field(default=False, init=False)
    _entered: bool = field(default=False, init=False)
    _in_use: bool = field(default=False, init=False)
    _over: bool = field(default=False, init=False)
    _bench: Bench = field(init=False)
    _launch: Launch = field(init=False)

    def __attrs_post_init__(self) -> None:
        ports, limits, watch = self.ports, self.limits, self._look_around
        self.dut = Dut(machine=ports.machine, clock=ports.clock, limits=limits, watch=watch)
        self._launch = Launch(
            topology=self.topology,
            ports=ports,
            limits=limits,
            dut=self.dut,
            watch=watch,
            start=self.start,
            savable=self.savable,
        )
        self._bench = Bench(
            ports=ports,
            teardown=self._teardown,
            limits=limits,
            watch=watch,
            demand_use=self._demand_use,
        )
        self.nodes = tuple(Node(link=link, bench=self._bench) for link in self.topology.links)

    @property
    def console(self) -> Console:
        """The serial port of the appliance.

        Raises:
            LifecycleError: the testbed was not entered yet.
        """
        return self._launch.console

    @property
    def is_prepared(self) -> bool:
        """Whether the VM starts in a prepared state, and not at power-on."""
        return self.start is not None

    @property
    def run_dir(self) -> Path:
        """Where the evidence of this run stays, absolute."""
        return self.ports.run_directory.path

    def __enter__(self) -> Self:
        if self._entered:
            raise LifecycleError(
                step="enter again", state="used up", allowed=["make another testbed"]
            )
        self._entered = True
        try:
            self.ports.signals.take()
            self._take_all()
            self._in_use = True
            self._prepare_here()
            return self
        except BaseException as fault:
            self.__exit__(type(fault), fault, fault.__traceback__)
            raise

    def __exit__(
        self,
        _kind: type[BaseException] | None,
        fault: BaseException | None,
        _trace: TracebackType | None,
    ) -> None:
        try:
            self._settle(fault)
        except BaseException as cut:
            # By a signal that came before signals were held back, or when they no longer were.
            self._settle(fault, cut)
            raise

    def save(self, folder: Path) -> None:
        """Save the state of the paused VM in the empty *folder*; see `alpy.Preparation`.

        Raises:
            SavedStateError: it can't be saved.
            HostError: the folder can't be written.
        """
        with step(log, "Save the state of the appliance"):
            self.ports.machine.save(folder)

    def _prepare_here(self) -> None:
        if self.start and not self.start.folder:
            self.start.preparation.carry_out(self)

    def _demand_use(self) -> None:
        if not self._in_use:
            state = "gone" if self._entered else "not launched yet"
            raise LifecycleError(
                step="use a node of", state=state, allowed=["enter the testbed, once"]
            )

    def _look_around(self) -> None:
        """Raise what has died of all that the test relies on."""
        if self._over:
            return
        # The look at the apps comes first: of one that died with QEMU or its node, that is told.
        failure = self._bench.find_failure()
        self.dut.check_alive()
        if self._in_use:
            self.ports.skeleton.check_alive()
        if failure is not None:
            raise failure

    def _take_all(self) -> None:
        # The first debt is paid last: when all is closed, and the guard has gone too.
        self._teardown.owe_check("audit of this process", self._audit_process)
        self.ports.machine.check(self.topology)
        self._teardown.owe("connection to Docker", self.ports.skeleton.close)
        self.ports.skeleton.check()
        self._take_run_directory()
        self._take_room()
        self._teardown.owe("guard", self._end_guard)
        self.ports.guard.stand_by()
        self.ports.guard.clear_dead_runs()
        self._teardown.owe_check("audit of the host", self._audit_host)
        if self.start:
            self._teardown.owe("saved state", self.ports.saved_states.release)
            self.start.find(self.topology, timeout=self.limits.prepare)
        with step(log, "Create tap interfaces"):
            self._teardown.owe("tap interfaces", self.ports.skeleton.remove_taps)
            taps = self.ports.skeleton.create_taps(self.topology.links)
        with step(log, "Start QEMU, its virtual CPU paused"):
            for link in self.topology.links:
                capture = partial(self._check_capture, link)
                self._teardown.owe_check(f"capture of link {link.number}", capture)
            self._launch.begin(taps, self._teardown)
        with step(log, "Create nodes"):
            self._teardown.owe("nodes", self.ports.skeleton.remove_nodes)
            self.ports.skeleton.create_nodes(self.topology.links)
        with step(log, "Connect to QEMU's console and monitor"):
            self._launch.complete()
        with step(log, "Connect the nodes to the appliance"):
            self.ports.skeleton.connect(self.topology.links)
        self._teardown.owe_check("link counters", self._read_counters)
        # QEMU ends before the nodes go: it must not see its taps vanish.
        self._teardown.owe_check("end of QEMU", self.dut.finish)

    def _take_run_directory(self) -> None:
        run = self.ports.run_directory
        self._teardown.owe("run directory", run.release)
        run.take()
        self._teardown.owe("debug log", lambda: remove_sink(run.write_debug))
        add_sink(run.write_debug)
        log.info(f"Evidence goes to {run.path}")
        if (scale := self.ports.clock.scale) != 1:
            log.info("Each time limit is stretched for this host", time_scale=scale)

    def _take_room(self) -> None:
        # Nothing else that others need is held meanwhile, and debug.log tells of the wait.
        room = Room(slots=self.ports.slots, timeout=self.limits.room)
        self._teardown.owe("room on the host", room.release)
        room.take(self.topology.appliance)

    def _end_guard(self) -> None:
        # What could not be removed here may go in a while, as when the daemon is back.
        guard = self.ports.guard
        end = guard.hand_over if self._leaves_something else guard.dismiss
        end()

    def _audit_host(self) -> None:
        # A release that failed has told of it, and the guard goes over all there is.
        if self._leaves_something:
            return
        self._leaves_something = True  # until it is known that there is nothing
        if left := self.ports.audit.of_host():
            remedy = "The guard removes it now; what stays, 'alpy clean' removes later"
            raise LeakError(leftovers=left, remedy=remedy)
        self._leaves_something = False

    def _audit_process(self) -> None:
        if left := self.ports.audit.of_process():
            raise LeakError(leftovers=left, remedy="It goes when this process ends")

    def _read_counters(self) -> None:
        self.counters = tuple(self.ports.skeleton.counters(self.topology.links))
        for counters in self.counters:
            report = log.debug if counters.lossless else log.warning
            report("Frames on link", **asdict(counters))

    def _check_capture(self, link: Link) -> None:
        if self.dut.state is not VmState.DEFINED:
            self.captures = (self.ports.machine.check_capture(link), *self.captures)

    def _settle(self, *ends: BaseException | None) -> None:
        """Tear down because of *ends*, the first of which is the headline; again does nothing."""
        self._in_use, self._over = False, True
        try:
            if self._teardown.plan:
                with self.ports.signals.deferred(*ends):
                    self._settle_all(next((end for end in ends if end is not None), None))
        finally:
            self.ports.signals.release()

    def _settle_all(self, fault: BaseException | None) -> None:
        # Owed like the rest: whatever a logger of the host's raises, the rest is paid too.
        self._teardown.owe_check("log", partial(self._tell_end, fault))
        try:
            self._teardown.settle(fault)
        except BaseException as error:
            _say(partial(log.error, "Clean up... failed", why=described(error)), error)
            raise
        _say(partial(log.info, "Clean up... done"), fault)

    def _tell_end(self, fault: BaseException | None) -> None:
        if isinstance(fault, MachineDiedError | MachineStoppedError):
            self.dut.mourn()
        if isinstance(fault, TimeoutError) and (scale := self.ports.clock.scale) != 1:
            fault.add_note(f"that limit lasted {scale:g} times as long here, by the time scale")
        if fault is not None:
            log.error(f"The test failed: {described(fault)}")
        log.info("Clean up...")

    def _report(self, fault: Fault) -> None:
        self._leaves_something = self._leaves_something or fault.leftover is not None
        log.error(f"Teardown: {fault}")


def _say(line: Callable[[], object], error: BaseException | None) -> None:
    """Log the last *line*. Where *error* is raised anyway, a logger that raises hangs on it."""
    try:
        line()
    except Exception as unsaid:
        if error is None:
            raise
        error.add_note(f"and to log it raised {described(unsaid)}")
