# SPDX-License-Identifier: GPL-3.0-or-later
"""Everything that alpy raises on purpose, named by whose fault it is.

=========================  ==========================================================
your test or your values   InvalidValueError, LifecycleError, ConsoleClosedError
nobody, or all of them     DeadlineError: something awaited did not come
the host                   HostError, DockerError, ImageMissingError, RunDirectoryError,
                           NoRoomError
the appliance              ApplianceFileError, ConsoleTimeoutError, ConsoleLostError, LoginError,
                           ShellError, TransferError
QEMU                       MachineRefusedError, MachineDiedError, MachineStoppedError,
                           MonitorError, MonitorTimeoutError, EventTimeoutError
a node or an app           NodeDiedError, AppFailedError, AppTimeoutError
the evidence               CaptureError
a saved state              SavedStateError
alpy itself                LeakError
=========================  ==========================================================

A class takes facts, keeps them as attributes, and writes its own text.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Sequence

    from alpy.core.exit_status import ExitStatus
    from alpy.core.ports import Leftover

# How much of a console or log an error repeats: enough for a screen, not for a scroll.
SEEN_LIMIT = 800


def _rebuild(kind: type[AlpyError], args: tuple[Any, ...], facts: dict[str, Any]) -> AlpyError:
    error = kind.__new__(kind, *args)
    error.args = args
    error.__dict__.update(facts)
    return error


class AlpyError(Exception):
    """The root of every error that alpy raises on purpose."""

    def __reduce__(self) -> tuple[Any, ...]:
        # Exception pickles by calling the class with args, which fails for keyword-only facts.
        return (_rebuild, (type(self), self.args, self.__dict__))


class InvalidValueError(AlpyError, ValueError):
    """A value that can't work, refused where it was made."""


class LifecycleError(AlpyError, RuntimeError):
    """A step that the state of the VM does not allow. Nothing was changed."""

    def __init__(self, *, step: str, state: str, allowed: Sequence[str]) -> None:
        possible = ", ".join(allowed) or "nothing"
        super().__init__(f"cannot {step} a VM that is {state}; possible: {possible}")
        self.step, self.state, self.allowed = step, state, tuple(allowed)


class DeadlineError(AlpyError, TimeoutError):
    """Something awaited did not come in time."""

    def __init__(self, *, awaited: str, seconds: float) -> None:
        super().__init__(f"{awaited} did not happen within {seconds:g} s")
        self.awaited, self.seconds = awaited, seconds


class HostError(AlpyError):
    """The host lacks something: a program, a permission, a file, room."""

    def __init__(self, *, asked: str, found: str, remedy: str) -> None:
        super().__init__(f"{asked}: {found}. {remedy}")
        self.asked, self.found, self.remedy = asked, found, remedy


class DockerError(HostError):
    """The Docker daemon can't be reached, or refused a request."""


class ImageMissingError(DockerError):
    """A container image is not on this host. alpy never pulls one by itself."""

    def __init__(self, *, image: str) -> None:
        super().__init__(
            asked=f"image {image!r}",
            found="not on this host",
            remedy="Build it (scripts/setup makes alpy's own images) or run: docker pull " + image,
        )
        self.image = image


class RunDirectoryError(HostError):
    """The run directory can't be taken or written."""


class NoRoomError(HostError, TimeoutError):
    """Other virtual machines had the host to themselves for longer than this one could wait."""


class ApplianceFileError(HostError):
    """A file of the appliance is missing, unreadable, or not what it is said to be."""


class MachineRefusedError(AlpyError):
    """The hypervisor did not start this appliance."""

    def __init__(self, *, status: ExitStatus | None, stderr: str) -> None:
        ended = f"ended with {status}" if status is not None else "did not start"
        super().__init__(f"QEMU {ended}: {_tail(stderr) or 'it said nothing'}")
        self.status, self.stderr = status, stderr


class MachineDiedError(AlpyError):
    """The hypervisor's process ended though nobody asked it to."""

    def __init__(self, *, status: ExitStatus | None, stderr: str) -> None:
        how = str(status) if status is not None else "no exit status yet"
        super().__init__(f"QEMU died ({how}): {_tail(stderr) or 'it said nothing'}")
        self.status, self.stderr = status, stderr


class MachineStoppedError(AlpyError):
    """Somebody's signal has stopped the hypervisor's process: it is there, and does nothing."""

    def __init__(self, *, process: int) -> None:
        super().__init__(
            f"QEMU does not answer: a signal has stopped its process {process}, which would go on"
            f" with: kill -CONT {process}"
        )
        self.process = process


class MonitorError(AlpyError):
    """The monitor refused a command or broke its protocol."""

    def __init__(self, *, command: str, answer: str) -> None:
        super().__init__(f"QMP command {command!r}: {answer}")
        self.command, self.answer = command, answer


class MonitorTimeoutError(MonitorError, TimeoutError):
    """The monitor did not answer in time."""

    def __init__(self, *, command: str, seconds: float) -> None:
        super().__init__(command=command, answer=f"no answer within {seconds:g} s")
        self.seconds = seconds


