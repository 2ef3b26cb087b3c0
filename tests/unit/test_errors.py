# SPDX-License-Identifier: GPL-3.0-or-later
"""Every error says what a person needs, keeps its facts, and goes through a process pool whole."""

from __future__ import annotations

import copy
import inspect
import pickle

import pytest

from alpy.core import errors
from alpy.core.errors import SEEN_LIMIT, AlpyError
from alpy.core.exit_status import ExitStatus
from alpy.core.ports import Leftover

KILLED = ExitStatus(signal=9)

EXAMPLES: dict[AlpyError, str] = {
    errors.InvalidValueError("MTU 3: no"): "MTU 3: no",
    errors.LifecycleError(step="start", state="gone", allowed=["quit", "see the exit of"]): (
        "cannot start a VM that is gone; possible: quit, see the exit of"
    ),
    errors.DeadlineError(awaited="the appliance's shutdown", seconds=60.0): (
        "the appliance's shutdown did not happen within 60 s"
    ),
    errors.HostError(asked="/dev/net/tun", found="no permission", remedy="Run: chmod 666 it"): (
        "/dev/net/tun: no permission. Run: chmod 666 it"
    ),
    errors.DockerError(asked="Docker daemon", found="not there", remedy="Start it."): (
        "Docker daemon: not there. Start it."
    ),
    errors.ImageMissingError(image="tools"): (
        "image 'tools': not on this host. Build it (scripts/setup makes alpy's own images)"
        " or run: docker pull tools"
    ),
    errors.RunDirectoryError(asked="runs/a", found="it holds files", remedy="Move it away."): (
        "runs/a: it holds files. Move it away."
    ),
    errors.NoRoomError(asked="room for 1 CPU", found="none", remedy="Run fewer."): (
        "room for 1 CPU: none. Run fewer."
    ),
    errors.ApplianceFileError(asked="disk.img", found="is no qcow2", remedy="Say raw."): (
        "disk.img: is no qcow2. Say raw."
    ),
    errors.MachineRefusedError(status=ExitStatus(code=1), stderr="-foo: invalid option\n"): (
        "QEMU ended with exit code 1: -foo: invalid option"
    ),
    errors.MachineDiedError(status=KILLED, stderr=""): "QEMU died (SIGKILL): it said nothing",
    errors.MachineStoppedError(process=4711): (
        "QEMU does not answer: a signal has stopped its process 4711, which would go on with: "
        "kill -CONT 4711"
    ),
    errors.MonitorError(command="eject", answer="Device 'x' not found"): (
        "QMP command 'eject': Device 'x' not found"
    ),
    errors.MonitorTimeoutError(command="quit", seconds=0.5): (
        "QMP command 'quit': no answer within 0.5 s"
    ),
    errors.EventTimeoutError(event="STOP", seconds=2, seen=["RESUME", "RESET"]): (
        "no QMP event 'STOP' within 2 s; events seen: RESUME, RESET"
    ),
    errors.ConsoleTimeoutError(awaited="'login: '", seconds=30, seen="\r\nPanic\r\n"): (
        "console did not show 'login: ' within 30 s; it last showed:\nPanic"
    ),
    errors.ConsoleLostError(awaited="'login: '", seen="Bye\r\n"): (
        "console ended while waiting for 'login: '; it last showed:\nBye"
    ),
    errors.ConsoleClosedError(): "the console is closed: its testbed has ended",
    errors.LoginError(user="root", seen="Login incorrect\r\n"): (
        "the appliance refused the login of 'root'; it last showed:\nLogin incorrect"
    ),
    errors.ShellError(command="false", exit_code=1, output="no\r\n"): (
        "'false' in the appliance exited with 1:\nno"
    ),
    errors.TransferError(file="/etc/hosts", reason="digests differ"): (
        "transfer of /etc/hosts: digests differ"
    ),
    errors.AppFailedError(app="web", command=["nginx", "-t"], status=KILLED, log="oops\n"): (
        "app web ['nginx', '-t'] was killed by SIGKILL; it last said:\noops"
    ),
    errors.SavedStateError(state="rabbit 1f2e", reason="its file 'memory' has changed"): (
        "saved state rabbit 1f2e can't be used: its file 'memory' has changed"
    ),
    errors.AppTimeoutError(app="web", awaited="its end", seconds=5, log=" \n"): (
        "app web: its end did not happen within 5 s; it said nothing"
    ),
    errors.NodeDiedError(node=1): "node 1 ended under the test; its link is gone",
    errors.LeakError(
        leftovers=[Leftover("socket:[7]", "monitor"), Leftover("tap alpyx0", "skeleton")],
        remedy="It goes when this process ends",
    ): (
        "left behind by this run: socket:[7] (made by monitor), tap alpyx0 (made by skeleton)."
        " It goes when this process ends. That no release told of it is a bug in alpy: please"
        " report it, with debug.log"
    ),
    errors.CaptureError(file="link0.pcap", reason="cut short"): (
        "capture link0.pcap is not whole: cut short"
    ),
}


