# SPDX-License-Identifier: GPL-3.0-or-later
"""The Docker daemon, as far as alpy needs it: the containers of one run, by their names."""

from __future__ import annotations

import contextlib
import os
import socket
import threading
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager
from pathlib import Path, PurePath
from typing import Any, Final, Literal, TypeAlias

import docker
import docker.errors

from alpy.adapters.docker.container_files import packed
from alpy.adapters.docker.errors import is_conflict, is_gone, translated
from alpy.adapters.docker.glance import Glance
from alpy.adapters.docker.patience import Patience
from alpy.adapters.holdings import Holdings
from alpy.adapters.recovery.owner import ROLE_LABEL, Owner, this_process
from alpy.core.errors import DeadlineError, DockerError
from alpy.core.narrative import get_logger
from alpy.core.ports import Clock
from alpy.core.waiting import Deadline, Limits, wait_until

log = get_logger("alpy.docker")

Role: TypeAlias = Literal["node", "ip", "app"]


def no_directory() -> None:
    """The run has no folder for its evidence."""


def full_name(run: str, name: str) -> str:
    """What the container that is *name* in *run* is called by everybody else."""
    return f"alpy-{run}-{name}"


# A daemon that was asked to make a container goes on when nobody waits for it any more. On a busy
# host it took up to a second.
LATE_SECONDS: Final = 5.0
# A request that is given no time at all can't succeed.
_LEAST_SECONDS: Final = 0.5


