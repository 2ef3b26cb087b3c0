# SPDX-License-Identifier: GPL-3.0-or-later
"""The shells that appliances have, for real, on a pseudoterminal behind a console."""

from __future__ import annotations

import os
import random
import shutil
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from alpy.core.errors import (
    ConsoleTimeoutError,
    InvalidValueError,
    LoginError,
    ShellError,
    TransferError,
)
from alpy.core.shell import Shell, attach, log_in
from tests.integration.shell_rig import SHELLS, ShellRig

LONG = 60.0
MESSAGE = b"\r\n[    3.141592] random: crng init done\r\n"

Rigs = Callable[..., ShellRig]


@pytest.fixture
def rigs(tmp_path: Path) -> Iterator[Rigs]:
    made: list[ShellRig] = []

    def make(*command: str, **options: object) -> ShellRig:
        made.append(ShellRig(tmp_path, command, **options))  # type: ignore[arg-type]
        return made[-1]

    yield make
    for rig in made:
        rig.release()


@pytest.fixture(params=SHELLS)
def rig(request: pytest.FixtureRequest, rigs: Rigs) -> ShellRig:
    return rigs(*SHELLS[request.param])


@pytest.fixture
def shell(rig: ShellRig) -> Iterator[Shell]:
    yield from _attached(rig)


@pytest.fixture
def dash(rigs: Rigs) -> Iterator[Shell]:
    yield from _attached(rigs(*SHELLS["dash"]))


def _attached(rig: ShellRig) -> Iterator[Shell]:
    yield from _using(attach(rig.console, timeout=LONG))


def _using(shell: Shell) -> Iterator[Shell]:
    try:
        yield shell
    finally:
        # This "appliance" shares our file system.
        for file in Path("/").glob(shell._dialogue.scratch.lstrip("/") + ".*"):
            file.unlink()


OUTPUTS = {
    "nothing": ("true", ""),
    "a line": ("echo hi", "hi\n"),
    "no line end": ("printf hi", "hi"),
    "only line ends": ("echo; echo; echo", "\n\n\n"),
    "stderr too": ("echo a; echo b >&2", "a\nb\n"),
    "letters": ("echo 'Grüße von 兎'", "Grüße von 兎\n"),
    "a tab": ("printf 'a\\tb'", "a\tb"),
    "a typed tab": ("echo 'a\tb'", "a\tb\n"),
    "carriage returns": ("printf 'a\\r\\nb\\rc\\n'", "a\r\nb\rc\n"),
    "colours": ("printf '\\033[1mbold\\033[0m'", "\x1b[1mbold\x1b[0m"),
    "no UTF-8": ("printf '\\377x'", "\\xffx"),
    "quotes": ("""echo "it's" 'a "b"' \\$HOME""", """it's a "b" $HOME\n"""),
    "history": ("echo 'wow!' '!!'", "wow! !!\n"),
    "percent": ("echo '%s %%'", "%s %%\n"),
    "several lines": ("for i in 1 2\ndo\n  echo $i\ndone", "1\n2\n"),
    "a here-document": ("cat <<E\nhi $((1+1))\nE", "hi 2\n"),
    "our own marks": (
        "echo 'alpy.9.t.0.2<hi>alpy.9.1000.999998.e' '>alpy.9.1000.999998.e' alpy-9-ready",
        "alpy.9.t.0.2<hi>alpy.9.1000.999998.e >alpy.9.1000.999998.e alpy-9-ready\n",
    ),
    "no parameters of ours": ("echo $# $*", "0\n"),
    "eight lines": ("seq 8", "1\n2\n3\n4\n5\n6\n7\n8\n"),
    "nine lines without an end": ("seq 8; printf 9", "1\n2\n3\n4\n5\n6\n7\n8\n9"),
    "blanks": ("printf '  a \\\\ b  \n\t c'", "  a \\ b  \n\t c"),
    "a long line": ("printf '%0500d' 7", "7".rjust(500, "0")),
    "nothing on stdin": ("cat; echo end", "end\n"),
}


@pytest.mark.parametrize("case", OUTPUTS)
def test_output_is_exact(shell: Shell, case: str) -> None:
    command, output = OUTPUTS[case]
    assert shell.run(command, timeout=LONG).output == output
    # And again: nothing of it is left to be taken for the next answer.
    assert shell.run(command, timeout=LONG).output == output


def test_a_shell_that_has_the_functions_is_not_taught_again(rig: ShellRig, shell: Shell) -> None:
    shell.run("true")
    taught = (rig.folder / "console.log").read_bytes().count(b"_alpy_q(){")
    assert taught
    for other in _attached(rig):
        assert other.run("echo hi").output == "hi\n"
        assert shell.run("echo ho").output == "ho\n"
    assert (rig.folder / "console.log").read_bytes().count(b"_alpy_q(){") == taught


