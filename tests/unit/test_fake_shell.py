# SPDX-License-Identifier: GPL-3.0-or-later
"""The shell that the core offers, on a console that plays a script."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from alpy import fakes
from alpy.core.appliance import Appliance, Kernel
from alpy.core.errors import LoginError, ShellError, TransferError
from alpy.core.shell import Shell, log_in
from alpy.core.shell.framing import quoted
from alpy.core.testbed import Testbed
from alpy.fakes import Script, ShellAnswers, World
from alpy.fakes.shell import argument_text

RABBIT = Appliance(name="rabbit", kernel=Kernel(image="vmlinuz"))

ANSWERS = {
    "uname -r": (0, "6.1.0\n"),
    "cat /etc/motd": (0, "grüß dich\n"),
    "false": (1, ""),
    "ip link set 'my nic' up": (2, "no such device\n"),
    "poweroff": (0, ""),
}


def _booted(answers: ShellAnswers, password: str = "secret") -> World:  # noqa: S107
    script = (
        Script()
        .prints("Booting\r\nrabbit login: ", after=2)
        .reads("root\n")
        .prints("Password: ")
        .reads(f"{password}\n", echo=False)
        .prints("\r\nWelcome\r\n# ")
        .answers(answers)
    )
    return World(script=script)


def _shell(bed: Testbed) -> Shell:
    bed.dut.start()
    return log_in(bed.console, user="root", password="secret")  # noqa: S106


def test_log_in_and_run_as_on_a_real_appliance() -> None:
    answers = ShellAnswers(ANSWERS)
    world = _booted(answers)
    with fakes.testbed(RABBIT, 0, world=world) as bed:
        shell = _shell(bed)
        assert shell.run("uname -r").output == "6.1.0\n"
        assert shell.run(["cat", "/etc/motd"]).output == "grüß dich\n"
        assert shell.run("false", check=False).exit_code == 1
        with pytest.raises(ShellError, match="exited with 2:\nno such device"):
            shell.run(["ip", "link", "set", "my nic", "up"])
        with pytest.raises(ShellError, match="exited with 127:\nsh: frobnicate: not found"):
            shell.run("frobnicate")
    assert answers.ran == [*list(ANSWERS)[:4], "frobnicate"]
    assert not world.alive


def test_lines_typed_by_hand_are_answered_too() -> None:
    world = _booted(ShellAnswers(ANSWERS))
    with fakes.testbed(RABBIT, 0, world=world) as bed:
        _shell(bed)
        bed.console.send("uname -r\n")
        bed.console.expect(r"6\.1\.0\r\n# ", timeout=1)


def test_answers_may_come_from_a_function() -> None:
    world = _booted(ShellAnswers(lambda command: (0, command.upper())))
    with fakes.testbed(RABBIT, 0, world=world) as bed:
        assert _shell(bed).run("echo 'quiet'").output == "ECHO 'QUIET'"


def test_a_refused_password_is_an_error_of_the_login() -> None:
    script = (
        Script()
        .prints("login: ")
        .reads("root\n")
        .prints("Password: ")
        .reads("secret\n", echo=False)
        .prints("\r\nLogin incorrect\r\nlogin: ", after=2)
    )
    world = World(script=script)
    with fakes.testbed(RABBIT, 0, world=world) as bed, pytest.raises(LoginError):
        _shell(bed)


@pytest.mark.parametrize("output", ["a\rb\r\n", "alpy.1.t.0.0<", "x" * 8193, "\x1b[1mbold\x1b[m"])
def test_any_output_comes_through(output: str) -> None:
    world = _booted(ShellAnswers({"show": (3, output)}))
    with fakes.testbed(RABBIT, 0, world=world) as bed:
        result = _shell(bed).run("show", check=False)
    assert (result.exit_code, result.output) == (3, output)


def test_a_command_too_long_to_be_typed_is_run_too() -> None:
    command = "echo " + "grüß dich " * 200
    answers = ShellAnswers(lambda _command: (0, "done\n"))
    with fakes.testbed(RABBIT, 0, world=_booted(answers)) as bed:
        assert _shell(bed).run(command).output == "done\n"
    assert answers.ran == [command]


def test_a_script_is_uploaded_run_and_removed() -> None:
    seen: list[bytes] = []

    def run(command: str) -> tuple[int, str]:
        seen.append(answers.files[command.split()[2]])
        return 0, "counted\n"

    answers = ShellAnswers(run)
    with fakes.testbed(RABBIT, 0, world=_booted(answers)) as bed:
        result = _shell(bed).run_script(b"#!/bin/awk -f\nEND { print NR }\n", "a file")
    assert result.output == "counted\n"
    assert seen == [b"#!/bin/awk -f\nEND { print NR }\n"]
    assert [command.partition(" ")[0] for command in answers.ran] == ["/bin/awk"]
    assert answers.files == {}


PATHS = st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]), min_size=1)


@settings(max_examples=50, deadline=None)
@given(path=PATHS, data=st.binary(max_size=3000), mode=st.none() | st.integers(0, 0o777))
def test_any_bytes_go_up_and_come_down_by_any_path(
    path: str, data: bytes, mode: int | None
) -> None:
    answers = ShellAnswers({})
    with fakes.testbed(RABBIT, 0, world=_booted(answers)) as bed:
        shell = _shell(bed)
        shell.upload(data, path, mode=mode)
        assert answers.files == {path: data}
        assert answers.modes == ({} if mode is None else {path: mode})
        answers.files[path] = data[::-1]
        assert shell.download(path) == data[::-1]


def test_a_file_of_several_blocks_goes_up_and_comes_down() -> None:
    data = bytes(range(256)) * 600
    answers = ShellAnswers({})
    with fakes.testbed(RABBIT, 0, world=_booted(answers)) as bed:
        shell = _shell(bed)
        shell.upload(data, "/tmp/file")
        assert shell.download("/tmp/file") == data


def test_a_missing_file_is_an_error_of_the_transfer() -> None:
    with fakes.testbed(RABBIT, 0, world=_booted(ShellAnswers({}))) as bed:
        shell = _shell(bed)
        with pytest.raises(TransferError, match=r"/etc/passwd: .*no such file"):
            shell.download("/etc/passwd")


@given(st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]), min_size=1))
def test_every_command_arrives_as_it_was_written(command: str) -> None:
    assert argument_text(quoted(command)) == command
