# SPDX-License-Identifier: GPL-3.0-or-later
"""From a console that shows anything to a shell that answers."""

from __future__ import annotations

import re

from attrs import define, field

from alpy.core.errors import ConsoleTimeoutError, LoginError
from alpy.core.ports import Console, ConsoleMatch
from alpy.core.shell.dialogue import Dialogue, probe, ready_pattern
from alpy.core.waiting import Deadline

_REFUSAL = r"[Ll]ogin (?:incorrect|failed)|[Aa]uthentication failure|[Aa]ccess denied"
# A shell has come: its greeting, or the end of what most prompts look like.
_GREETING = r"[^\s][^\r\n]*\n|[#$%>] "
# The end of a line that waits for a command, in most shells.
_SHELL_PROMPT = re.compile(r"[#$%>] ?(\x1b\[6n)?\Z")
_LOOK_SECONDS = 0.5
# A prompt counts as one when nothing came behind it for so long.
_PROMPT_SECONDS = 1.0
# A login thinks for up to 3 s about a wrong password.
_LOOKS_AFTER_PASSWORD = 8
_NEVER = r"(?!)"


@define(eq=False)
class LoginDialogue:
    """One log in. The *prompts* for user and password are regular expressions."""

    dialogue: Dialogue
    deadline: Deadline
    user: str
    password: str
    prompts: tuple[str, str]
    patience: float
    named: bool = field(default=False, init=False)
    passed: bool = field(default=False, init=False)
    answer: str = field(default=_NEVER, init=False)
    idle: float = field(default=0.0, init=False)
    """For how many seconds the console has shown nothing new."""

    def go_on_to_the_shell(self) -> None:
        """Return when a shell has answered a probe.

        Raises:
            LoginError: the appliance refused the password.
            ConsoleTimeoutError: the deadline passed.
        """
        seen: str | None = None
        while True:
            try:
                if self._react():
                    return
                seen = None
            except ConsoleTimeoutError as error:
                if self.deadline.passed:
                    raise self._no_shell(error.seen) from error
                self.idle = self.idle + _LOOK_SECONDS if error.seen == seen else 0.0
                seen = error.seen
                self._nudge(seen)

    def _react(self) -> bool:
        login, password = self.prompts
        # The prompt of a login that is under way may come twice, if something was typed before it.
        login = _NEVER if self.named else login
        match = self._look([self.answer, _REFUSAL, password, login])
        if match.index == 0:
            return True
        if match.index == 1:
            self._check_refusal(match.before + match.matched)
        elif match.index == 2:  # noqa: PLR2004  the third pattern
            self._give_password()
        else:
            self._console.send(f"{self.user}\n")
            self.named = True
        return False

    def _give_password(self) -> None:
        # Asked though we gave no name, our probe was taken for one: no password fits that.
        self._console.send(f"{self.password}\n" if self.named else "\n", secret=True)
        self.passed = self.named
        if self.passed:
            self._wait_for_reaction()
            self._probe()

    def _wait_for_reaction(self) -> None:
        # What is typed too early is discarded by the login, or taken for the next name.
        seen = ""
        for _ in range(_LOOKS_AFTER_PASSWORD):
            try:
                match = self._look([_REFUSAL, _GREETING])
            except ConsoleTimeoutError as error:
                if error.seen.strip() and error.seen == seen:
                    return
                seen = error.seen
                continue
            if match.index == 0:
                self._check_refusal(match.before + match.matched)
            return

    def _check_refusal(self, seen: str) -> None:
        # Before, it is the answer to a probe that was taken for a name.
        if self.passed:
            raise LoginError(user=self.user, seen=seen)

    def _nudge(self, seen: str) -> None:
        """After a silence, type something to see who is there; into a boot loader, do not."""
        if self.idle >= _PROMPT_SECONDS and (self.passed or _SHELL_PROMPT.search(seen)):
            self._probe()
        elif self.idle >= self.patience:
            self.named = self.named and self.passed
            self._console.send("\n")
        else:
            return
        self.idle = 0.0

    def _probe(self) -> None:
        number = self.dialogue.next_probe()
        self.answer = ready_pattern(number)
        self._console.send(probe(number))

    def _look(self, patterns: list[str]) -> ConsoleMatch:
        return self._console.expect(patterns, timeout=min(_LOOK_SECONDS, self.deadline.remaining))

    @property
    def _console(self) -> Console:
        return self.dialogue.console

    def _no_shell(self, seen: str) -> ConsoleTimeoutError:
        if self.passed:
            awaited = f"a shell for {self.user!r}"
        else:
            awaited = f"the login prompt {self.prompts[0]!r} or a shell"
        return ConsoleTimeoutError(awaited=awaited, seconds=self.deadline.seconds, seen=seen)