def test_every_exit_code_is_told(dash: Shell) -> None:
    assert [dash.run(f"exit {n}", check=False).exit_code for n in range(256)] == list(range(256))


def test_an_exit_in_the_command_ends_only_the_command(shell: Shell) -> None:
    result = shell.run("echo before; exit 3; echo after", check=False)
    assert (result.exit_code, result.output) == (3, "before\n")
    assert shell.run("echo still here").output == "still here\n"


def test_a_failure_is_an_error_that_shows_the_output(shell: Shell) -> None:
    with pytest.raises(ShellError) as raised:
        shell.run("echo no such thing; false")
    assert raised.value.exit_code == 1
    assert raised.value.output == "no such thing\n"


def test_a_command_that_is_not_there_exits_with_127(shell: Shell) -> None:
    assert shell.run("/no/such/program", check=False).exit_code == 127


def test_a_syntax_error_is_the_commands_own(shell: Shell) -> None:
    assert shell.run("if", check=False).exit_code != 0
    assert shell.run("echo fine").output == "fine\n"


def test_a_sequence_is_one_word_each(shell: Shell) -> None:
    words = ["printf", "<%s>", "a b", "$HOME", "it's", "*", ""]
    assert shell.run(words).output == "<a b><$HOME><it's><*><>"


def test_a_program_in_the_background_holds_nothing_up(shell: Shell) -> None:
    result = shell.run("sleep 60 & echo $!", timeout=LONG)
    shell.run(["kill", result.output.strip()])


def test_output_of_the_background_does_not_come_into_the_next_command(shell: Shell) -> None:
    output = shell.run("(while :; do echo noise; sleep 0.01; done) & echo $!").output
    pid = output.replace("noise", "").strip()
    try:
        for _ in range(5):
            assert shell.run("echo mine").output == "mine\n"
    finally:
        shell.run(["kill", pid])


def test_a_long_output_is_whole(shell: Shell) -> None:
    expected = "".join(f"{n}\n" for n in range(1, 20001))
    assert len(expected) > 100_000
    assert shell.run("seq 1 20000", timeout=LONG).output == expected


def test_a_command_longer_than_a_line_of_the_terminal_runs(shell: Shell) -> None:
    text = "it's 兎 " * 1500
    assert shell.run(["printf", "%s", text], timeout=LONG).output == text


def test_a_command_with_nul_is_refused(dash: Shell) -> None:
    with pytest.raises(InvalidValueError):
        dash.run("echo \0")


def test_a_timeout_shows_the_last_output_and_the_next_command_works(shell: Shell) -> None:
    with pytest.raises(ConsoleTimeoutError) as raised:
        shell.run("echo working; sleep 60", timeout=0.5)
    assert raised.value.seen == "working"
    assert "echo working; sleep 60" in raised.value.awaited
    assert shell.run("echo next").output == "next\n"


def test_the_console_is_free_between_commands(rig: ShellRig, shell: Shell) -> None:
    shell.run("true")
    rig.console.send("echo by ha''nd\n")
    rig.console.expect("by hand", timeout=LONG)
    assert shell.run("echo mine").output == "mine\n"


class Messages:
    """Says something in between, after every *distance* bytes, wherever that is."""

    def __init__(self, distance: int) -> None:
        self._distance = distance
        self._left = distance

    def __call__(self, data: bytes) -> bytes:
        noisy = b""
        while len(data) >= self._left:
            noisy += data[: self._left] + MESSAGE
            data = data[self._left :]
            self._left = self._distance
        self._left -= len(data)
        return noisy + data


@pytest.mark.parametrize("distance", [97, 211, 1009])
def test_kernel_messages_in_between_change_nothing(rigs: Rigs, distance: int) -> None:
    rig = rigs(*SHELLS["dash"])
    for shell in _attached(rig):
        rig.noise = Messages(distance)
        expected = "".join(f"{n}\n" for n in range(1, 31))
        for _ in range(10):
            result = shell.run("seq 1 30; exit 7", check=False, timeout=LONG)
            assert (result.exit_code, result.output) == (7, expected)
        rig.noise = lambda data: data


def test_files_come_and_go_between_kernel_messages(rigs: Rigs, tmp_path: Path) -> None:
    rig = rigs(*SHELLS["dash"])
    for shell in _attached(rig):
        rig.noise = Messages(1009)
        data = os.urandom(5000)
        shell.upload(data, str(tmp_path / "file"))
        assert (tmp_path / "file").read_bytes() == data
        assert shell.download(str(tmp_path / "file")) == data
        rig.noise = lambda data: data


