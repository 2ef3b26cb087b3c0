# SPDX-License-Identifier: GPL-3.0-or-later
"""A short life of a real testbed, to be cut short: two links, an app that runs on, some traffic.

    python -m torture.life IMAGE [--run-dir DIR] [--linger WAY] [--launch SECONDS] [--qemu=WORD]
        [--prepared]

IMAGE is a kernel, or a raw disk if its name ends in ".disk". A life that lingers is stuck in one
wait, and passes only if that is never answered and no fault ends it. It notes on stdout when it
enters, when its test begins, and how that ended; see torture.notes. Exit status: 0 if the test
passed, 1 if it failed, and what Python makes of a signal.
"""

from __future__ import annotations

import argparse
import faulthandler
import signal
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from functools import partial
from pathlib import Path
from typing import Final

import alpy
from alpy import logs
from torture.notes import note

_BUSYBOX: Final = "alpy-busybox"
# What is done to a life that lingers comes within two seconds; and then it has to be told.
_LINGER_SECONDS: Final = 6.0


def main() -> None:
    # Whoever started us may have ignored them, as `nohup` and a shell's `&` do.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    signal.signal(signal.SIGHUP, signal.SIG_DFL)
    faulthandler.register(signal.SIGUSR1)  # where it hangs, if it does
    options = _parser().parse_args()
    logs.show()
    note("enters")
    with _noted(), _testbed(options) as bed:
        note("begins")
        with _noted():
            _test(bed, linger=WAYS_TO_LINGER.get(options.linger))
        note("passes")


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("image", type=Path)
    parser.add_argument("--run-dir", type=Path)
    parser.add_argument("--linger", choices=WAYS_TO_LINGER)
    parser.add_argument("--launch", type=float, default=10)
    parser.add_argument("--prepared", action="store_true")
    parser.add_argument("--qemu", action="append", default=[], metavar="WORD")
    return parser


@contextmanager
def _noted() -> Iterator[None]:
    try:
        yield
    except BaseException as error:
        note("raises", f"{type(error).__name__}: {error}")
        raise


def _testbed(options: argparse.Namespace) -> alpy.Testbed:
    limits = alpy.Limits(launch=options.launch)
    appliance = tiny_appliance(options.image, *options.qemu)
    prepared = GREETED if options.prepared else None
    return alpy.testbed(
        appliance, links=2, run_dir=options.run_dir, limits=limits, prepared=prepared
    )


def _greet(bed: alpy.Testbed) -> None:
    bed.dut.start()
    bed.console.expect("Hi", timeout=20)


GREETED: Final = alpy.Preparation(key="greeted", prepare=_greet)


def tiny_appliance(image: Path, *extra_args: str) -> alpy.Appliance:
    """The tiny guest in *image*, on an emulated CPU."""
    tiny = partial(
        alpy.Appliance, name="tiny", acceleration=alpy.Acceleration.TCG, extra_args=extra_args
    )
    if image.suffix == ".disk":
        return tiny(disks=(alpy.Disk(path=image, format=alpy.DiskFormat.RAW),))
    return tiny(kernel=alpy.Kernel(image=str(image)))


def _test(bed: alpy.Testbed, linger: Callable[[alpy.Testbed, float], object] | None) -> None:
    client, server = bed.nodes
    server.start(["sleep", "1000"], image=_BUSYBOX)
    if bed.is_prepared:
        bed.dut.start()
    else:
        _greet(bed)
    client.configure("192.0.2.1/24")
    if linger:
        _linger(partial(linger, bed))
    # Nobody answers; that there are frames on the wire is enough.
    client.run(["sh", "-c", "ping 192.0.2.2 & sleep 0.3"], image=_BUSYBOX, timeout=20)
    bed.dut.power_down(timeout=20)


def _linger(wait: Callable[[float], object]) -> None:
    begun = time.monotonic()
    with suppress(TimeoutError):
        wait(_LINGER_SECONDS)
    if (seconds := time.monotonic() - begun) < _LINGER_SECONDS - 0.5:
        raise RuntimeError(f"the wait was over after {seconds:.1f} s, with nothing told")


def _in_the_console(bed: alpy.Testbed, seconds: float) -> None:
    bed.console.expect("what it never says", timeout=seconds)


def _in_the_shell(bed: alpy.Testbed, seconds: float) -> None:
    alpy.attach(bed.console, timeout=seconds)


def _in_its_own_loop(bed: alpy.Testbed, seconds: float) -> None:
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        with suppress(alpy.errors.ConsoleTimeoutError):
            bed.console.expect("what it never says", timeout=0.1)


def _in_an_app(bed: alpy.Testbed, seconds: float) -> None:
    bed.nodes[0].run(["sleep", "1000"], image=_BUSYBOX, timeout=seconds)


def _in_the_output_of_an_app(bed: alpy.Testbed, seconds: float) -> None:
    app = bed.nodes[0].start(["sleep", "1000"], image=_BUSYBOX)
    app.wait_for_output("what it never says", timeout=seconds)


def _in_a_shutdown(bed: alpy.Testbed, seconds: float) -> None:
    bed.dut.wait_for_shutdown(timeout=seconds)


def _in_an_event(bed: alpy.Testbed, seconds: float) -> None:
    bed.dut.monitor.wait_for_event("BALLOON_CHANGE", timeout=seconds)


WAYS_TO_LINGER: Final[Mapping[str, Callable[[alpy.Testbed, float], object]]] = {
    "console": _in_the_console,
    "shell": _in_the_shell,
    "loop": _in_its_own_loop,
    "app": _in_an_app,
    "output": _in_the_output_of_an_app,
    "shutdown": _in_a_shutdown,
    "event": _in_an_event,
}


if __name__ == "__main__":
    main()
