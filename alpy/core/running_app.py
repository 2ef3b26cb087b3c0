# SPDX-License-Identifier: GPL-3.0-or-later
"""An app in a node's namespace, from its start to its end or the testbed's."""

from __future__ import annotations

import itertools
import re
from collections.abc import Callable, Iterator
from pathlib import PurePosixPath
from typing import TypeVar

from attrs import define, field, frozen

from alpy.core.app import AppOutput, AppResult, AppSpec
from alpy.core.errors import AlpyError, AppFailedError, AppTimeoutError, DeadlineError
from alpy.core.exit_status import ExitStatus, signal_name
from alpy.core.narrative import get_logger
from alpy.core.ports import Apps, Ports
from alpy.core.teardown import Debt, Teardown
from alpy.core.waiting import Deadline, Limits, wait_until
from alpy.core.watch import INTERVAL, Watch

log = get_logger("alpy.app")

T = TypeVar("T")


@frozen(kw_only=True, eq=False)
class Bench:
    """What the nodes of one testbed share. *demand_use* raises unless the testbed is in use."""

    ports: Ports
    teardown: Teardown
    limits: Limits
    watch: Watch
    demand_use: Callable[[], None]
    app_numbers: Iterator[int] = field(factory=lambda: itertools.count(1))
    started: list[RunningApp] = field(factory=list)
    """The apps that run beside the test, which nobody waits for yet."""

    def blame_the_dead(self, fault: BaseException) -> None:
        """Raise what has died, if *fault* may have come of that."""
        try:
            self.watch()
        except AlpyError as death:
            if death is fault:
                raise
            raise death from fault

    def find_failure(self) -> AppFailedError | None:
        """How an app failed that runs beside the test, if one did."""
        return next(filter(None, (app.failure() for app in list(self.started))), None)

    def name_for(self, spec: AppSpec, node: int) -> str:
        """A name for an app that no other of this testbed has, good for a file and a container."""
        program = re.sub(r"[^A-Za-z0-9_.-]", "", PurePosixPath(spec.command[0]).name)[:32]
        return f"node{node}-{next(self.app_numbers)}-{program or 'app'}"


