# SPDX-License-Identifier: GPL-3.0-or-later
"""The pexpect object of a console: it reads from the recording and types through the console."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from io import BytesIO
from typing import TYPE_CHECKING, Any

from pexpect import EOF, TIMEOUT
from pexpect.spawnbase import SpawnBase

from alpy.adapters.console.recording import Recording, RecordingEndError

if TYPE_CHECKING:
    _Base = SpawnBase[bytes]
else:
    _Base = SpawnBase  # generic in its type stubs only

# pexpect searches all that it holds again for each piece: large pieces, and not too much held.
_PIECE_BYTES = 64 * 2**10
_HELD_BYTES = 2 * 2**20
_KEPT_BYTES = 256 * 2**10


class ConsoleSpawn(_Base):
    """What `pexpect.spawn` is for a child process, for a serial port. In bytes mode.

    While one `expect` waits through more than 2 MiB, the oldest of it is left out of `before`.
    """

    def __init__(
        self, recording: Recording, *, type_in: Callable[[bytes], None], close: Callable[[], None]
    ) -> None:
        super().__init__(maxread=_PIECE_BYTES)
        self.name = "<console>"
        self.closed = False
        # Each of these waits would only make a test slower.
        self.delaybeforesend = None
        self.delayafterread = None
        self._recording, self._type_in, self._close = recording, type_in, close
        self._position = 0
        self.forgot = False

    @property
    def unmatched_from(self) -> int:
        """The position in the recording behind the last match."""
        return self._position - self._held.nbytes

    def rewind(self, position: int) -> None:
        """Read from *position* of the recording again."""
        self._set_held(b"")
        self._position = position
        self.forgot = False

    def read_nonblocking(self, size: int = 1, timeout: float | None = -1) -> bytes:
        if self._held.nbytes > _HELD_BYTES:
            self._set_held(bytes(self._held[-_KEPT_BYTES:]))
            self.forgot = True
        seconds = self.timeout if timeout == -1 else timeout
        try:
            data, self._position = self._recording.read(self._position, size, seconds)
        except RecordingEndError as error:
            self.flag_eof = True
            raise EOF("End Of File (EOF). The console has ended.") from error
        except TimeoutError as error:
            raise TIMEOUT("Timeout exceeded.") from error
        self._log(data, "read")  # type: ignore[attr-defined]  # private, not in the stubs
        return data

    def send(self, s: str | bytes) -> int:
        data = s.encode() if isinstance(s, str) else s
        self._log(data, "send")  # type: ignore[attr-defined]
        self._type_in(data)
        return len(data)

    def sendline(self, s: str | bytes = b"") -> int:
        data = s.encode() if isinstance(s, str) else s
        return self.send(data + self.linesep)

    def write(self, s: str | bytes) -> None:
        self.send(s)

    def writelines(self, sequence: Iterable[str | bytes]) -> None:
        for s in sequence:
            self.send(s)

    def sendcontrol(self, char: str) -> int:
        """Type Ctrl and *char*: `sendcontrol("c")`."""
        return self.send(bytes([ord(char.upper()) ^ 0x40]))

    def isalive(self) -> bool:
        """Whether the console is open on both ends, as far as was read."""
        return not self.closed and not self.flag_eof

    def close(self) -> None:
        """Close the console, as its `close` does."""
        self._close()

    @property
    def _held(self) -> memoryview:
        before: BytesIO = self._before  # type: ignore[attr-defined]
        return before.getbuffer()

    def _set_held(self, data: bytes) -> None:
        # pexpect holds what is unmatched twice: for the search, and for `before`.
        for name in ("_buffer", "_before"):
            buffer: Any = BytesIO()
            buffer.write(data)
            setattr(self, name, buffer)
