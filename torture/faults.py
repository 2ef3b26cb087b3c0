# SPDX-License-Identifier: GPL-3.0-or-later
"""The faults: what is done to a run, at some moment of its life, and what has to come of it."""

from __future__ import annotations

import signal
from collections.abc import Callable, Mapping
from functools import partial
from typing import Final

from attrs import frozen

from torture import blows, refusals
from torture.arena import Arena
from torture.sweeps import killed_sweep, one_sweep, two_sweeps


@frozen(kw_only=True)
class Fault:
    what: str
    """For people, a line."""
    inflict: Callable[[Arena], object]
    raises: str = ""
    """A regular expression that fits the error of a test that was struck while it ran."""
    refused: float | None = None
    """No test begins: the testbed raises that error so many seconds after it is entered."""
    killed: bool = False
    """Its Python was killed, so its guard has to complete the record."""
    gives_up: bool = False
    """If it came in time, its Python has ended itself, and its guard has to complete the record."""
    guarded: bool = True
    """If not, what is left may wait for the next sweep."""
    passes: bool = False
    """Nothing was done to the run itself: it has to pass."""
    root: bool = False
    """Only root can do it."""
    daemon: bool = False
    """It is done to a Docker daemon of our own. Only root can have one."""
    blames_state: bool = False
    """It may look as if QEMU can't do with the saved state that a life has found."""
    single: bool = True
    """One life suffers it, which may be Rabbit's too."""


_node, _app = (partial(blows.end_container, role) for role in ("node", "app"))
_INTERRUPTED: Final = "KeyboardInterrupt"
_NODE: Final = "NodeDiedError: node [01] "
_APP: Final = r"AppFailedError: app node[01]-\d-(sleep|sh) .*SIGKILL"
_DOCKER: Final = "DockerError: "


def _died(how: str) -> str:
    return rf"MachineDiedError: QEMU died \({how}\): "


def _refused(words: str) -> str:
    return rf"MachineRefusedError: QEMU ended with exit code 1: .*{words}"


