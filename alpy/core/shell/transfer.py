# SPDX-License-Identifier: GPL-3.0-or-later
"""Files over a serial port: in rounds, each with its digest."""

from __future__ import annotations

import base64
import gzip
import hashlib
import zlib
from collections.abc import Iterator, Sequence
from typing import Final

from attrs import define, field

from alpy.core.errors import ConsoleTimeoutError, TransferError
from alpy.core.shell.dialogue import DamagedAnswerError, Dialogue
from alpy.core.shell.framing import Answer, octal, quoted
from alpy.core.waiting import Deadline

# In a raw terminal the guest's kernel holds 64 KiB that no program has read yet; more is lost.
_BLOCK_BYTES: Final = 48 * 2**10
# To begin and end a round takes several programs of the guest, and each block of it only one. What
# is lost costs a round.
_ROUND_BYTES: Final = 4 * _BLOCK_BYTES
_LARGEST_READ: Final = 64 * 2**10
_SMALLEST_READ: Final = 512
_PRINTF_BYTES: Final = 140
_TYPED_BYTES: Final = 4 * _PRINTF_BYTES
_TRIES: Final = 4

_SCRATCH: Final = '"$_alpy_f.b"'


@define(eq=False)
class Transfer:
    """One file of the guest, to be read or written over *dialogue* before *deadline*."""

    dialogue: Dialogue
    file: str
    deadline: Deadline
    _word: str = field(init=False)

    def __attrs_post_init__(self) -> None:
        self._word = quoted(self.file)

    def put(self, data: bytes, *, mode: int | None = None) -> None:
        """Write *data* to the file, in place.

        Raises:
            TransferError: it is not there whole, and why.
        """
        try:
            self._put(data)
            if mode is not None:
                self._check(self._ask(f"chmod {mode:o} {self._word}"))
        except (ConsoleTimeoutError, DamagedAnswerError) as error:
            raise self._failure(error) from error

    def get(self) -> bytes:
        """What the file holds.

        Raises:
            TransferError: it can't be read, or did not come through.
        """
        try:
            return self._get()
        except (ConsoleTimeoutError, DamagedAnswerError) as error:
            raise self._failure(error) from error

    def _put(self, data: bytes) -> None:
        # To type a few bytes is faster than to start the programs that make the terminal raw.
        raw = len(data) > _TYPED_BYTES and {"stty", "head"} <= self.dialogue.tools
        pack = raw and "gzip" in self.dialogue.tools
        for _ in range(_TRIES):
            empty = f">|{self._word}"
            settings = self._check(self._ask(f"{empty}&&stty -g" if raw else empty)).text
            for content, packed in _rounds(data, raw=raw, pack=pack):
                unpack = "gzip -dc" if packed else "cat"
                self._put_round(content, f"{unpack} <{_SCRATCH} >>{self._word}", settings)
            if self._ask(f"_alpy_d {self._digest(data)} {self._word}").status == 0:
                return
        raise TransferError(file=self.file, reason="it arrives with a wrong digest each time")

    def _put_round(self, content: bytes, then: str, settings: str) -> None:
        """Bring *content* to the scratch file, raw if there are *settings* of the terminal."""
        digest = self._digest(content)
        for _ in range(_TRIES):
            if settings:
                receive = f"_alpy_u $1 {_BLOCK_BYTES} {len(content)} {digest} {settings}"
                blocks = _pieces(content, _BLOCK_BYTES)
                answer = self._ask(f"{receive}&&{then}", payload=blocks)
            else:
                self._type_in(content)
                answer = self._ask(f"_alpy_d {digest}&&{then}")
            if answer.status == 0:
                return
            if answer.text:
                self._check(answer)
        raise TransferError(file=self.file, reason="a part arrives damaged each time")

    def _type_in(self, content: bytes) -> None:
        self._check(self._ask(f">|{_SCRATCH}"))
        for piece in _pieces(content, _PRINTF_BYTES):
            self.dialogue.ask("_alpy_v", f"'{octal(piece)}'", deadline=self.deadline)

    def _get(self) -> bytes:
        got = bytearray()
        size = _LARGEST_READ
        while True:
            try:
                block = self._get_block(len(got) // size, size)
            except DamagedAnswerError:
                # Messages come so fast that none of that length goes between them.
                if size == _SMALLEST_READ:
                    raise
                size //= 2
                continue
            got += block
            if len(block) < size:
                return bytes(got)

    def _get_block(self, index: int, size: int) -> bytes:
        pack = "gzip -c" if "gzip" in self.dialogue.tools else "cat"
        encode = "base64" if "base64" in self.dialogue.tools else "od -An -v -tx1"
        question = (
            f"dd if={self._word} bs={size} skip={index} count=1 2>/dev/null >|{_SCRATCH}||"
            f"{{ cat <{self._word} >/dev/null;exit 1;}};"
            f"set -- $($_alpy_h <{_SCRATCH});echo $1;{pack} <{_SCRATCH}|{encode}"
        )
        answer = self.dialogue.ask(
            "_alpy_q",
            quoted(question),
            deadline=self.deadline,
            verify=lambda text: self._decoded(text) is not None,
            tries=3,
        )
        block = self._decoded(self._check(answer).text)
        if block is None:
            raise DamagedAnswerError
        return block

    def _decoded(self, text: str) -> bytes | None:
        """The block in an answer, if its digest is right."""
        digest, _, encoded = text.partition("\n")
        try:
            if "base64" in self.dialogue.tools:
                data = base64.b64decode("".join(encoded.split()), validate=True)
            else:
                data = bytes.fromhex(encoded)
            if "gzip" in self.dialogue.tools:
                data = gzip.decompress(data)
        except (ValueError, OSError, EOFError, zlib.error):
            return None
        return data if self._digest(data) == digest else None

    def _ask(self, question: str, *, payload: Sequence[bytes] = ()) -> Answer:
        return self.dialogue.ask(
            "_alpy_q", quoted(question), deadline=self.deadline, payload=payload
        )

    def _check(self, answer: Answer) -> Answer:
        if answer.status != 0:
            reason = answer.text.strip() or f"the appliance's shell said {answer.status}"
            raise TransferError(file=self.file, reason=reason)
        return answer

    def _digest(self, data: bytes) -> str:
        if self.dialogue.digest == "sha256sum":
            return hashlib.sha256(data).hexdigest()
        if self.dialogue.digest == "md5sum":
            return hashlib.md5(data, usedforsecurity=False).hexdigest()
        return str(posix_checksum(data))

    def _failure(self, error: ConsoleTimeoutError | DamagedAnswerError) -> TransferError:
        reason = f"not done within {self.deadline.seconds:g} s"
        if isinstance(error, DamagedAnswerError):
            reason = "messages on the console damage every answer"
        return TransferError(file=self.file, reason=reason)


def _rounds(data: bytes, *, raw: bool, pack: bool) -> Iterator[tuple[bytes, bool]]:
    """*data* in pieces, each with whether it is compressed, as far as that pays."""
    size = _ROUND_BYTES if raw else _BLOCK_BYTES
    for piece in _pieces(data, size):
        packed = gzip.compress(piece, mtime=0) if pack else piece
        yield (packed, True) if len(packed) < 0.9 * len(piece) else (piece, False)


def _pieces(data: bytes, size: int) -> list[bytes]:
    return [data[start : start + size] for start in range(0, len(data), size)]


def posix_checksum(data: bytes) -> int:
    """The number that `cksum` prints first."""
    crc = 0
    for byte in (*data, *len(data).to_bytes((len(data).bit_length() + 7) // 8, "little")):
        crc = (crc << 8 & 0xFFFFFFFF) ^ _CRC_TABLE[crc >> 24 ^ byte]
    return crc ^ 0xFFFFFFFF


def _crc_entry(byte: int) -> int:
    entry = byte << 24
    for _ in range(8):
        entry = (entry << 1 & 0xFFFFFFFF) ^ (0x04C11DB7 if entry & 0x80000000 else 0)
    return entry


_CRC_TABLE: Final = tuple(map(_crc_entry, range(256)))
