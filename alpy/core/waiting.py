# SPDX-License-Identifier: GPL-3.0-or-later
"""Deadlines, and waiting for a condition, over the Clock port."""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeVar

from attrs import Attribute, field, frozen

from alpy.core.errors import DeadlineError, InvalidValueError

if TYPE_CHECKING:
    from collections.abc import Callable

    from alpy.core.ports import Clock

T = TypeVar("T")

# A probe that fails is asked again soon at first and then ever later, up to so many seconds of the
# host: short waits stay short, long ones cost next to no CPU.
_FIRST_INTERVAL = 0.005
_LAST_INTERVAL = 0.1


def _positive(_limits: Limits, attribute: Attribute[float], seconds: float) -> None:
    if seconds <= 0:
        raise InvalidValueError(f"limit {attribute.name} = {seconds}: more than 0 s are wanted")


@frozen(kw_only=True)
class Limits:
    """How long alpy's own steps may take, in seconds. They bound faults; no good run feels them."""

    container: float = field(default=30.0, validator=_positive)
    """One request to the Docker daemon, or one batch of `ip` commands."""
    room: float = field(default=3600.0, validator=_positive)
    """The wait for other virtual machines on the host to end, before anything else is taken."""
    prepare: float = field(default=600.0, validator=_positive)
    """The wait for another run that makes the saved state which this one wants too."""
    launch: float = field(default=10.0, validator=_positive)
    """From the start of the hypervisor to its monitor's greeting."""
    monitor: float = field(default=10.0, validator=_positive)
    """One monitor command."""
    quit: float = field(default=5.0, validator=_positive)
    """From a request to quit to the end of the hypervisor; then it is killed."""
    app_stop: float = field(default=10.0, validator=_positive)
    """From an app's stop signal to its end; then it is killed."""


@frozen
class Deadline:
    """A moment on a clock, *seconds* after it was set."""

    clock: Clock
    seconds: float
    end: float

    @classmethod
    def after(cls, seconds: float, *, clock: Clock) -> Deadline:
        return cls(clock, seconds, clock.now() + seconds)

    @property
    def remaining(self) -> float:
        """Seconds left, never below 0."""
        return max(0.0, self.end - self.clock.now())

    @property
    def host_remaining(self) -> float:
        """The same in seconds of the host: for all that waits without this clock."""
        return self.remaining * self.clock.scale

    @property
    def passed(self) -> bool:
        return self.remaining <= 0

    def turn(self, host_seconds: float) -> float:
        """How long to wait till the next look: so many seconds of the host, or what remains.

        A slow clock makes a limit longer, and not the time between two looks.
        """
        return min(host_seconds / self.clock.scale, self.remaining)


def wait_until(
    probe: Callable[[], T | None],
    *,
    awaited: str,
    timeout: float,
    clock: Clock,
) -> T:
    """Ask *probe* until it answers with something other than None or False, and return that.

    What *probe* raises ends the wait at once.

    Raises:
        DeadlineError: *timeout* seconds passed first; the probe was asked at least once.
    """
    deadline = Deadline.after(timeout, clock=clock)
    interval = _FIRST_INTERVAL
    while True:
        answer = probe()
        if answer is not None and answer is not False:
            return answer
        if deadline.passed:
            raise DeadlineError(awaited=awaited, seconds=timeout)
        clock.sleep(deadline.turn(interval))
        interval = min(2 * interval, _LAST_INTERVAL)
