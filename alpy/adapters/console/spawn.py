# SPDX-License-Identifier: GPL-3.0-or-later
"""The pexpect object of a console: it reads from the recording and types through the console."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable
from io import BytesIO
from typing import TYPE_CHECKING, Any

from pexpect import EOF, TIMEOUT
from pexpect.spawnbase import SpawnBase

from alpy.adapters.console.recording import Recording, RecordingEndError
from alpy.core.watch import INTERVAL, Watch, unwatched

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

    While one `expect` waits through more than 2 MiB, the oldest of it is left out of `before`. It
    waits *time_scale* times as long as it is told.
    """

    def __init__(
        self,
        recording: Recording,
        *,
        type_in: Callable[[bytes], None],
        close: Callable[[], None],
        check_end: Callable[[], None],
        watch: Watch = unwatched,
        time_scale: float = 1.0,
    ) -> None:
        super().__init__(maxread=_PIECE_BYTES)
        self.name = "<console>"
        self.closed = False
        # Each of these waits would only make a test slower.
        self.delaybeforesend = None
        self.delayafterread = None
        self._recording, self._type_in, self._close = recording, type_in, close
        self._check_end = check_end
        self._time_scale = time_scale
        self._watch, self._watched = watch, time.monotonic()
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

    # All that waits for patterns comes through one of these three.

    def expect_list(
        self, pattern_list: Any, timeout: float | None = -1, *options: Any, **more: Any
    ) -> Any:
        return super().expect_list(pattern_list, self._on_host(timeout), *options, **more)

    def expect_exact(
        self, pattern_list: Any, timeout: float | None = -1, *options: Any, **more: Any
    ) -> Any:
        return super().expect_exact(pattern_list, self._on_host(timeout), *options, **more)

    def expect_loop(self, searcher: Any, timeout: float | None = -1, *options: Any) -> Any:
        return super().expect_loop(searcher, self._on_host(timeout), *options)

    def _on_host(self, timeout: float | None) -> float | None:
        given = self.timeout if timeout == -1 else timeout
        return None if given is None else given * self._time_scale

    def read_nonblocking(self, size: int = 1, timeout: float | None = -1) -> bytes:
        if self._held.nbytes > _HELD_BYTES:
            self._set_held(bytes(self._held[-_KEPT_BYTES:]))
            self.forgot = True
        seconds = self.timeout if timeout == -1 else timeout
        try:
            data, self._position = self._read(size, seconds)
        except RecordingEndError as error:
            self.flag_eof = True
            self._check_end()
            raise EOF("End Of File (EOF). The console has ended.") from error
        except TimeoutError as error:
            raise TIMEOUT("Timeout exceeded.") from error
        self._log(data, "read")  # type: ignore[attr-defined]  # private, not in the stubs
        return data

    def _read(self, size: int, seconds: float | None) -> tuple[bytes, int]:
        """Read as the recording does; look around while there is nothing to read."""
        end = None if seconds is None else time.monotonic() + seconds
        wait = 0.0
        while True:
            try:
                return self._recording.read(self._position, size, wait)
            except TimeoutError:
                left = INTERVAL if end is None else end - time.monotonic()
                if left <= 0:
                    raise
                wait = min(INTERVAL, left)
            self._look_around()

    def _look_around(self) -> None:
        # Also in a test that never waits long, but not for each of its many short commands.
        if time.monotonic() - self._watched >= INTERVAL:
            self._watch()
            self._watched = time.monotonic()

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
