# SPDX-License-Identifier: GPL-3.0-or-later
"""The one place where an error of Docker's client becomes an error of alpy."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

import docker.errors
import requests.exceptions
import urllib3.exceptions

from alpy.core.errors import DockerError, ImageMissingError

# What docker-py lets out: its own errors, those of the two HTTP libraries below it, and the
# system's. requests' errors are OSErrors.
CLIENT_ERRORS: Final = (docker.errors.DockerException, urllib3.exceptions.HTTPError, OSError)

_SEE_DAEMON_LOG: Final = "Docker's own log may tell more: journalctl --unit docker"


@contextmanager
def translated(asked: str, *, image: str = "") -> Iterator[None]:
    """Raise DockerError, with *asked* in it, for whatever the client raises inside the block.

    Raises:
        ImageMissingError: *image* is not on this host.
        DockerError: the daemon can't be reached, does not answer, or refused.
    """
    try:
        yield
    except docker.errors.ImageNotFound as error:
        raise ImageMissingError(image=image) from error
    except CLIENT_ERRORS as error:
        found, remedy = _explain(error)
        raise DockerError(asked=asked, found=found, remedy=remedy) from error


def is_gone(error: BaseException) -> bool:
    """Whether the daemon said that there is no such container."""
    return isinstance(error, docker.errors.NotFound)


def is_conflict(error: BaseException) -> bool:
    """Whether the daemon said that the container's state does not allow it, as when it ended."""
    return (
        isinstance(error, docker.errors.APIError) and error.status_code == requests.codes.conflict
    )


def is_silence(error: BaseException) -> bool:
    """Whether the daemon did not answer in time."""
    return _any(
        list(_chain(error)),
        TimeoutError,
        requests.exceptions.Timeout,
        urllib3.exceptions.TimeoutError,
    )


def _explain(error: BaseException) -> tuple[str, str]:
    if isinstance(error, docker.errors.APIError):
        return f"the daemon refused: {error.explanation or error}", _SEE_DAEMON_LOG
    causes = list(_chain(error))
    if _any(causes, PermissionError):
        return (
            "no permission on the Docker daemon's socket",
            "Become a member of its group, then log in again: sudo usermod -aG docker $USER",
        )
    if _any(causes, FileNotFoundError, ConnectionRefusedError):
        return (
            "no Docker daemon answers",
            "Start it: sudo systemctl start docker (or, without systemd: sudo dockerd)",
        )
    if is_silence(error):
        return "the Docker daemon did not answer in time", _SEE_DAEMON_LOG
    return f"{type(error).__name__}: {error}", _SEE_DAEMON_LOG


def _any(errors: list[BaseException], *kinds: type[BaseException]) -> bool:
    return any(isinstance(error, kinds) for error in errors)


def _chain(error: BaseException) -> Iterator[BaseException]:
    """The error and all it was made from: the HTTP libraries put the first one into `args`."""
    todo, seen = [error], set[int]()
    while todo:
        error = todo.pop()
        if id(error) in seen:
            continue
        seen.add(id(error))
        yield error
        sources = (error.__cause__, error.__context__, *error.args)
        todo.extend(source for source in sources if isinstance(source, BaseException))
