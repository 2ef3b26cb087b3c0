# SPDX-License-Identifier: GPL-3.0-or-later
"""A shell in the appliance that knows its answers by heart."""

from __future__ import annotations

import re
import shlex
from collections.abc import Callable, Mapping
from typing import TypeAlias

from attrs import define, field

from alpy.core.errors import InvalidValueError
from alpy.core.shell.framing import SELF_DESCRIPTION

# From a command to its exit code and its output.
Commands: TypeAlias = Mapping[str, tuple[int, str]] | Callable[[str], tuple[int, str]]

_PROBE = re.compile(r"echo al''py-(\d+)-ready")
_QUESTION = re.compile(r"(_alpy|_alpy_q|_alpy_p) (\d+) ?(.*)", re.DOTALL)
_DEFINITION = re.compile(r"_alpy\w*(\(\)|=)|for _alpy_h in ")
_PRINTED = re.compile(r"\"\$\(printf %b '(.*)'\)\"", re.DOTALL)
_OCTAL = re.compile(r"\\0([0-7]{3})")
# What comes from a keyboard or a terminal in front of a line: Ctrl-C, the cursor's place.
_NOT_TEXT = re.compile(r"\x03|\x1b\[[0-9;]*R")
_SCRATCH = "/tmp/.alpy-1"  # noqa: S108  no file, a name in the fake appliance


@define
class ShellAnswers:
    """Answers for `Script.answers`, to `alpy.core.shell` as well as to lines typed by hand.

    It runs commands; to transfer files it lacks the programs.
    """

    _commands: Commands
    ran: list[str] = field(factory=list, init=False)
    """Every command that it ran, in order."""
    _last: tuple[int, str] = field(default=(0, ""), init=False)

    def __call__(self, line: str) -> str:
        line = _NOT_TEXT.sub("", line).strip()
        if probe := _PROBE.fullmatch(line):
            return f"alpy-{probe[1]}-ready\r\n"
        if question := _QUESTION.fullmatch(line):
            return _on_terminal(self._answer(*question.groups()))
        if not line or _DEFINITION.match(line):
            return ""
        return _on_terminal(self._run(line)[1])

    def _answer(self, function: str, number: str, argument: str) -> str:
        if function == "_alpy_q":
            described = (
                f"{_SCRATCH}\nsha256sum\n" if argument_text(argument) == SELF_DESCRIPTION else ""
            )
            self._last = (0, described.rstrip("\n"))
        elif function == "_alpy":
            self._last = self._run(argument_text(argument))
        return _framed(int(number), *self._last)

    def _run(self, command: str) -> tuple[int, str]:
        self.ran.append(command)
        if callable(self._commands):
            status, output = self._commands(command)
        else:
            program = command.split(maxsplit=1)[0] if command.strip() else ""
            status, output = self._commands.get(command, (127, f"sh: {program}: not found\n"))
        if "\r" in output or "alpy." in output:
            raise InvalidValueError(
                f"output of {command!r}: the fake shell prints no carriage return and no 'alpy.'"
            )
        return status, output


def argument_text(word: str) -> str:
    """The text that `alpy.core.shell.framing.quoted` made *word* from."""
    if printed := _PRINTED.fullmatch(word):
        plain = _OCTAL.sub(lambda octal: chr(int(octal[1], 8)), printed[1])
        return plain.encode("latin-1").decode()
    return "".join(shlex.split(word))


def _framed(number: int, status: int, text: str) -> str:
    length = len(text.encode())
    end = f">alpy.{number}.{1000 - status}.{1_000_000 - length}.e\n"
    return f"alpy.{number}.t.{status}.{length}<{text}{end}{end}"


def _on_terminal(text: str) -> str:
    return text.replace("\n", "\r\n")
