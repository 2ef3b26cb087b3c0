# SPDX-License-Identifier: GPL-3.0-or-later
"""An app: what is run in a node's namespace, and what came of it."""

from __future__ import annotations

import shlex
from collections.abc import Iterable, Mapping
from pathlib import PurePath
from typing import Any

from attrs import Attribute, field, fields, frozen

from alpy.core.checks import many
from alpy.core.errors import AppFailedError, InvalidValueError
from alpy.core.exit_status import ExitStatus

# What a result holds of each stream, in bytes; the log in the run directory holds all of it.
OUTPUT_LIMIT = 8 * 1024 * 1024


def _check_command(_spec: AppSpec, _attribute: Attribute[tuple[str, ...]], value: object) -> None:
    if not value:
        raise InvalidValueError("an app needs a command of at least one word")


def _command(words: Iterable[object]) -> tuple[str, ...]:
    if isinstance(words, str):
        raise InvalidValueError(
            f"command {words!r}: a list of words is wanted, as in {_split(words)}"
        )
    return tuple(map(str, words))


def _capabilities(names: Iterable[str]) -> tuple[str, ...]:
    return many(names, str, "capabilities")


def _exit_codes(codes: Iterable[int]) -> frozenset[int]:
    return frozenset(many(codes, int, "exit_codes"))


def _check_files(
    _spec: AppSpec, _attribute: Attribute[Mapping[str, Any]], files: Mapping[str, Any]
) -> None:
    for path, content in files.items():
        if not isinstance(content, bytes | PurePath):
            raise InvalidValueError(
                f"file {path}: bytes or a Path is wanted, not {type(content).__name__}"
            )


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
    docker-py's `containers.create` as they are. An app shares its node's process namespace, so that
    it dies with it; `{"pid_mode": ""}` gives it one of its own, in which it is process 1.
    """

    image: str
    command: tuple[str, ...] = field(converter=_command, validator=_check_command)
    environment: Mapping[str, str] = field(factory=dict)
    volumes: Mapping[str, str] = field(factory=dict)
    user: str | None = None
    capabilities: tuple[str, ...] = field(default=(), converter=_capabilities)
    files: Mapping[str, bytes | PurePath] = field(factory=dict, validator=_check_files)
    options: Mapping[str, Any] = field(factory=dict, validator=_check_user_options)
    exit_codes: frozenset[int] = field(default=frozenset({0}), converter=_exit_codes)
    """The exit codes that are no failure."""

    @classmethod
    def of(cls, command: Iterable[str], image: str, options: Mapping[str, Any]) -> AppSpec:
        """From the *options* of a call, which are this class's fields by name.

        Raises:
            InvalidValueError: there is no such option, or a value can't work.
        """
        known = {each.name for each in fields(cls)} - {"command", "image"}
        if unknown := sorted(options.keys() - known):
            raise InvalidValueError(
                f"option {', '.join(unknown)}: an app has {', '.join(sorted(known))}"
            )
        return cls(command=command, image=image, **options)

    def accepts(self, status: ExitStatus) -> bool:
        """Whether an app may end so."""
        return status.code in self.exit_codes


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
        if not self.spec.accepts(self.status):
            raise AppFailedError(
                app=self.name, command=self.spec.command, status=self.status, log=self.output.text
            )


def _text(data: bytes) -> str:
    return data.decode("utf-8", "backslashreplace")