CONTENTS = {
    "nothing": b"",
    "one byte": b"\0",
    "every byte": bytes(range(256)) * 10,
    "random": os.urandom(150_000),
    "text": b"".join(b"line %d of a text\n" % n for n in range(10_000)),
    "one block": os.urandom(48 * 1024),
    "one read": os.urandom(64 * 1024),
}


@pytest.mark.parametrize("case", CONTENTS)
def test_files_go_there_and_back(rig: ShellRig, shell: Shell, tmp_path: Path, case: str) -> None:
    data, target = CONTENTS[case], tmp_path / "it's a file"
    shell.run("true")
    before = rig.settings()
    shell.upload(data, str(target), mode=0o640, timeout=LONG)
    assert target.read_bytes() == data
    assert target.stat().st_mode & 0o777 == 0o640
    assert shell.download(str(target), timeout=LONG) == data
    shell.run("true")
    # A line editor has its own settings while it waits for a line.
    rig.console.send("sleep 0.3\n")
    assert _settled(rig, before)


def _settled(rig: ShellRig, settings: list[object]) -> bool:
    end = time.monotonic() + LONG
    while time.monotonic() < end:
        if rig.settings()[:6] == settings[:6]:
            return True
    return False


def test_a_block_that_loses_bytes_is_sent_again(rigs: Rigs, tmp_path: Path) -> None:
    rig = rigs(*SHELLS["dash"])
    losses = iter([3])
    for shell in _attached(rig):
        rig.loses = lambda data: data[next(losses, 0) :] if len(data) == 1024 else data
        data = os.urandom(3000)
        shell.upload(data, str(tmp_path / "file"), timeout=LONG)
        assert (tmp_path / "file").read_bytes() == data
        assert next(losses, None) is None


def test_bytes_lost_in_one_of_several_blocks_are_no_commands_and_come_again(
    rigs: Rigs, tmp_path: Path
) -> None:
    rig = rigs(*SHELLS["dash"])
    planted = tmp_path / "planted"
    losses = iter([500])
    for shell in _attached(rig):
        rig.loses = lambda data: data[next(losses, 0) :] if len(data) == 1024 else data
        # If a part of it were taken for commands, one of them would leave a file.
        data = f"\ntouch {planted}\n".encode() * 6000
        shell.upload(_incompressible(data), str(tmp_path / "file"), timeout=LONG)
        assert (tmp_path / "file").read_bytes() == _incompressible(data)
        assert next(losses, None) is None
        assert shell.run("echo fine").output == "fine\n"
    assert not planted.exists()


def _incompressible(lines: bytes) -> bytes:
    """*lines*, with random ones between them."""
    noise = random.Random(3)  # noqa: S311
    return b"".join(
        noise.randbytes(60) + b"\n" + line + b"\n" for line in lines.splitlines() if line
    )


def test_a_scratch_file_that_cannot_grow_is_told_and_its_bytes_are_no_commands(
    rigs: Rigs, tmp_path: Path
) -> None:
    rig = rigs(*SHELLS["dash"])
    for shell in _attached(rig):
        rig.console.send("ulimit -f 4\n")
        data = b"touch planted\n" * 100
        with pytest.raises(TransferError):
            shell.upload(_incompressible(data), str(tmp_path / "file"), timeout=LONG)
        assert shell.run("ls").output == ""


@pytest.mark.parametrize("has", ["cat od dd cksum tail seq chmod rm", "cat base64 dd md5sum head"])
def test_files_go_with_few_programs_there(rigs: Rigs, tmp_path: Path, has: str) -> None:
    programs = tmp_path / "bin"
    programs.mkdir()
    for name in has.split():
        (programs / name).symlink_to(shutil.which(name) or name)
    rig = rigs("/bin/dash", "-i", environment={"PATH": str(programs)})
    for shell in _attached(rig):
        data = bytes(range(256)) * 3
        shell.upload(data, str(tmp_path / "file"), timeout=LONG)
        assert shell.download(str(tmp_path / "file"), timeout=LONG) == data


def test_a_target_that_cannot_be_written_is_told(shell: Shell) -> None:
    with pytest.raises(TransferError, match=r"/no/such/file.*(nonexistent|[Nn]o such)"):
        shell.upload(b"content", "/no/such/file")
    assert shell.run("echo fine").output == "fine\n"


def test_a_source_that_cannot_be_read_is_told(shell: Shell) -> None:
    with pytest.raises(TransferError, match=r"/no/such/file.*([Nn]o such|can't open)"):
        shell.download("/no/such/file")
    with pytest.raises(TransferError):
        shell.download("/")