@define(kw_only=True, eq=False)
class RunningApp:
    """A started app. It may have ended; then its output and exit status are here still."""

    name: str
    spec: AppSpec
    node: int
    _bench: Bench
    _removal: Debt = field(init=False)
    _ending: Debt = field(init=False)
    _begun: bool = field(default=False, init=False)
    _status: ExitStatus | None = field(default=None, init=False)
    _stop_signal: str | None = field(default=None, init=False)
    _failed: AppFailedError | None = field(default=None, init=False)
    _awaited: bool = field(default=False, init=False)

    @classmethod
    def start(cls, spec: AppSpec, *, node: int, bench: Bench) -> RunningApp:
        """Make and start a container for *spec*; it runs when this returns."""
        bench.demand_use()
        bench.watch()
        app = cls(name=bench.name_for(spec, node), spec=spec, node=node, bench=bench)
        app._take()
        return app

    def _take(self) -> None:
        bench, apps = self._bench, self._apps
        self._removal = bench.teardown.owe(f"app {self.name}", self._remove)
        log_file = bench.ports.run_directory.file(f"{self.name}.log")
        try:
            apps.create(self.spec, name=self.name, node=self.node, log=log_file)
            self._begun = True
            log.debug("App starts", app=self.name)
            apps.start(self.name)
        except Exception as fault:
            # A daemon that has died may hold the removal up: then it waits for the teardown.
            bench.blame_the_dead(fault)
            bench.teardown.pay_after(fault, self._removal)
            raise
        self._ending = bench.teardown.owe_check(f"exit of app {self.name}", self._finish)

    def _remove(self) -> None:
        self._apps.remove(self.name)
        if self._begun and self._status is None:
            self._tell_end("unknown: removed before its end was seen")
        self._begun = False

    def _tell_end(self, status: object) -> None:
        # The guard completes these lines for a run that is killed: see adapters/recovery/ends.py.
        log.debug("App ended", app=self.name, status=str(status), asked=self._stop_signal)

    @property
    def output(self) -> AppOutput:
        """What it wrote until now."""
        return self._apps.output(self.name)

    def wait(self, *, timeout: float) -> AppResult:
        """Wait until it ends by itself, and return how.

        Raises:
            AppTimeoutError: it still runs after *timeout* seconds.
            MachineDiedError: the DUT died meanwhile; or what else died under the test.
        """
        self._awaited = True  # who waits is told of a failure by the result
        if not self._ends_within(timeout):
            self._awaited = False
            raise self._timeout("its end", timeout)
        if self._unless_accepted():
            self._bench.watch()  # it may have died with its node
        return self._result()

    def failure(self) -> AppFailedError | None:
        """How it failed while nobody waited for its end; None if it did not."""
        if self._awaited or self._stop_signal or not self._ends_in(0):
            return None
        return self._unless_accepted()

    def wait_and_remove(self, *, timeout: float) -> AppResult:
        """Wait as `wait` does, then remove the container, also when the wait fails.

        What has died is told first; then the container is the teardown's.
        """
        try:
            result = self.wait(timeout=timeout)
        except Exception as fault:
            self._bench.teardown.forgive(self._ending)
            self._bench.blame_the_dead(fault)
            self._bench.teardown.pay_after(fault, self._removal)
            raise
        self._bench.teardown.forgive(self._ending)
        self._bench.watch()
        self._bench.teardown.pay(self._removal)
        return result

    def stop(self, *, signal: str = "SIGTERM", timeout: float | None = None) -> AppResult:
        """Send *signal* and wait for the end; kill it if that does not come within *timeout* s.

        An app that we stop may end with any exit code, and by *signal*. One that has ended before
        is not signalled.

        Raises:
            AppFailedError: another signal ended it: SIGSEGV, or SIGKILL as it did not stop.
            InvalidValueError: there is no such signal.
        """
        signal = signal_name(signal)
        self._bench.watch()
        if not self._has_ended():
            self._stop_signal = signal
            self._apps.send_signal(self.name, signal)
            self._await_end(self._bench.limits.app_stop if timeout is None else timeout)
        result = self._result()
        if result.status.signal is not None and str(result.status) != self._stop_signal:
            self._bench.watch()
            raise self._failure(result.status)
        return result

    def wait_for_port(self, port: int, *, timeout: float = 10) -> None:
        """Wait until something listens on TCP *port* in its node. Nothing is sent to it.

        Raises:
            AppFailedError: the app ended first.
            AppTimeoutError: *timeout* seconds passed first.
            MachineDiedError: the DUT died meanwhile.
        """
        skeleton = self._bench.ports.skeleton
        self._wait_until(
            lambda: port in skeleton.listening_ports(self.node),
            awaited=f"a listener on TCP port {port}",
            timeout=timeout,
        )

    def wait_for_output(self, pattern: str, *, timeout: float = 10) -> re.Match[str]:
        """Wait until the regular expression *pattern* matches in what it wrote.

        Raises:
            AppFailedError, AppTimeoutError, MachineDiedError: as for `wait_for_port`.
        """
        return self._wait_until(
            lambda: re.search(pattern, self.output.text),
            awaited=f"output that matches {pattern!r}",
            timeout=timeout,
        )

    def _wait_until(self, probe: Callable[[], T | None], *, awaited: str, timeout: float) -> T:
        def probe_while_running() -> T | None:
            # The look at the app comes first: its last words must be seen before its end is raised.
            ended = self._ends_in(0)
            if answer := probe():
                return answer
            self._bench.watch()
            if ended:
                raise self._failure(self._result().status)
            return None

        try:
            return wait_until(
                probe_while_running,
                awaited=awaited,
                timeout=timeout,
                clock=self._bench.ports.clock,
            )
        except DeadlineError as error:
            raise self._timeout(awaited, timeout) from error

    def _finish(self) -> None:
        """Stop it if it still runs; demand a good exit code if it ended by itself."""
        self.stop()
        if self._stop_signal is None and (failure := self._unless_accepted()):
            raise failure

    def _await_end(self, timeout: float) -> None:
        if self._ends_within(timeout):
            return
        log.warning("App did not stop: kill it", app=self.name, signal=self._stop_signal)
        self._apps.send_signal(self.name, "SIGKILL")
        if not self._ends_within(self._bench.limits.container):
            raise self._timeout("its end after SIGKILL", self._bench.limits.container)

    def _ends_within(self, seconds: float) -> bool:
        deadline = Deadline.after(seconds, clock=self._bench.ports.clock)
        while not self._ends_in(deadline.turn(INTERVAL)):
            if deadline.passed:
                return self._has_ended()
            self._bench.watch()
        return True

    def _ends_in(self, seconds: float) -> bool:
        """Whether its end is known so soon; no daemon keeps us longer, or is heard to complain."""
        if self._status is None:
            self._note(self._apps.wait(self.name, timeout=seconds))
        return self._status is not None

    def _has_ended(self) -> bool:
        """Whether it has ended, by the word of the daemon."""
        if self._status is None:
            self._note(self._apps.status(self.name))
        return self._status is not None

    def _note(self, status: ExitStatus | None) -> None:
        self._status = status
        if status is not None:
            self._tell_end(status)

    def _result(self) -> AppResult:
        status = self._status
        if status is None:
            raise self._timeout("its end", 0)
        return AppResult(name=self.name, spec=self.spec, status=status, output=self.output)

    def _unless_accepted(self) -> AppFailedError | None:
        status = self._status
        return None if status is None or self.spec.accepts(status) else self._failure(status)

    def _failure(self, status: ExitStatus) -> AppFailedError:
        # Always the same, so that what the test was told is not told again as another fault.
        if self._failed is None:
            self._failed = AppFailedError(
                app=self.name, command=self.spec.command, status=status, log=self.output.text
            )
        return self._failed

    def _timeout(self, awaited: str, seconds: float) -> AppTimeoutError:
        return AppTimeoutError(
            app=self.name, awaited=awaited, seconds=seconds, log=self.output.text
        )

    @property
    def _apps(self) -> Apps:
        return self._bench.ports.apps
