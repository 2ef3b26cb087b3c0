# SPDX-License-Identifier: GPL-3.0-or-later
r"""What an appliance shows on its console, and how it answers what is typed.

Script().prints("login: ", after=2).reads("root\n").prints("# ").answers({"uname": "Linux\r\n"})
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Protocol, TypeAlias

from attrs import define, field, frozen

Answer: TypeAlias = Callable[[str], str | bytes]


class Guest(Protocol):
    """The appliance's inside, as the steps of a script see it."""

    def put(self, data: bytes) -> None:
        """Print *data* now."""
        ...

    def after(self, seconds: float, happening: Callable[[], None]) -> None:
        """Let *happening* happen *seconds* later, and then go on with the script."""
        ...

    def take_typed(self, text: bytes) -> bool:
        """Consume what was typed up to and with *text*; false, and nothing, if it is not there."""
        ...

    def take_line(self) -> str | None:
        """Consume one typed line, without its end; None if no whole line is there."""
        ...

    def shut_down(self) -> None: ...

    def die(self, signal: int) -> None: ...


# A step returns whether it is done; one that is not is asked again when more was typed.
Step: TypeAlias = Callable[[Guest], bool]


@frozen
class Script:
    """What a console plays, once the virtual CPU runs. Each method gives a longer script."""

    steps: tuple[Callable[[], Step], ...] = ()

    def prints(self, text: str | bytes, *, after: float = 0) -> Script:
        """Print *text*, *after* seconds of fake time."""
        data = _bytes(text)

        shown_late = self.waits(after) if after else self
        return shown_late.does(lambda guest: guest.put(data))

    def waits(self, seconds: float) -> Script:
        """Do nothing for *seconds* of fake time."""
        return self._then(lambda: _Pause(seconds))

    def reads(self, text: str | bytes, *, echo: bool = True) -> Script:
        """Wait until *text* was typed, "root\\n" say; anything typed before it is passed over.

        The Enter key counts as a line end whether it is sent as CR or as LF. A terminal echoes
        what it reads; not so for a password.
        """
        wanted = as_typed(_bytes(text))

        def read(guest: Guest) -> bool:
            if not guest.take_typed(wanted):
                return False
            guest.put(wanted.replace(b"\n", b"\r\n") if echo else b"")
            return True

        return self._then(lambda: read)

    def answers(
        self, answers: Mapping[str, str] | Answer, *, prompt: str = "# ", echo: bool = True
    ) -> Script:
        """From now on answer every line that is typed, and print *prompt* after each answer.

        *answers* maps whole lines to what is printed, or is a function from a line to that. A line
        that the mapping does not know is answered as a shell would.
        """
        answer = answers if callable(answers) else _looking_up(answers)

        def answer_all(guest: Guest) -> bool:
            while (line := guest.take_line()) is not None:
                guest.put(f"{line}\r\n".encode() if echo else b"")
                guest.put(_bytes(answer(line)) + prompt.encode())
            return False

        return self._then(lambda: answer_all)

    def shuts_down(self) -> Script:
        """The appliance shuts itself down."""
        return self.does(lambda guest: guest.shut_down())

    def crashes(self, *, signal: int = 11) -> Script:
        """The hypervisor dies by *signal*."""
        return self.does(lambda guest: guest.die(signal))

    def does(self, act: Callable[[Guest], None]) -> Script:
        """Call *act* when the script gets there."""

        def step(guest: Guest) -> bool:
            act(guest)
            return True

        return self._then(lambda: step)

    def _then(self, step: Callable[[], Step]) -> Script:
        # Makers of steps, not steps: a script is played again from its start after a reset.
        return Script((*self.steps, step))


@define
class _Pause:
    _seconds: float
    _begun: bool = field(default=False, init=False)
    _over: bool = field(default=False, init=False)

    def __call__(self, guest: Guest) -> bool:
        if not self._begun:
            self._begun = True
            guest.after(self._seconds, self._end)
        return self._over

    def _end(self) -> None:
        self._over = True


def as_typed(data: bytes) -> bytes:
    """What a terminal makes of *data*: each way to send the Enter key is one line end."""
    return data.replace(b"\r\n", b"\n").replace(b"\r", b"\n")


def _bytes(text: str | bytes) -> bytes:
    return text.encode() if isinstance(text, str) else text


def _looking_up(answers: Mapping[str, str]) -> Answer:
    def answer(line: str) -> str:
        known = answers.get(line)
        if known is None:
            return f"sh: {line.split(maxsplit=1)[0]}: not found\r\n" if line.strip() else ""
        return known

    return answer
