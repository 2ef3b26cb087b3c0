# SPDX-License-Identifier: GPL-3.0-or-later
"""The appliance's shell: run programs in it, and move files, over the console alone."""

from __future__ import annotations

import re
import shlex
from collections.abc import Sequence

from attrs import define, field, frozen

from alpy.core.errors import ConsoleLostError, ConsoleTimeoutError, InvalidValueError, ShellError
from alpy.core.ports import Console
from alpy.core.shell.dialogue import DamagedAnswerError, Dialogue
from alpy.core.shell.framing import TYPED_LIMIT, Answer, quoted
from alpy.core.shell.login import LoginDialogue
from alpy.core.shell.transfer import Transfer
from alpy.core.waiting import Deadline

# After a timeout: to end the command, and to ask what it has written.
_RECOVERY_SECONDS = 10.0
# Output is kept in the guest's memory; it is thrown away once in so many commands.
_KEPT_OUTPUTS = 32
_SHEBANG = re.compile(rb"#!\s*([^\s]+)[ \t]*([^\r\n]*)")


def log_in(
    console: Console,
    *,
    user: str,
    password: str,
    timeout: float = 60.0,
    login_prompt: str = r"login: ",
    password_prompt: str = r"[Pp]assword: ",  # noqa: S107  no password
    patience: float = 5.0,
) -> Shell:
    """Log in, whatever the console shows now: a boot, a prompt, messages over it, or a shell.

    Both prompts are regular expressions. How the shell's own prompt looks does not matter. When the
    console has been silent for *patience* seconds, a line end is typed, to make a prompt come again
    that messages have scrolled away.

    Raises:
        LoginError: the appliance refused the password.
        ConsoleTimeoutError: no shell answered within *timeout* seconds.
        ConsoleLostError, MachineDiedError: the appliance ended.
    """
    deadline = Deadline.after(timeout, clock=console.clock)
    dialogue = Dialogue(console)
    prompts = (login_prompt, password_prompt)
    LoginDialogue(dialogue, deadline, user, password, prompts, patience).go_on_to_the_shell()
    dialogue.prepare(deadline)
    return Shell(dialogue)


def attach(console: Console, *, timeout: float = 10.0) -> Shell:
    """The shell that is known to be on the console already, as after a restored state.

    Raises:
        ConsoleTimeoutError: no shell answered within *timeout* seconds.
    """
    dialogue = Dialogue(console)
    dialogue.prepare(Deadline.after(timeout, clock=console.clock))
    return Shell(dialogue)


@frozen(kw_only=True)
class ShellResult:
    r"""How a command ended, and all that it wrote on stdout and stderr.

    NUL bytes are left out of *output*, and what is no UTF-8 is shown as \xNN; `Shell.download` is
    exact.
    """

    command: str
    exit_code: int
    output: str


