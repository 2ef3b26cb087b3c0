# SPDX-License-Identifier: GPL-3.0-or-later
"""A shell in the appliance that knows its answers by heart, and keeps files in memory."""

from __future__ import annotations

import re
import shlex
from collections.abc import Callable, Mapping
from typing import TypeAlias

from attrs import define, field

from alpy.fakes.shell_files import SCRATCH, ShellFiles, octal_bytes

# From a command to its exit code and its output.
Commands: TypeAlias = Mapping[str, tuple[int, str]] | Callable[[str], tuple[int, str]]

_PROBE = re.compile(r"echo al''py-(\d+)-ready-\$\{_alpy_V-\}\.")
_QUESTION = re.compile(r"(_alpy|_alpy_q|_alpy_p|_alpy_v|_alpy_o=;_alpy_p) (\d+) ?(.*)", re.DOTALL)
_DEFINITION = re.compile(r"_alpy\w*(\(\)|=)|for _alpy_h in ")
_PRINTED = re.compile(r"\"\$\(printf %b '(.*)'\)\"", re.DOTALL)
_FROM_FILE = re.compile(r"\"\$\(cat (.*)\)\"", re.DOTALL)
_SCRATCH_REMOVAL = re.compile(rf"rm -f {re.escape(SCRATCH)}\.s\d+")
# What comes from a keyboard or a terminal in front of a line: Ctrl-C, the cursor's place.
_NOT_TEXT = re.compile(r"\x03|\x1b\[[0-9;]*R")
# More than this, and the output is fetched as a file.
_LONGEST_OUTPUT = 8192


@define
class ShellAnswers:
    """Answers for `Script.answers`, to `alpy.core.shell` as well as to lines typed by hand.

    Files go up and come down as on an appliance with few programs: put one in `files` to have it
    there. Scripts and commands are not executed; what they answer is planned.
    """

    _commands: Commands
    ran: list[str] = field(factory=list, init=False)
    """Every command that it ran, in order."""
    _disk: ShellFiles = field(factory=ShellFiles, init=False)
    _last: tuple[int, str] = field(default=(0, ""), init=False)

    @property
    def files(self) -> dict[str, bytes]:
        """What is on the appliance's disk, by path: uploads, and what a test has put there."""
        return self._disk.files

    @property
    def modes(self) -> dict[str, int]:
        """The permissions of the files that were uploaded with some."""
        return self._disk.modes

    def __call__(self, line: str) -> str:
        line = _NOT_TEXT.sub("", line).strip()
        if probe := _PROBE.fullmatch(line):
            return f"alpy-{probe[1]}-ready-.\r\n"
        if question := _QUESTION.fullmatch(line):
            return _on_terminal(self._answer(*question.groups()))
        if not line or _DEFINITION.match(line):
            return ""
        return _on_terminal(self._run(line)[1])

    def _answer(self, function: str, number: str, argument: str) -> str:
        longest = _LONGEST_OUTPUT if function == "_alpy" else None
        if function == "_alpy":
            self._last = self._run(self._text_of(argument))
            self._disk.output = self._last[1].encode()
        elif function == "_alpy_q":
            self._last = self._disk.answer(argument_text(argument))
        elif function == "_alpy_v":
            self._last = self._disk.type(octal_bytes(argument_text(argument)))
        elif function == "_alpy_o=;_alpy_p":
            self._last = (self._last[0], "")
        return _framed(int(number), *self._last, longest=longest)

    def _text_of(self, argument: str) -> str:
        """The command that *argument* stands for; a long one was sent as a file."""
        if (file := _FROM_FILE.fullmatch(argument)) and not _PRINTED.fullmatch(argument):
            return self.files[argument_text(file[1])].decode()
        return argument_text(argument)

    def _run(self, command: str) -> tuple[int, str]:
        if _SCRATCH_REMOVAL.fullmatch(command):
            self.files.pop(command.removeprefix("rm -f "), None)
            return 0, ""
        self.ran.append(command)
        if callable(self._commands):
            return self._commands(command)
        program = command.split(maxsplit=1)[0] if command.strip() else ""
        return self._commands.get(command, (127, f"sh: {program}: not found\n"))


def argument_text(word: str) -> str:
    """The text that `alpy.core.shell.framing.quoted` made *word* from."""
    if printed := _PRINTED.fullmatch(word):
        return octal_bytes(printed[1]).decode()
    return "".join(shlex.split(word))


def _framed(number: int, status: int, text: str, *, longest: int | None) -> str:
    length = len(text.encode())
    kind = "t"
    if "\r" in text or "alpy." in text or (longest is not None and length > longest):
        # It can't be told from what is around it, or is too long: it has to be fetched.
        kind, text, length = "f", "", 0
    end = f">alpy.{number}.{1000 - status}.{1_000_000 - length}.e\n"
    return f"alpy.{number}.{kind}.{status}.{length}<{text}{end}{end}"


def _on_terminal(text: str) -> str:
    return text.replace("\n", "\r\n")
