# SPDX-License-Identifier: GPL-3.0-or-later
"""The files of a fake appliance, and the programs by which they are read and written."""

from __future__ import annotations

import base64
import hashlib
import re
import shlex
from collections.abc import Callable
from typing import TypeAlias

from attrs import define, field

from alpy.core.shell.framing import SELF_DESCRIPTION

Reply: TypeAlias = tuple[int, str]

SCRATCH = "/tmp/.alpy-1"  # noqa: S108  no file, a name in the fake appliance
# The programs that it has for transfers. Without `stty` and `head` no raw bytes are sent.
_TOOLS = ("sha256sum", "base64")

_OCTAL = re.compile(r"\\0([0-7]{3})")
_WORD = r"('[^']*'|\"\$\(printf %b '[^']*'\)\"|[^ ;&|<>'\"]+)"
_BLOCK = r'"\$_alpy_f\.b"'


@define
class ShellFiles:
    """It answers what `alpy.core.shell.transfer` asks, each question as a shell would."""

    files: dict[str, bytes] = field(factory=dict, init=False)
    modes: dict[str, int] = field(factory=dict, init=False)
    output: bytes = field(default=b"", init=False)
    """What the last command wrote."""
    _block: bytes = field(default=b"", init=False)

    def type(self, data: bytes) -> Reply:
        """Add typed bytes to the block."""
        self._block += data
        return 0, ""

    def answer(self, question: str) -> Reply:
        """The exit code and the output of *question*."""
        for pattern, reply in self._programs.items():
            if match := re.fullmatch(pattern, question, re.DOTALL):
                return reply(*match.groups())
        return 127, "the fake shell does not know this"

    @property
    def _programs(self) -> dict[str, Callable[..., Reply]]:
        return {
            re.escape(SELF_DESCRIPTION): lambda: (0, "\n".join([SCRATCH, *_TOOLS])),
            rf">\|{_BLOCK}": self._empty_block,
            rf">\|{_WORD}": lambda word: self._write(_path(word), b""),
            rf"_alpy_d (\w+)&&cat <{_BLOCK} >>{_WORD}": self._append_block,
            rf"_alpy_d (\w+) {_WORD}": self._compare,
            rf"chmod ([0-7]+) {_WORD}": self._change_mode,
            rf"dd if={_WORD} bs=(\d+) skip=(\d+) count=1 .*": self._read,
            r'echo "\$_alpy_w"': self._show_output,
            r'tail -c (\d+) <"\$_alpy_w"': lambda count: (0, self.output[-int(count) :].decode()),
            r"rm -f .*": lambda: (0, ""),
        }

    def _empty_block(self) -> Reply:
        self._block = b""
        return 0, ""

    def _write(self, path: str, data: bytes) -> Reply:
        self.files[path] = data
        return 0, ""

    def _append_block(self, digest: str, word: str) -> Reply:
        if _digest(self._block) != digest:
            return 1, ""
        path = _path(word)
        return self._write(path, self.files.get(path, b"") + self._block)

    def _compare(self, digest: str, word: str) -> Reply:
        return int(_digest(self.files.get(_path(word), b"")) != digest), ""

    def _change_mode(self, mode: str, word: str) -> Reply:
        self.modes[_path(word)] = int(mode, 8)
        return 0, ""

    def _read(self, word: str, size: str, skip: str) -> Reply:
        path = _path(word)
        if path not in self.files:
            return 1, f"sh: can't open '{path}': no such file"
        begin = int(size) * int(skip)
        block = self.files[path][begin : begin + int(size)]
        return 0, f"{_digest(block)}\n{base64.b64encode(block).decode()}"

    def _show_output(self) -> Reply:
        path = f"{SCRATCH}.0"
        self.files[path] = self.output
        return 0, path


def octal_bytes(text: str) -> bytes:
    r"""What `printf %b` makes of *text*, in which \0NNN stands for a byte."""
    return _OCTAL.sub(lambda octal: chr(int(octal[1], 8)), text).encode("latin-1")


def _path(word: str) -> str:
    if word.startswith('"$(printf'):
        return octal_bytes(word.partition("'")[2].rpartition("'")[0]).decode()
    return "".join(shlex.split(word))


def _digest(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()