@define(eq=False)
class Shell:
    """A POSIX shell at the other end of the console, logged in. Made by `log_in` and `attach`.

    It is only used while a call lasts: between calls, the console is free for typing by hand.

    Every call can raise ConsoleClosedError, ConsoleLostError and MachineDiedError.
    """

    _dialogue: Dialogue
    _runs: int = field(default=0, init=False)

    def run(
        self, command: str | Sequence[str], *, timeout: float = 30.0, check: bool = True
    ) -> ShellResult:
        """Run *command* and return when it has ended; programs in its background may go on.

        A string is text for the appliance's shell, a sequence is one word each. It runs in a
        subshell, so `cd` and `exit` end with it, and with nothing on its stdin.

        Raises:
            ShellError: its exit code is not 0. Not with *check* false.
            ConsoleTimeoutError: it ran longer than *timeout* seconds. It got a Ctrl-C, and the
                error shows what it last wrote.
            TransferError: a very long command or output did not come through.
        """
        text = command if isinstance(command, str) else shlex.join(command)
        deadline = self._deadline(timeout)
        argument = self._argument(text, deadline)
        try:
            answer = self._ask_for_output(argument, deadline)
        except ConsoleTimeoutError as error:
            raise ConsoleTimeoutError(
                awaited=f"the end of {text!r}", seconds=timeout, seen=self._last_output(error.seen)
            ) from error
        except ConsoleLostError as error:
            raise ConsoleLostError(awaited=f"the end of {text!r}", seen=error.seen) from error
        result = ShellResult(command=text, exit_code=answer.status, output=answer.text)
        if check and result.exit_code != 0:
            raise ShellError(
                command=result.command, exit_code=result.exit_code, output=result.output
            )
        return result

    def upload(
        self, content: bytes, target: str, *, mode: int | None = None, timeout: float = 60.0
    ) -> None:
        """Write *content* to the file *target* of the appliance.

        With *mode*, its permissions are set so, as 0o755.

        Raises:
            TransferError: it is not there whole, and why. A part of it may be.
        """
        self._transfer(target, timeout).put(content, mode=mode)

    def download(self, source: str, *, timeout: float = 60.0) -> bytes:
        """What the file *source* of the appliance holds.

        Raises:
            TransferError: it can't be read, or did not come through.
        """
        return self._transfer(source, timeout).get()

    def run_script(
        self, script: bytes, *arguments: str, timeout: float = 60.0, check: bool = True
    ) -> ShellResult:
        """Upload *script*, run it with *arguments*, and remove it.

        Its first line names its interpreter; without one, it is `sh`.

        Raises:
            TransferError: as for `upload`.
            ShellError, ConsoleTimeoutError: as for `run`.
        """
        self._runs += 1
        target = f"{self._dialogue.scratch}.s{self._runs}"
        deadline = self._deadline(timeout)
        self.upload(script, target, timeout=timeout)
        command = shlex.join([*_interpreter(script), target, *arguments])
        try:
            return self.run(command, timeout=max(deadline.remaining, 1.0), check=check)
        finally:
            self.run(["rm", "-f", target], timeout=_RECOVERY_SECONDS, check=False)

    def _argument(self, text: str, deadline: Deadline) -> str:
        """The word for the guest's shell that stands for *text*."""
        if "\0" in text:
            raise InvalidValueError("a command can't hold NUL bytes")
        argument = quoted(text)
        if len(argument) <= TYPED_LIMIT:
            return argument
        file = f"{self._dialogue.scratch}.c"
        Transfer(self._dialogue, file, deadline).put(text.encode())
        return f'"$(cat {quoted(file)})"'

    def _ask_for_output(self, argument: str, deadline: Deadline) -> Answer:
        self._runs += 1
        if self._runs % _KEPT_OUTPUTS == 0:
            self._dialogue.ask("_alpy_q", """'rm -f "$_alpy_f".[0-9]*'""", deadline=deadline)
        try:
            answer = self._dialogue.ask("_alpy", argument, deadline=deadline, tries=2)
        except DamagedAnswerError:
            # _alpy_s is its exit code still.
            answer = self._dialogue.ask(
                "_alpy_o=;_alpy_p", deadline=deadline, verify=lambda text: not text
            )
            answer = Answer(status=answer.status, text="", in_place=False)
        if answer.in_place:
            return answer
        file = self._dialogue.ask("_alpy_q", """'echo "$_alpy_w"'""", deadline=deadline).text
        output = Transfer(self._dialogue, file, deadline).get().replace(b"\0", b"")
        return Answer(status=answer.status, text=output.decode("utf-8", "backslashreplace"))

    def _last_output(self, seen: str) -> str:
        """End what runs, and return the end of what it wrote, or else *seen*."""
        deadline = self._deadline(_RECOVERY_SECONDS)
        question = """'tail -c 800 <"$_alpy_w"'"""
        try:
            self._dialogue.interrupt(deadline)
            written = self._dialogue.ask("_alpy_q", question, deadline=deadline)
        except (ConsoleTimeoutError, DamagedAnswerError):
            # It does not listen to Ctrl-C. The next call tries again.
            return seen
        return written.text if written.status == 0 else seen

    def _transfer(self, file: str, timeout: float) -> Transfer:
        return Transfer(self._dialogue, file, self._deadline(timeout))

    def _deadline(self, timeout: float) -> Deadline:
        return Deadline.after(timeout, clock=self._dialogue.console.clock)


def _interpreter(script: bytes) -> list[str]:
    """What runs *script*. A scratch file can't run by itself where its file system is `noexec`."""
    match = _SHEBANG.match(script)
    if match is None:
        return ["sh"]
    return [word for word in (match[1].decode(), match[2].decode().strip()) if word]
