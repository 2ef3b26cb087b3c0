# SPDX-License-Identifier: GPL-3.0-or-later
"""Application containers that do what the test planned."""

from __future__ import annotations

import signal
from collections.abc import Callable, Collection, Sequence
from functools import partial
from pathlib import Path, PurePath
from typing import TypeAlias

from attrs import define, evolve, field, frozen

from alpy.core.app import OUTPUT_LIMIT, AppOutput, AppSpec
from alpy.core.errors import DockerError, ImageMissingError, InvalidValueError
from alpy.core.exit_status import ExitStatus
from alpy.fakes.ledger import Ledger
from alpy.fakes.skeleton import docker_refused, node_thing

Chooser: TypeAlias = Callable[[AppSpec], bool]

# Signals whose default action ends no process (signal(7)).
_HARMLESS_SIGNALS = frozenset({"SIGCHLD", "SIGCONT", "SIGURG", "SIGWINCH"})


@frozen(kw_only=True)
class Outcome:
    """What an app does. *seconds* is how long it runs; None: until a signal ends it."""

    stdout: bytes = b""
    stderr: bytes = b""
    seconds: float | None = 0.0
    status: ExitStatus = field(factory=lambda: ExitStatus(code=0))
    stop_status: ExitStatus | None = None
    listens_on: frozenset[int] = frozenset()
    ignores: frozenset[str] = frozenset()


@define(kw_only=True)
class FakeApp:
    """One container: what it runs, and what became of it."""

    spec: AppSpec
    node: int
    log: Path
    outcome: Outcome
    started: bool = False
    status: ExitStatus | None = None
    stdout: bytes = b""
    stderr: bytes = b""
    signals: list[str] = field(factory=list)
    """The signals that it was sent, in order."""

    @property
    def runs(self) -> bool:
        return self.started and self.status is None


