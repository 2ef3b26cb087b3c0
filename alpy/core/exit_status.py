# SPDX-License-Identifier: GPL-3.0-or-later
"""How a process or a container ended."""

from __future__ import annotations

from attrs import frozen

from alpy.core.errors import InvalidValueError

# A shell, and Docker, report death by signal N as 128 + N. Linux has signals 1 to 64.
_SIGNAL_BASE = 128
_LAST_SIGNAL = 64

_SIGNAL_NAMES = {
    1: "SIGHUP", 2: "SIGINT", 3: "SIGQUIT", 4: "SIGILL", 5: "SIGTRAP", 6: "SIGABRT", 7: "SIGBUS",
    8: "SIGFPE", 9: "SIGKILL", 10: "SIGUSR1", 11: "SIGSEGV", 12: "SIGUSR2", 13: "SIGPIPE",
    14: "SIGALRM", 15: "SIGTERM", 24: "SIGXCPU", 25: "SIGXFSZ", 31: "SIGSYS",
}  # fmt: skip  # Linux on x86 and Arm; the signal module would give the numbers of the test's host


def signal_name(name: str) -> str:
    """*name* with its "SIG", as "SIGTERM" for "term".

    Raises:
        InvalidValueError: no such signal is known here.
    """
    full = name.upper() if name.upper().startswith("SIG") else f"SIG{name.upper()}"
    if full not in _SIGNAL_NAMES.values():
        raise InvalidValueError(f"signal {name!r}: known are {', '.join(_SIGNAL_NAMES.values())}")
    return full


# What the kernel sends a process that has made a mistake; see signal(7).
_MISTAKES = frozenset({4, 6, 7, 8, 11, 31})


@frozen(kw_only=True)
class ExitStatus:
    """An exit code from 0 to 255, or the number of the signal that ended the process."""

    code: int | None = None
    signal: int | None = None

    @classmethod
    def from_wait(cls, returncode: int) -> ExitStatus:
        """From `subprocess`'s return code, where -N stands for signal N."""
        return cls(signal=-returncode) if returncode < 0 else cls(code=returncode)

    @classmethod
    def from_container(cls, code: int) -> ExitStatus:
        """From a container's code. 193 to 255 are plain exit codes: no signal is that high."""
        if _SIGNAL_BASE < code <= _SIGNAL_BASE + _LAST_SIGNAL:
            return cls(signal=code - _SIGNAL_BASE)
        return cls(code=code)

    @property
    def ok(self) -> bool:
        return self.code == 0

    @property
    def is_own_fault(self) -> bool:
        """Whether the process gave up or crashed, and nobody else has ended it."""
        return self.signal in _MISTAKES if self.code is None else self.code != 0

    @property
    def sentence(self) -> str:
        """How it ended, as the second half of a sentence."""
        if self.signal is not None:
            return f"was killed by {self}"
        return f"ended with {self}"

    def __str__(self) -> str:
        if self.signal is not None:
            return _SIGNAL_NAMES.get(self.signal, f"signal {self.signal}")
        return f"exit code {self.code}"
