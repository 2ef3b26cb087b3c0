# SPDX-License-Identifier: GPL-3.0-or-later
"""Questions and answers with the shell on a console."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from attrs import define, field

from alpy.core.errors import ConsoleTimeoutError
from alpy.core.ports import Console
from alpy.core.shell.framing import (
    GUEST_FUNCTIONS,
    SELF_DESCRIPTION,
    VERSION,
    Answer,
    end_pattern,
    go_pattern,
    guess,
    is_begun,
    parse,
    quoted,
)
from alpy.core.waiting import Deadline

# How long one try may take before another is made. Deadlines are the caller's.
_PROBE_SECONDS = 2.0
_PREPARE_SECONDS = 5.0
_FIRST_LOOK_SECONDS = 1.0
_LAST_LOOK_SECONDS = 5.0
# A raw port takes some 50 KB/s; a loaded host may be ten times slower.
_SLOWEST_BYTES_PER_SECOND = 5000
_FILLER = b"\n" * 2048
_FILLER_SECONDS = 0.05

_INTERRUPT = "\x03"
# The line editor of busybox asks the terminal where the cursor is, behind each prompt, and holds
# each line back for 20 ms if no answer came before it.
_CURSOR_QUESTION = "\x1b[6n"
_CURSOR_ANSWER = "\x1b[1;1R"


class DamagedAnswerError(Exception):
    """The guest printed its answer again and again, and something came in between each time."""


@define(eq=False)
class Dialogue:
    """The guest's functions, called by number; see `alpy.core.shell.framing`."""

    console: Console
    scratch: str = field(default="", init=False)
    """The common beginning of scratch files' paths in the guest."""
    digest: str = field(default="", init=False)
    """The guest's digest program."""
    tools: frozenset[str] = field(default=frozenset(), init=False)
    """The other programs it has for transfers."""
    _version: str = field(default="", init=False)
    """Of the functions that the shell has, as far as it has said."""
    _number: int = field(default=0, init=False)
    _in_step: bool = field(default=False, init=False)
    _raw: tuple[int, int] = field(default=(0, 0), init=False)
    """The question whose answer waits for raw bytes, and for how many."""
    _asks_for_cursor: bool = field(default=False, init=False)

    def prepare(self, deadline: Deadline) -> None:
        """Get an answer from the shell, and give it the functions.

        Raises:
            ConsoleTimeoutError: no shell answers like one in time.
        """
        while not self._is_prepared(deadline):
            self._in_step = False
            if deadline.passed:
                raise self._no_shell(deadline)

    def _is_prepared(self, deadline: Deadline) -> bool:
        self.get_in_step(deadline)
        attempt = self._at_most(_PREPARE_SECONDS, deadline)
        typed = GUEST_FUNCTIONS if self._version != VERSION else ()
        for line in typed:
            self._type(line)
        try:
            answer = self.ask("_alpy_q", quoted(SELF_DESCRIPTION), deadline=attempt)
        except (ConsoleTimeoutError, DamagedAnswerError) as error:
            if deadline.passed:
                raise self._no_shell(deadline) from error
            return False
        if typed:
            self._type(f"_alpy_V={VERSION}")
            # Who saves the state of the appliance now must not save half a line.
            self._in_step = False
            self.get_in_step(deadline)
        self.scratch, _, rest = answer.text.partition("\n")
        self.digest, *tools = rest.split("\n")
        self.tools = frozenset(tools)
        return bool(self.scratch and self.digest)

    def ask(
        self,
        function: str,
        arguments: str = "",
        *,
        deadline: Deadline,
        payload: Sequence[bytes] = (),
        verify: Callable[[str], bool] | None = None,
        tries: int = 8,
    ) -> Answer:
        """Call *function*, and if its answer is damaged, let it be printed again.

        Each block of the *payload* is sent when the function says that it reads raw bytes. With
        *verify*, a guess at a damaged answer counts if that is true of it.

        Raises:
            ConsoleTimeoutError: the function does not end in time. It may still run.
            DamagedAnswerError: it ended, but no answer came through.
        """
        self.get_in_step(deadline)
        self._in_step = False
        for _ in range(tries):
            number = self._next()
            self._type(f"{function} {number} {arguments}")
            self._raw = (number, sum(map(len, payload)))
            received = self._hear(number, payload, deadline)
            self._raw = (0, 0)
            self._asks_for_cursor |= f"{_CURSOR_QUESTION} {function} {number}" in received
            answer = parse(number, received)
            if answer is None and verify is not None:
                likely = guess(number, received)
                answer = likely if likely is not None and verify(likely.text) else None
            if answer is not None:
                self._in_step = True
                return answer
            function, arguments, payload = "_alpy_p", "", ()
        self._in_step = True
        raise DamagedAnswerError

    def interrupt(self, deadline: Deadline) -> None:
        """End what runs, and get an answer from the shell again."""
        self._in_step = False
        self.console.send(_INTERRUPT)
        self.get_in_step(deadline)

    def get_in_step(self, deadline: Deadline) -> None:
        """Wait until the shell answers, if the last question was not answered.

        Raises:
            ConsoleTimeoutError: it does not.
        """
        if not self._in_step:
            self._leave_raw_mode(deadline)
        while not self._in_step:
            number = self._next()
            self.console.send(probe(number))
            try:
                attempt = self._at_most(_PROBE_SECONDS, deadline)
                match = self.console.expect(ready_pattern(number), timeout=attempt.seconds)
            except ConsoleTimeoutError as error:
                if deadline.passed:
                    raise self._no_shell(deadline, error.seen) from error
                self.console.send(_INTERRUPT)
                continue
            self._version = match.matched.rpartition("-")[2].removesuffix(".")
            self._in_step = True

    def _leave_raw_mode(self, deadline: Deadline) -> None:
        number, missing = self._raw
        self._raw = (0, 0)
        while missing > 0 and not deadline.passed:
            self.console.send(_FILLER)
            missing -= len(_FILLER)
            try:
                attempt = self._at_most(_FILLER_SECONDS, deadline)
                self.console.expect(end_pattern(number), timeout=attempt.seconds)
            except ConsoleTimeoutError:
                continue
            return

    def next_probe(self) -> int:
        """A number for a probe that the caller types."""
        return self._next()

    def _hear(self, number: int, payload: Sequence[bytes], deadline: Deadline) -> str:
        """All that comes until the function ends; each block is sent when it is asked for."""
        received, sent, spoilt, look = "", 0, False, _FIRST_LOOK_SECONDS
        while True:
            to_come = [go_pattern(number, sent)] if sent < len(payload) else []
            try:
                match = self.console.expect(
                    [end_pattern(number), *to_come], timeout=min(look, deadline.remaining)
                )
            except ConsoleTimeoutError as error:
                if deadline.passed:
                    raise
                if is_begun(number, error.seen):
                    return ""
                look = min(2 * look, _LAST_LOOK_SECONDS)
                if sent:
                    # Bytes were lost on the way. The guest reads on until it has the number it was
                    # told, so it gets some; their digest will be wrong.
                    spoilt, look = True, _FIRST_LOOK_SECONDS
                    self.console.send(_FILLER)
                continue
            received += match.before + match.matched
            if match.index == 0:
                return received
            # What may be too much must not be taken for commands.
            size = len(payload[sent])
            self.console.send(b"\n" * size if spoilt else payload[sent])
            look = _FIRST_LOOK_SECONDS + size / _SLOWEST_BYTES_PER_SECOND
            sent += 1

    def _type(self, line: str) -> None:
        # Behind a space: many shells are told to leave such lines out of their history.
        before = _CURSOR_ANSWER if self._asks_for_cursor else ""
        self.console.send(f"{before} {line}\n")

    def _next(self) -> int:
        self._number += 1
        return self._number

    def _at_most(self, seconds: float, deadline: Deadline) -> Deadline:
        return Deadline.after(min(seconds, deadline.remaining), clock=self.console.clock)

    def _no_shell(self, deadline: Deadline, seen: str = "") -> ConsoleTimeoutError:
        return ConsoleTimeoutError(
            awaited="an answer of a POSIX shell", seconds=deadline.seconds, seen=seen
        )


def probe(number: int) -> str:
    """What is typed to see whether a shell reads it, and which functions it has.

    Its echo doesn't match the answer.
    """
    return f" echo al''py-{number}-ready-${{_alpy_V-}}.\n"


def ready_pattern(number: int) -> str:
    """The regular expression of the answer to `probe`."""
    return rf"alpy-{number}-ready-[0-9a-f]*\."
