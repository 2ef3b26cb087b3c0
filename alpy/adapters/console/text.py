# SPDX-License-Identifier: GPL-3.0-or-later
"""What an appliance printed, as text that is safe to look at."""

from __future__ import annotations

import codecs
import re
from collections.abc import Iterator
from typing import Final

_LINE_END: Final = re.compile(r"\r+\n")
# C0 without tab and newline, DEL and C1: a terminal would obey them.
_CONTROL: Final = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f]")


class Escaper:
    r"""Bytes to text, piece by piece.

    UTF-8 stays; a line end becomes a newline; control characters and bytes that are no UTF-8 are
    shown as \xNN. A character or line end torn between two pieces comes out whole.
    """

    def __init__(self) -> None:
        self._decoder = codecs.getincrementaldecoder("utf-8")("backslashreplace")
        self._held = ""

    def feed(self, data: bytes, *, final: bool = False) -> str:
        text = self._held + self._decoder.decode(data, final)
        whole = text if final else text.rstrip("\r")
        self._held = text[len(whole) :]
        return _CONTROL.sub(_hex, _LINE_END.sub("\n", whole))


def escape(data: bytes) -> str:
    """All of *data* at once, as by an Escaper."""
    return Escaper().feed(data, final=True)


def _hex(match: re.Match[str]) -> str:
    return "".join(f"\\x{byte:02x}" for byte in match.group().encode())


class Lines:
    """Text to lines, piece by piece. One longer than *limit* characters comes in pieces."""

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._rest = ""

    def feed(self, text: str) -> Iterator[str]:
        *lines, self._rest = (self._rest + text).split("\n")
        for line in lines:
            yield from self._pieces(line)
        while len(self._rest) > self._limit:
            yield self._rest[: self._limit]
            self._rest = self._rest[self._limit :]

    def rest(self) -> Iterator[str]:
        """The last line, if it has no end."""
        rest, self._rest = self._rest, ""
        if rest:
            yield from self._pieces(rest)

    def _pieces(self, line: str) -> Iterator[str]:
        yield line[: self._limit]
        for start in range(self._limit, len(line), self._limit):
            yield line[start : start + self._limit]