def test_a_full_target_is_told(shell: Shell) -> None:
    with pytest.raises(TransferError, match="No space left"):
        shell.upload(b"content" * 1000, "/dev/full")


def test_a_transfer_that_takes_too_long_is_told(dash: Shell, tmp_path: Path) -> None:
    with pytest.raises(TransferError, match=r"not done within 0\.01 s"):
        dash.upload(os.urandom(60_000), str(tmp_path / "file"), timeout=0.01)
    assert dash.run("echo fine").output == "fine\n"


def test_a_script_runs_with_its_interpreter_and_is_removed(shell: Shell) -> None:
    script = b'#!/bin/sh -u\necho "$#" "$2"\necho $undefined\nexit 5\n'
    result = shell.run_script(script, "a", "b c", check=False, timeout=LONG)
    assert result.output.startswith("2 b c\n")
    assert "undefined" in result.output
    assert result.exit_code == 2
    assert shell.run_script(b'printf %s "$1"', "no shebang").output == "no shebang"
    assert shell.run('ls "$_alpy_f".s*', check=False).exit_code != 0


LOGIN = """
import getpass, os, sys, termios, time
print("\\nBooting... done", flush=True)
while True:
    name = input("rabbit login: ")
    if not name:
        continue
    try:
        password = getpass.getpass("Password: ")
    except EOFError:
        continue
    if (name, password) == ("root", "rabbit"):
        break
    time.sleep(0.2)
    print("Login incorrect", flush=True)
print("Last login: yesterday\\nHave a lot of fun", flush=True)
os.execvp({0!r}, {1!r})
"""


@pytest.fixture(params=SHELLS)
def login_rig(request: pytest.FixtureRequest, rigs: Rigs) -> ShellRig:
    command = SHELLS[request.param]
    return rigs(sys.executable, "-c", LOGIN.format(command[0], list(command)))


def _log_in(rig: ShellRig, **options: object) -> Shell:
    wanted = {"user": "root", "password": "rabbit", "timeout": LONG}
    return log_in(rig.console, **(wanted | options))  # type: ignore[arg-type]


def test_it_logs_in(login_rig: ShellRig) -> None:
    for shell in _using(_log_in(login_rig)):
        assert shell.run("echo $HOME").output == f"{login_rig.folder}/home\n"


def test_no_log_shows_the_password(login_rig: ShellRig, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("DEBUG")
    for shell in _using(_log_in(login_rig)):
        shell.run("true")
    assert "(secret)" in caplog.text
    assert "text='rabbit" not in caplog.text


def test_it_logs_in_when_somebody_is_logged_in_already(login_rig: ShellRig) -> None:
    for _ in _using(_log_in(login_rig)):
        for shell in _using(_log_in(login_rig)):
            assert shell.run("echo again").output == "again\n"


def test_a_wrong_password_is_told_at_once(login_rig: ShellRig) -> None:
    with pytest.raises(LoginError, match="incorrect"):
        _log_in(login_rig, password="wrong")  # noqa: S106
    for shell in _using(_log_in(login_rig)):
        assert shell.run("echo in").output == "in\n"


def test_a_prompt_torn_by_a_kernel_message_is_asked_for_again(rigs: Rigs) -> None:
    tears = iter([b"log" + MESSAGE + b"in: "])
    command = LOGIN.format("dash", ["dash", "-i"])

    def tear(data: bytes) -> bytes:
        return data.replace(b"login: ", next(tears, b"login: ")) if b"login: " in data else data

    for shell in _using(_log_in(rigs(sys.executable, "-c", command, noise=tear))):
        assert shell.run("echo in").output == "in\n"


def test_a_silent_console_is_a_timeout_that_says_so(rigs: Rigs) -> None:
    rig = rigs("sleep", "60")
    with pytest.raises(ConsoleTimeoutError, match="login prompt"):
        _log_in(rig, timeout=3)


def test_nothing_is_typed_into_what_is_no_prompt(rigs: Rigs) -> None:
    boot_loader = "echo 'GNU GRUB'; read key; echo typed: $key; sleep 60"
    rig = rigs("sh", "-c", boot_loader)
    with pytest.raises(ConsoleTimeoutError) as raised:
        _log_in(rig, timeout=3)
    assert "GRUB" in str(raised.value)
    assert "typed" not in str(raised.value)


def test_what_is_no_shell_is_a_timeout(rigs: Rigs) -> None:
    rig = rigs("cat")
    with pytest.raises(ConsoleTimeoutError, match="POSIX shell"):
        attach(rig.console, timeout=3)