class DockerEngine:
    """The daemon's connection and the containers of one run, told apart by short names.

    Nothing is asked of the daemon before the first call. Every call can raise DockerError: the
    daemon can't be reached, does not answer within the limit, or refused. *directory*, asked when
    something is made, is told to whoever finds what a killed run left behind. What is opened is
    noted in *holdings*.
    """

    def __init__(
        self,
        *,
        run_id: str,
        clock: Clock,
        limits: Limits,
        directory: Callable[[], Path | None] = no_directory,
        holdings: Holdings | None = None,
    ) -> None:
        self.run_id = run_id
        self.holdings = holdings or Holdings(run_id)
        self._directory = directory
        self.clock = clock
        self.limits = limits
        self._client: docker.DockerClient | None = None
        self._connecting = threading.Lock()
        self._patience = Patience(limit=limits.container, clock=clock)
        self.host_timeout = self._patience.host_timeout
        # Containers whose making was cut short, and when: the daemon may still make them.
        self._in_doubt: dict[str, float] = {}
        self._glance = Glance(clock=clock)

    @property
    def owner(self) -> Owner:
        """Whose all is that is made here."""
        return this_process(self.run_id, self._directory())

    @property
    def client(self) -> docker.DockerClient:
        """The client itself, connected."""
        with self._connecting:
            if self._client is None:
                self._client = self._connect()
            return self._client

    def _connect(self) -> docker.DockerClient:
        with translated("connect to Docker"):
            client = docker.from_env(timeout=self.host_timeout)
        # docker-py gives a unix socket, and nothing else on Linux, a base URL with its own scheme.
        if client.api.base_url != "http+docker://localhost":
            client.close()
            raise DockerError(
                asked="connect to Docker",
                found=f"DOCKER_HOST is {os.environ.get('DOCKER_HOST')}",
                remedy="Taps need a daemon on this very host: unset DOCKER_HOST.",
            )
        return client

    @property
    def is_connected(self) -> bool:
        """Whether there are connections to close."""
        return self._client is not None

    def close(self) -> None:
        """Close the connections; the next call opens new ones."""
        with self._connecting:
            client, self._client = self._client, None
        self._glance.close()
        if client is not None:
            client.close()

    def _asking(self, asked: str, *, image: str = "") -> AbstractContextManager[None]:
        return self._patience.asking(self.client.api, asked, image=image)

    def check_images(self, *images: str) -> None:
        """Look whether the images are on this host.

        Raises:
            ImageMissingError: one is not.
        """
        for image in images:
            with self._asking(f"look for image {image!r}", image=image):
                self.client.images.get(image)

    def security_options(self) -> list[str]:
        """What the daemon says of its own confinement, as "name=rootless"."""
        with self._asking("ask the daemon about itself"):
            return list(self.client.info().get("SecurityOptions") or ())

    def full_name(self, name: str) -> str:
        """What the container that is *name* here is called by everybody else."""
        return full_name(self.run_id, name)

    def create(self, name: str, *, image: str, role: Role, **options: Any) -> None:
        """Make a container; *options* are docker-py's.

        Raises:
            ImageMissingError: the image is not on this host. Nothing is pulled.
        """
        labels = {**options.pop("labels", {}), **self.owner.labels(), ROLE_LABEL: role}
        log.debug("create container", name=name, image=image, command=options.get("command"))
        try:
            with self._asking(f"create container {name}", image=image):
                self.client.containers.create(
                    image, name=self.full_name(name), labels=labels, **options
                )
        except BaseException as error:
            if not isinstance(error.__cause__, docker.errors.APIError):
                self._in_doubt[name] = self.clock.now()
            raise

    def put_files(self, name: str, files: Mapping[str, bytes | PurePath]) -> None:
        """Copy files into a container that was created; see `packed`."""
        if not files:
            return
        with packed(files) as archive, self._asking(f"copy files into container {name}"):
            self.client.api.put_archive(self.full_name(name), "/", archive)

    def start(self, name: str) -> None:
        with self._asking(f"start container {name}"):
            self.client.api.start(self.full_name(name))

    def state(self, name: str) -> Mapping[str, Any]:
        """Docker's record of how the container is."""
        with self._asking(f"look at container {name}"):
            state: Mapping[str, Any] = self.client.api.inspect_container(self.full_name(name))[
                "State"
            ]
            return state

    def glance(self, name: str) -> Mapping[str, Any] | None:
        """As `state`, for who can't wait: None if the daemon is gone, or does not answer at once.

        Raises:
            DockerError: it refused, as when somebody has removed the container.
        """
        return self._glance.state(
            self.full_name(name), name=name, version=self.client.api.api_version
        )

    def attach(self, name: str, **streams: bool) -> socket.socket:
        """A blocking socket on the container's *streams*: stdin, stdout, stderr.

        Attached before the start it carries the first byte. No child process inherits it.
        """
        params = {stream: int(wanted) for stream, wanted in streams.items()} | {"stream": 1}
        with self._asking(f"attach to container {name}"):
            raw = self.client.api.attach_socket(self.full_name(name), params=params)
            # The connection belongs to the client's pool, with its timeout: take a copy of the
            # descriptor, and close the response, which is the only handle on the original.
            with contextlib.closing(raw._response):  # noqa: SLF001
                connection = socket.socket(fileno=os.dup(raw.fileno()))
            self.holdings.note(connection, name)
            connection.setblocking(True)
            return connection

    def send_signal(self, name: str, signal: str) -> None:
        """Send a signal to the container's first process. One that has ended is no error."""
        with self._asking(f"send {signal} to container {name}"):
            try:
                self.client.api.kill(self.full_name(name), signal=signal)
            except docker.errors.APIError as error:
                if not (is_gone(error) or is_conflict(error)):
                    raise

    def remove(self, name: str) -> None:
        """Remove the container, killing what runs in it. It may be gone, or never have been.

        Raises:
            DockerError: it is still there.
        """
        self._settle_doubt(name)
        self.remove_by(self.full_name(name), name=name)

    def _settle_doubt(self, name: str) -> None:
        """Wait until a container that was being made is there, or has had time enough to be."""
        cut_short = self._in_doubt.get(name)
        if cut_short is None:
            return
        with contextlib.suppress(DeadlineError):
            wait_until(
                lambda: not self._is_gone(self.full_name(name), name),
                awaited=f"container {name}",
                timeout=cut_short + LATE_SECONDS - self.clock.now(),
                clock=self.clock,
            )
        del self._in_doubt[name]

    def remove_by(self, reference: str, *, name: str, timeout: float | None = None) -> None:
        """Remove as `remove` does, any container, by its id or full name; *name* is for people.

        It takes no longer than the limit for containers, nor than *timeout* seconds.
        """
        log.debug("remove container", name=name)
        limit = self.limits.container
        deadline = Deadline.after(
            limit if timeout is None else min(timeout, limit), clock=self.clock
        )
        try:
            wait_until(
                lambda: self._try_to_remove(reference, name, deadline),
                awaited=f"the end of container {name}",
                timeout=deadline.seconds,
                clock=self.clock,
            )
        except DeadlineError as error:
            raise DockerError(
                asked=f"remove container {name}",
                found="its removal began, but it is still there",
                remedy=f"Remove it by hand: docker rm --force {reference}",
            ) from error

    def _try_to_remove(self, reference: str, name: str, deadline: Deadline) -> bool:
        with self._asking(f"remove container {name}"):
            try:
                self._ask_to_remove(reference, max(deadline.host_remaining, _LEAST_SECONDS))
            except docker.errors.APIError as error:
                if is_gone(error):
                    return True
                # 409: somebody else's removal, or Docker's own after the end, is under way. One
                # that a killed daemon has begun ends only when it is asked for again.
                if not is_conflict(error):
                    raise
                return self._is_gone(reference, name)
        return True

    def _ask_to_remove(self, reference: str, seconds: float) -> None:
        # docker-py's own `remove_container` has the same two lines, with the client's patience.
        api: Any = self.client.api
        url = api._url("/containers/{0}", reference)  # noqa: SLF001
        params, limit = {"v": True, "force": True}, min(seconds, api.timeout)
        answer = api._delete(url, params=params, timeout=limit)  # noqa: SLF001
        api._raise_for_status(answer)  # noqa: SLF001

    def containers(self, *labels: str) -> Sequence[Mapping[str, Any]]:
        """Docker's short record of every container that has *labels*, running or not."""
        with self._asking("list containers"):
            found: Sequence[Mapping[str, Any]] = self.client.api.containers(
                all=True, filters={"label": list(labels)}
            )
        # A daemon that was killed while it removed one lists that as dead until it is started
        # again, though there is nothing any more that it could remove.
        return [
            each
            for each in found
            if each["State"] != "dead" or not self._is_gone(each["Id"], "that is dead")
        ]

    def _is_gone(self, reference: str, name: str) -> bool:
        with self._asking(f"look for container {name}"):
            try:
                self.client.api.inspect_container(reference)
            except docker.errors.NotFound:
                return True
        return False