class EventTimeoutError(AlpyError, TimeoutError):
    """The monitor did not report an awaited event in time."""

    def __init__(self, *, event: str, seconds: float, seen: Sequence[str]) -> None:
        others = ", ".join(seen) or "none"
        super().__init__(f"no QMP event {event!r} within {seconds:g} s; events seen: {others}")
        self.event, self.seconds, self.seen = event, seconds, tuple(seen)


class ConsoleTimeoutError(AlpyError, TimeoutError):
    """The console did not show what was awaited; it is open and can go on."""

    def __init__(self, *, awaited: str, seconds: float, seen: str) -> None:
        shown = _tail(seen)
        last = f"it last showed:\n{shown}" if shown else "it showed nothing"
        super().__init__(f"console did not show {awaited} within {seconds:g} s; {last}")
        self.awaited, self.seconds, self.seen = awaited, seconds, seen


class ConsoleLostError(AlpyError, EOFError):
    """The far end of the console closed: the VM ended. It was not closed by us."""

    def __init__(self, *, awaited: str, seen: str) -> None:
        shown = _tail(seen)
        last = f"it last showed:\n{shown}" if shown else "it showed nothing"
        super().__init__(f"console ended while waiting for {awaited}; {last}")
        self.awaited, self.seen = awaited, seen


class ConsoleClosedError(AlpyError):
    """This console was closed by us before the call: a fault of the test's order."""

    def __init__(self) -> None:
        super().__init__("the console is closed: its testbed has ended")


class LoginError(AlpyError):
    """The appliance refused this user with this password."""

    def __init__(self, *, user: str, seen: str) -> None:
        super().__init__(
            f"the appliance refused the login of {user!r}; it last showed:\n{_tail(seen)}"
        )
        self.user, self.seen = user, seen


class ShellError(AlpyError):
    """A program that the test ran in the appliance's shell exited with another code than 0."""

    def __init__(self, *, command: str, exit_code: int, output: str) -> None:
        super().__init__(
            f"{command!r} in the appliance exited with {exit_code}:\n{_tail(output)}".rstrip()
        )
        self.command, self.exit_code, self.output = command, exit_code, output


class TransferError(AlpyError):
    """A file did not reach the other side of the console whole."""

    def __init__(self, *, file: str, reason: str) -> None:
        super().__init__(f"transfer of {file}: {reason}")
        self.file, self.reason = file, reason


class AppFailedError(AlpyError):
    """An app ended in another way than it should."""

    def __init__(self, *, app: str, command: Sequence[str], status: ExitStatus, log: str) -> None:
        said = f"; it last said:\n{_tail(log)}" if log.strip() else "; it said nothing"
        super().__init__(f"app {app} {list(command)} {status.sentence}{said}")
        self.app, self.command, self.status, self.log = app, tuple(command), status, log


class AppTimeoutError(AlpyError, TimeoutError):
    """An app did not do in time what was awaited. It may still run."""

    def __init__(self, *, app: str, awaited: str, seconds: float, log: str) -> None:
        said = f"; it last said:\n{_tail(log)}" if log.strip() else "; it said nothing"
        super().__init__(f"app {app}: {awaited} did not happen within {seconds:g} s{said}")
        self.app, self.awaited, self.seconds, self.log = app, awaited, seconds, log


class NodeDiedError(AlpyError):
    """A node's container ended under the test, and the link's network namespace with it."""

    def __init__(self, *, node: int) -> None:
        super().__init__(f"node {node} ended under the test; its link is gone")
        self.node = node


class CaptureError(AlpyError):
    """A capture is not whole, so it does not hold every frame of its link."""

    def __init__(self, *, file: str, reason: str) -> None:
        super().__init__(f"capture {file} is not whole: {reason}")
        self.file, self.reason = file, reason


class SavedStateError(AlpyError):
    """A saved state of the appliance can't be used, or made; to boot it leads to the same place.

    *lasting*: it will be so the next time, too, as it is with a damaged one and not in a hurry.
    """

    def __init__(self, *, state: str, reason: str, lasting: bool = True) -> None:
        super().__init__(f"saved state {state} can't be used: {reason}")
        self.state, self.reason, self.lasting = state, reason, lasting


class LeakError(AlpyError):
    """Things of a run are still there, though no release said so: a bug of alpy's own."""

    def __init__(self, *, leftovers: Sequence[Leftover], remedy: str) -> None:
        super().__init__(
            f"left behind by this run: {', '.join(map(str, leftovers))}. {remedy}."
            " That no release told of it is a bug in alpy: please report it, with debug.log"
        )
        self.leftovers, self.remedy = tuple(leftovers), remedy


def described(error: BaseException) -> str:
    """The kind of *error*, and its text if it has one: to tell of it must not fail."""
    kind = type(error).__name__
    try:
        return f"{kind}: {error}"
    except Exception as broken:  # noqa: BLE001  it is the test's own class
        return f"{kind} (its text can't be made: {type(broken).__name__})"


def _tail(text: str) -> str:
    text = text.strip()
    return text if len(text) <= SEEN_LIMIT else "..." + text[-SEEN_LIMIT:]
