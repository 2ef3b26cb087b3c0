# SPDX-License-Identifier: GPL-3.0-or-later
"""An app: what is run in a node's namespace, and what came of it."""

from __future__ import annotations

import shlex
from collections.abc import Mapping
from pathlib import PurePath
from typing import Any

from attrs import Attribute, field, frozen

from alpy.core.errors import AppFailedError, InvalidValueError
from alpy.core.exit_status import ExitStatus

# What a result holds of each stream, in bytes; the log in the run directory holds all of it.
OUTPUT_LIMIT = 8 * 1024 * 1024


def _check_command(_spec: AppSpec, _attribute: Attribute[tuple[str, ...]], value: object) -> None:
    if not value:
        raise InvalidValueError("an app needs a command of at least one word")


def _command(value: object) -> tuple[str, ...]:
    if isinstance(value, str):
        raise InvalidValueError(
            f"command {value!r}: a list of words is wanted, as in {_split(value)}"
        )
    return tuple(str(word) for word in value)  # type: ignore[attr-defined]  # refused above if not


def _split(text: str) -> list[str]:
    try:
        return shlex.split(text)
    except ValueError:  # a quote stays open
        return text.split()


def _check_user_options(
    _spec: AppSpec, _attribute: Attribute[Mapping[str, Any]], value: Mapping[str, Any]
) -> None:
    if taken := sorted(value.keys() & RESERVED_OPTIONS):
        raise InvalidValueError(f"option {', '.join(taken)}: alpy sets it by itself for every app")


# Options of `docker run` that make an app an app; the user's would break what alpy promises.
RESERVED_OPTIONS = frozenset(
    {"command", "detach", "image", "name", "network", "network_mode", "auto_remove", "remove"}
)


@frozen(kw_only=True)
class AppSpec:
    """One program in a container of its own, in a node's network namespace.

    *files* maps a path in the container to its content, or to a file on the host that is copied in.
    *volumes* maps a host directory to a path in the container; ":ro" after it forbids writes.
    *capabilities* are added to Docker's default ones, as "NET_ADMIN". *options* are passed to
    docker-py's `containers.create` as they are.
    """

    image: str
    command: tuple[str, ...] = field(converter=_command, validator=_check_command)
    environment: Mapping[str, str] = field(factory=dict)
    volumes: Mapping[str, str] = field(factory=dict)
    user: str | None = None
    capabilities: tuple[str, ...] = ()
    files: Mapping[str, bytes | PurePath] = field(factory=dict)
    options: Mapping[str, Any] = field(factory=dict, validator=_check_user_options)
    exit_codes: frozenset[int] = field(default=frozenset({0}), converter=frozenset)
    """The exit codes that are no failure."""


@frozen(kw_only=True)
class AppOutput:
    """The first OUTPUT_LIMIT bytes of each stream; *truncated* tells whether there was more."""

    stdout: bytes = b""
    stderr: bytes = b""
    truncated: bool = False

    @property
    def text(self) -> str:
        """Both streams for a message; bytes that are no UTF-8 show as \\xNN."""
        return _text(self.stdout + self.stderr)


@frozen(kw_only=True)
class AppResult:
    """How an app ended, and what it wrote."""

    name: str
    spec: AppSpec
    status: ExitStatus
    output: AppOutput

    @property
    def stdout(self) -> str:
        """Standard output as text; bytes that are no UTF-8 show as \\xNN."""
        return _text(self.output.stdout)

    @property
    def stderr(self) -> str:
        """Standard error as text; bytes that are no UTF-8 show as \\xNN."""
        return _text(self.output.stderr)

    def check(self) -> None:
        """Demand one of the exit codes that are no failure.

        Raises:
            AppFailedError: it ended with another code, or by a signal.
        """
        if self.status.code not in self.spec.exit_codes:
            raise AppFailedError(
                app=self.name, command=self.spec.command, status=self.status, log=self.output.text
            )


def _text(data: bytes) -> str:
    return data.decode("utf-8", "backslashreplace")
