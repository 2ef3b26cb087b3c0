# SPDX-License-Identifier: GPL-3.0-or-later
"""Apps, with Docker."""

from __future__ import annotations

import contextlib
from collections.abc import Mapping
from functools import partial
from pathlib import Path, PurePath
from typing import Any, Final

from attrs import define
from docker.types import Mount

from alpy.adapters.docker.app_output import STDERR, OutputReader, OutputRecord
from alpy.adapters.docker.container_files import check_files
from alpy.adapters.docker.engine import DockerEngine
from alpy.core.app import AppOutput, AppSpec
from alpy.core.errors import DeadlineError, DockerError, InvalidValueError
from alpy.core.exit_status import ExitStatus
from alpy.core.waiting import Deadline, wait_until

# Docker's own codes for a command that can't be executed and for one that is not there.
_NO_COMMAND: Final = frozenset({126, 127})
_ENDED: Final = frozenset({"exited", "dead"})
# Docker makes one for its own networks only, and a node has none of those.
_HOSTS: Final = "/etc/hosts"
_OUR_HOSTS: Final = Path(__file__).with_name("hosts")


@define(kw_only=True, eq=False)
class _App:
    spec: AppSpec
    record: OutputRecord
    reader: OutputReader | None = None
    status: ExitStatus | None = None

    def may_have_ended(self, timeout: float) -> bool:
        """Whether its streams end within *timeout* seconds of the host, its status unknown."""
        if self.status is not None or self.reader is None:
            return False
        return self.reader.wait_for_end(timeout=timeout)

    def let_go(self, timeout: float) -> None:
        """Close all that is open for it; what was sent in *timeout* seconds is written still."""
        if self.reader is not None:
            self.reader.stop(timeout=timeout)
        self.record.close()


class DockerApps:
    """An Apps port: one container for each app, in the namespaces of its node.

    It shares the node's network, and its processes too: so an app can't outlive its node, which
    can't outlive us. An app that has to be the first process of a namespace of its own asks for it
    with the option `pid_mode=""`. Then it gets Docker's init, unless it has `init=False` too.
    """

    def __init__(self, *, engine: DockerEngine) -> None:
        self._engine = engine
        self._apps: dict[str, _App] = {}

    def create(self, spec: AppSpec, *, name: str, node: int, log: Path) -> None:
        if name in self._apps:
            raise InvalidValueError(f"app {name}: there is one of this name")
        check_files(spec.files)
        # Known before it is made: a lost answer must not hide it from `remove`.
        self._apps[name] = app = _App(spec=spec, record=OutputRecord(app=name, path=log))
        self._engine.holdings.note(app.record, name)
        home = f"container:{self._engine.full_name(f'node{node}')}"
        options = {"network_mode": home, "pid_mode": home, **_options(spec), **spec.options}
        files = self._create_with_hosts(spec, name, options)
        self._engine.put_files(name, files)

    def _create_with_hosts(
        self, spec: AppSpec, name: str, options: Mapping[str, Any]
    ) -> Mapping[str, bytes | PurePath]:
        """Make the container, with a host file if it gets none by *spec*; return what to copy."""
        create = partial(self._engine.create, name, image=spec.image, role="app")
        if _brings_hosts(spec, options):
            create(**options)
            return spec.files
        mount = Mount(_HOSTS, str(_OUR_HOSTS), type="bind", read_only=True)
        try:
            create(**{**options, "mounts": [*options["mounts"], mount]})
        except DockerError as error:
            # The daemon may see other files than we do, as when we are in a container.
            if str(_OUR_HOSTS) not in error.found:
                raise
            create(**options)
            return {**spec.files, _HOSTS: _OUR_HOSTS}
        return spec.files

    def start(self, name: str) -> None:
        app = self._app(name)
        app.reader = OutputReader(
            connection=self._engine.attach(name, stdout=True, stderr=True),
            record=app.record,
            terminal=bool(app.spec.options.get("tty")),
            holdings=self._engine.holdings,
        )
        try:
            self._engine.start(name)
        except DockerError as error:
            app.reader.stop(timeout=0)
            self._excuse(name, app, error)

    def _excuse(self, name: str, app: _App, error: DockerError) -> None:
        # A command that can't be run fails Docker's start, and not the app. The code that Docker
        # notes then is what `docker run` would exit with.
        code = int(self._engine.state(name)["ExitCode"])
        if code not in _NO_COMMAND:
            raise error
        app.record.write(STDERR, f"{error.found}\n".encode())
        app.record.finish()
        app.status = ExitStatus.from_container(code)

    def wait(self, name: str, *, timeout: float) -> ExitStatus | None:
        app = self._app(name)
        deadline = Deadline.after(timeout, clock=self._engine.clock)
        if app.may_have_ended(deadline.host_remaining):
            # The streams end a moment before Docker knows the exit code; an app that closes them
            # and runs on takes longer.
            with contextlib.suppress(DeadlineError):
                app.status = wait_until(
                    lambda: _status(self._engine.glance(name)),
                    awaited=f"the end of app {name}",
                    timeout=deadline.remaining,
                    clock=self._engine.clock,
                )
        return app.status

    def status(self, name: str) -> ExitStatus | None:
        app = self._app(name)
        if app.may_have_ended(0):
            app.status = _status(self._engine.state(name))
        return app.status

    def output(self, name: str) -> AppOutput:
        return self._app(name).record.output()

    def send_signal(self, name: str, signal: str) -> None:
        self._engine.send_signal(name, signal)

    def remove(self, name: str) -> None:
        app = self._apps.get(name)
        if app is None:
            return
        patience = 0.0
        try:
            self._engine.remove(name)
            patience = float(self._engine.host_timeout)
        finally:
            app.let_go(patience)
        del self._apps[name]
        app.record.check()

    def _app(self, name: str) -> _App:
        try:
            return self._apps[name]
        except KeyError as error:
            raise InvalidValueError(f"there is no app {name}") from error


def _status(state: Mapping[str, Any] | None) -> ExitStatus | None:
    if state is None or state["Status"] not in _ENDED:
        return None
    return ExitStatus.from_container(int(state["ExitCode"]))


def _options(spec: AppSpec) -> Mapping[str, Any]:
    return {
        "command": list(spec.command),
        "environment": dict(spec.environment),
        "user": spec.user,
        "cap_add": list(spec.capabilities),
        "mounts": [_mount(host, target) for host, target in spec.volumes.items()],
        # For an app with a process namespace of its own. As the first process there, a program
        # without a handler would ignore SIGTERM, and nobody would collect its orphans.
        "init": True,
        # The run directory holds what it says; Docker need not keep a second copy of it.
        "log_config": {"Type": "none"},
    }


def _brings_hosts(spec: AppSpec, options: Mapping[str, Any]) -> bool:
    mounts = str([options["mounts"], options.get("volumes")])  # Docker's client takes many shapes
    return _HOSTS in spec.files or _HOSTS in mounts


def _mount(host: str, target: str) -> Mount:
    path, _, mode = target.partition(":")
    if mode not in {"", "ro", "rw"}:
        raise InvalidValueError(f"volume {target!r}: only :ro or :rw may stand behind the path")
    # A mount, since Docker makes a missing folder on the host for what `docker run -v` does.
    return Mount(path, str(Path(host).absolute()), type="bind", read_only=mode == "ro")