def _of_kind(error: AlpyError) -> str:
    return type(error).__name__


def test_every_error_has_an_example_here() -> None:
    kinds = {
        kind
        for kind in vars(errors).values()
        if inspect.isclass(kind) and issubclass(kind, AlpyError)
    }
    assert {type(error) for error in EXAMPLES} == kinds - {AlpyError}


@pytest.mark.parametrize("error", EXAMPLES, ids=_of_kind)
def test_an_error_says_what_a_person_needs(error: AlpyError) -> None:
    assert str(error) == EXAMPLES[error]


@pytest.mark.parametrize("error", EXAMPLES, ids=_of_kind)
@pytest.mark.parametrize("copied", [lambda e: pickle.loads(pickle.dumps(e)), copy.copy])  # noqa: S301
def test_an_error_keeps_text_and_facts_when_it_is_copied(error: AlpyError, copied: object) -> None:
    assert callable(copied)
    twin = copied(error)
    assert type(twin) is type(error)
    assert (str(twin), twin.args, vars(twin)) == (str(error), error.args, vars(error))


def test_notes_are_copied_too() -> None:
    error = errors.NodeDiedError(node=1)
    error.add_note("teardown also failed")
    twin = pickle.loads(pickle.dumps(error))  # noqa: S301
    assert twin.__notes__ == ["teardown also failed"]


@pytest.mark.parametrize("error", EXAMPLES, ids=_of_kind)
def test_an_error_that_means_too_late_is_a_timeout_error(error: AlpyError) -> None:
    late = any(word in _of_kind(error) for word in ("Timeout", "Deadline", "NoRoom"))
    assert isinstance(error, TimeoutError) == late


@pytest.mark.parametrize("error", EXAMPLES, ids=_of_kind)
def test_a_message_ends_without_white_space(error: AlpyError) -> None:
    assert str(error) == str(error).strip()


def test_a_long_log_is_cut_at_its_front_in_the_text_and_kept_whole_as_a_fact() -> None:
    log = "first\n" + "x" * 10_000 + "\nlast\n"
    error = errors.AppFailedError(app="web", command=["x"], status=KILLED, log=log)
    assert str(error).endswith("last")
    assert "first" not in str(error)
    assert len(str(error)) < SEEN_LIMIT + 100
    assert error.log == log


def test_a_machine_that_never_started_says_so() -> None:
    error = errors.MachineRefusedError(status=None, stderr="")
    assert str(error) == "QEMU did not start: it said nothing"


def test_a_machine_whose_end_is_not_known_yet_says_so() -> None:
    error = errors.MachineDiedError(status=None, stderr="ouch")
    assert str(error) == "QEMU died (no exit status yet): ouch"


def test_a_console_that_showed_nothing_says_so() -> None:
    timeout = errors.ConsoleTimeoutError(awaited="'# '", seconds=1, seen="\r\n")
    assert str(timeout) == "console did not show '# ' within 1 s; it showed nothing"
    lost = errors.ConsoleLostError(awaited="'# '", seen="")
    assert str(lost) == "console ended while waiting for '# '; it showed nothing"


def test_an_event_timeout_without_any_event_says_so() -> None:
    error = errors.EventTimeoutError(event="STOP", seconds=1, seen=[])
    assert str(error) == "no QMP event 'STOP' within 1 s; events seen: none"


def test_a_refusal_in_a_state_without_a_way_out_says_so() -> None:
    error = errors.LifecycleError(step="start", state="gone", allowed=[])
    assert str(error) == "cannot start a VM that is gone; possible: nothing"
