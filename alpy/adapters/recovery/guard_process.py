# SPDX-License-Identifier: GPL-3.0-or-later
"""The guard's program: it waits for the end of the process that started it.

It is run as a file of its own, by `python -I -S`, and imports alpy only when it has to act: until
then it is a small process that sleeps. Arguments: the run's id, the run directory, the process's
id, and the module search path. Standard input is a pipe from that process: "done" means that the
run has ended well, "act" that the guard shall; its end, or the process's own, that it has died.
"""

import contextlib
import os
import select
import signal
import sys

# How long a run's traces are looked for: a daemon that was killed may take half a minute to return.
LIMIT = 120.0
# So many looks in a row that find nothing are enough for the record to be closed.
EMPTY_LOOKS = 3


def main(run: str, directory: str, pid: int, path: list[str]) -> None:
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)
    os.chdir("/")
    word = wait_for_word(pid)
    if word == b"done":
        return
    sys.path[:] = path
    try:
        act(run, directory, died=None if word else pid)
    except BaseException as error:
        tell(directory, f"The guard failed: {type(error).__name__}: {error}")
        raise


def wait_for_word(pid: int) -> bytes:
    """What the process said last; nothing if it died without a word."""
    ends = select.poll()
    ends.register(0, select.POLLIN)
    # A child that it forked may hold the pipe open beyond its death.
    with contextlib.suppress(OSError):  # a kernel without such descriptors: the pipe has to do
        ends.register(os.pidfd_open(pid), select.POLLIN)
    if os.getppid() != pid:
        return b""
    ready = [descriptor for descriptor, _event in ends.poll()]
    return os.read(0, 16) if 0 in ready else b""


def act(run: str, directory: str, died: int | None) -> None:
    from alpy.adapters.recovery.recovery import clear_run  # noqa: PLC0415  only when it is needed

    why = f"its process {died} died" if died else "it handed over what it could not remove"
    # A live process has waited by itself for what it had asked for.
    late = died is not None
    clear_run(run, directory=directory, why=why, looks=EMPTY_LOOKS, late=late, timeout=LIMIT)


def tell(directory: str, line: str) -> None:
    with open(f"{directory}/debug.log", "a", encoding="utf-8", errors="replace") as log:  # noqa: PTH123
        log.write(f"{line}\n")


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2], int(sys.argv[3]), sys.argv[4:])