FAULTS: Final[Mapping[str, Fault]] = {
    "none": Fault(what="nothing is done; it has to pass", inflict=blows.nothing, passes=True),
    "SIGINT": Fault(
        what="Ctrl-C", inflict=partial(blows.send_signals, signal.SIGINT, 1), raises=_INTERRUPTED
    ),
    "SIGINT-twice": Fault(
        what="Ctrl-C, and again while it tears down",
        inflict=partial(blows.send_signals, signal.SIGINT, 2),
        raises=_INTERRUPTED,
    ),
    "SIGINT-thrice": Fault(
        what="Ctrl-C three times, which leaves the rest to the guard",
        inflict=blows.press_until_it_gives_up,
        raises=_INTERRUPTED,
        gives_up=True,
    ),
    "SIGTERM": Fault(
        what="a polite kill",
        inflict=partial(blows.send_signals, signal.SIGTERM, 1),
        raises="SystemExit: 143",
    ),
    "SIGHUP": Fault(
        what="its terminal goes",
        inflict=partial(blows.send_signals, signal.SIGHUP, 1),
        raises="SystemExit: 129",
    ),
    "SIGKILL": Fault(
        what="its Python is killed",
        inflict=partial(blows.send_signals, signal.SIGKILL, 1),
        killed=True,
    ),
    "SIGKILL-with-guard": Fault(
        what="its Python and its guard are killed; the next sweep may have to clear up",
        inflict=blows.kill_python_and_guard,
        guarded=False,
    ),
    "guard-SIGKILL": Fault(
        what="its guard is killed; it has to pass", inflict=blows.kill_guard, passes=True
    ),
    "qemu-SIGKILL": Fault(
        what="QEMU is killed",
        inflict=partial(blows.signal_qemu, signal.SIGKILL),
        raises=_died("SIGKILL"),
    ),
    "qemu-SIGSEGV": Fault(
        what="QEMU crashes",
        inflict=partial(blows.signal_qemu, signal.SIGSEGV),
        blames_state=True,
        raises=_died("SIGSEGV"),
    ),
    "qemu-SIGTERM": Fault(
        what="QEMU exits by itself",
        inflict=partial(blows.signal_qemu, signal.SIGTERM),
        raises=_died("exit code 0") + ".*terminating on signal 15",
    ),
    "qemu-SIGSTOP": Fault(
        what="QEMU is stopped and does not answer",
        inflict=partial(blows.signal_qemu, signal.SIGSTOP),
        raises="MachineStoppedError: ",
    ),
    "qemu-option": Fault(
        what="QEMU refuses an option",
        inflict=partial(refusals.refused, options=("-no-such-option",)),
        raises=_refused("no-such-option"),
        refused=0,
    ),
    "qemu-device": Fault(
        what="QEMU does not know a device",
        inflict=partial(refusals.refused, options=("-device", "no-such-nic")),
        raises=_refused("no-such-nic"),
        refused=0,
    ),
    "qemu-kernel": Fault(
        what="the kernel is none",
        inflict=refusals.no_kernel,
        raises=f"ApplianceFileError: .*none.kernel|{_refused('')}",
        refused=0,
    ),
    "qemu-missing": Fault(
        what="there is no QEMU on PATH",
        inflict=refusals.missing,
        raises="HostError: run qemu-system-x86_64: it is not on PATH",
        refused=0,
    ),
    "qemu-silent": Fault(
        what="QEMU hangs and never greets",
        inflict=refusals.silent,
        raises="MonitorTimeoutError: ",
        refused=refusals.LAUNCH_SECONDS,
    ),
    "qemu-forked": Fault(
        what="a script that runs QEMU as its child hangs, and so does the child",
        inflict=refusals.forked,
        raises="MonitorTimeoutError: ",
        # The child ends with the script; what is more than the limit is for a busy host.
        refused=refusals.LAUNCH_SECONDS + 5,
    ),
    "qemu-babbling": Fault(
        what="QEMU's monitor speaks no protocol",
        inflict=refusals.babbling,
        raises="Monitor(Timeout)?Error: ",
        refused=refusals.LAUNCH_SECONDS,
    ),
    "qemu-dying": Fault(
        what="QEMU ends within its greeting",
        inflict=refusals.dying,
        raises=_refused("out of luck"),
        refused=0,
    ),
    "node-killed": Fault(
        what="a node's container is killed", inflict=partial(_node, remove=False), raises=_NODE
    ),
    "node-removed": Fault(
        what="a node's container is removed by force",
        inflict=partial(_node, remove=True),
        raises=_NODE,
    ),
    "app-killed": Fault(
        what="an app's container is killed", inflict=partial(_app, remove=False), raises=_APP
    ),
    "app-removed": Fault(
        what="an app's container is removed by force",
        inflict=partial(_app, remove=True),
        # It may be removed before it starts; then nothing of it ever failed.
        raises=rf"{_APP}|{_DOCKER}.*container node.*(No such container|marked for removal)",
    ),
    "dockerd-SIGTERM": Fault(
        what="a private Docker daemon ends, and comes back",
        inflict=partial(blows.signal_daemon, signal.SIGTERM),
        # It stops the containers before it goes.
        raises=f"{_DOCKER}|{_NODE}|AppFailedError: ",
        root=True,
        daemon=True,
    ),
    "dockerd-SIGKILL": Fault(
        what="a private Docker daemon is killed, and comes back",
        inflict=partial(blows.signal_daemon, signal.SIGKILL),
        raises=_DOCKER,
        root=True,
        daemon=True,
    ),
    "dockerd-SIGSTOP": Fault(
        what=f"a private Docker daemon is stopped for {blows.STOPPED_SECONDS:g} s",
        inflict=partial(blows.signal_daemon, signal.SIGSTOP),
        root=True,
        daemon=True,
    ),
    "full-disk": Fault(
        what="no room is left where the evidence goes", inflict=blows.fill_disk, root=True
    ),
    "stale-world": Fault(
        what="a dead run's remains are swept by the next run, and nothing else",
        inflict=one_sweep,
        passes=True,
        single=False,
    ),
    "sweep-SIGKILL": Fault(
        what="a sweep is killed; the next one removes the rest, and nothing else",
        inflict=killed_sweep,
        killed=True,
        passes=True,
        single=False,
    ),
    "two-sweeps": Fault(
        what="two sweeps at once of the same remains",
        inflict=two_sweeps,
        passes=True,
        single=False,
    ),
    "state-damaged": Fault(
        what="a saved state is damaged between two runs; the second has to warn, and to pass",
        inflict=blows.damage_state,
        passes=True,
        single=False,
    ),
    "crowd": Fault(
        what="four to eight runs at once in one folder, and perhaps one of them is killed;"
        " half of the time all want the same saved state",
        inflict=blows.crowd,
        passes=True,
        single=False,
    ),
}