@define
class FakeApps:
    """Apps by plan. One that was not planned ends at once with exit code 0 and says nothing."""

    _ledger: Ledger
    made: dict[str, FakeApp] = field(factory=dict, init=False)
    """Every app that was ever created, by its name; removed ones too."""
    _plans: list[tuple[Chooser, Outcome]] = field(factory=list, init=False)

    def plan(
        self,
        command: Sequence[str] | Chooser,
        *,
        stdout: str | bytes = b"",
        stderr: str | bytes = b"",
        exit_code: int = 0,
        killed_by: int | None = None,
        seconds: float | None = 0.1,
        stop_code: int | None = None,
        listens_on: Collection[int] = (),
        ignores: Collection[str] = (),
    ) -> None:
        """Plan what every app does whose command begins with these words, from now on.

        *command* may be a function that looks at the whole AppSpec. The newest plan that fits
        counts. It writes all its output at its start; after *seconds* it ends with *exit_code*,
        or by signal number *killed_by*. With `seconds=None` it runs on until a signal ends it;
        then it has *stop_code*, or without that counts as killed by the signal. *listens_on*: its
        TCP ports while it runs. *ignores*: names of signals it does not hear, as "SIGTERM".
        """
        signalled = killed_by is not None
        outcome = Outcome(
            stdout=_bytes(stdout),
            stderr=_bytes(stderr),
            seconds=seconds,
            status=ExitStatus(signal=killed_by) if signalled else ExitStatus(code=exit_code),
            stop_status=None if stop_code is None else ExitStatus(code=stop_code),
            listens_on=frozenset(listens_on),
            ignores=frozenset(ignores),
        )
        self._plans.append((command if callable(command) else _begins_with(command), outcome))

    @property
    def commands(self) -> list[tuple[str, ...]]:
        """The command of every app that was started, in order."""
        return [app.spec.command for app in self.made.values() if app.started]

    def write(self, name: str, *, stdout: str | bytes = b"", stderr: str | bytes = b"") -> None:
        """Let the app write something now."""
        app = self.made[name]
        app.stdout += _bytes(stdout)
        app.stderr += _bytes(stderr)
        self._ledger.append(app.log, _bytes(stdout) + _bytes(stderr))

    def end(self, name: str, status: ExitStatus) -> None:
        """Let the app end now; one that does not run is left alone."""
        app = self.made[name]
        if app.runs:
            app.status = status
            self._ledger.listeners.pop(name, None)

    def vanish(self, name: str) -> None:
        """Somebody removes the container now."""
        self.end(name, ExitStatus(signal=signal.SIGKILL))
        self._ledger.went(_thing(name))

    def process_dies(self) -> None:
        """The process of the test is killed: apps die with their nodes, their containers stay."""
        for name, app in self.made.items():
            if not self._ledger.is_alive(node_thing(app.node)):
                self.end(name, ExitStatus(signal=signal.SIGKILL))

    def create(self, spec: AppSpec, *, name: str, node: int, log: Path) -> None:
        with self._ledger.call("apps.create", partial(docker_refused, f"create app {name}")):
            self._check_possible(spec, name, node)
            self.made[name] = FakeApp(
                spec=spec, node=node, log=log, outcome=self._outcome_for(spec)
            )
            self._ledger.append(log, b"")
            self._ledger.came(_thing(name))

    def start(self, name: str) -> None:
        with self._ledger.call("apps.start", partial(docker_refused, f"start app {name}")):
            app = self._find(name)
            if app.started:
                return
            app.started = True
            self.write(name, stdout=app.outcome.stdout, stderr=app.outcome.stderr)
            self._begin(name, app.outcome)

    def wait(self, name: str, *, timeout: float) -> ExitStatus | None:
        with self._ledger.call("apps.wait", partial(docker_refused, f"wait for app {name}")):
            app = self._find(name)
            self._ledger.clock.wait(
                lambda: app.status is not None or not self._is_there(name), timeout=timeout
            )
            return self._find(name).status

    def status(self, name: str) -> ExitStatus | None:
        with self._ledger.call("apps.status", partial(docker_refused, f"look at app {name}")):
            return self._find(name).status

    def output(self, name: str) -> AppOutput:
        with self._ledger.call("apps.output", partial(docker_refused, f"read app {name}")):
            app = self.made[name]
            return AppOutput(
                stdout=app.stdout[:OUTPUT_LIMIT],
                stderr=app.stderr[:OUTPUT_LIMIT],
                truncated=max(len(app.stdout), len(app.stderr)) > OUTPUT_LIMIT,
            )

    def send_signal(self, name: str, signal: str) -> None:
        with self._ledger.call("apps.send_signal", partial(docker_refused, f"signal app {name}")):
            app = self._find(name)
            number = _signal_number(signal)
            app.signals.append(signal)
            if signal == "SIGKILL" or signal not in app.outcome.ignores | _HARMLESS_SIGNALS:
                killed = ExitStatus(signal=number)
                self.end(name, killed if signal == "SIGKILL" else app.outcome.stop_status or killed)

    def remove(self, name: str) -> None:
        with self._ledger.call("apps.remove", partial(docker_refused, f"remove app {name}")):
            if name in self.made:
                self.vanish(name)

    def _is_there(self, name: str) -> bool:
        return self._ledger.is_alive(_thing(name))

    def _find(self, name: str) -> FakeApp:
        if not self._is_there(name):
            raise DockerError(
                asked=f"app {name}", found="no such container", remedy="Somebody removed it."
            )
        return self.made[name]

    def _check_possible(self, spec: AppSpec, name: str, node: int) -> None:
        if spec.image in self._ledger.missing_images:
            raise ImageMissingError(image=spec.image)
        for source in spec.files.values():
            if isinstance(source, PurePath) and source in self._ledger.missing_files:
                raise InvalidValueError(f"file {source} to copy into app {name} is not there")
        if self._is_there(name):
            raise docker_refused(f"create app {name}, whose name is taken,")
        if not self._ledger.is_alive(node_thing(node)):
            raise docker_refused(f"create app {name} on node {node}, which is not there,")

    def _begin(self, name: str, outcome: Outcome) -> None:
        app = self.made[name]
        if outcome.listens_on:
            self._ledger.listeners[name] = (app.node, outcome.listens_on)
        if outcome.seconds == 0:
            self.end(name, outcome.status)
        elif outcome.seconds is not None:
            self._ledger.clock.after(
                outcome.seconds, partial(self._end_same, name, app, outcome.status)
            )

    def _end_same(self, name: str, app: FakeApp, status: ExitStatus) -> None:
        if self.made[name] is app:
            self.end(name, status)

    def _outcome_for(self, spec: AppSpec) -> Outcome:
        fitting = (outcome for chooses, outcome in reversed(self._plans) if chooses(spec))
        return evolve(next(fitting, Outcome()))


def _thing(name: str) -> str:
    return f"app {name}"


def _begins_with(words: Sequence[str]) -> Chooser:
    wanted = tuple(words)
    return lambda spec: spec.command[: len(wanted)] == wanted


def _bytes(text: str | bytes) -> bytes:
    return text.encode() if isinstance(text, str) else text


def _signal_number(name: str) -> int:
    try:
        return signal.Signals[name].value
    except KeyError as error:
        raise docker_refused(f"signal {name}, which Linux does not know,") from error
