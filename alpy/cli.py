# SPDX-License-Identifier: GPL-3.0-or-later
"""The command `alpy`."""

from __future__ import annotations

import argparse
from collections.abc import Callable, Sequence

from alpy.adapters.recovery.sweep import SweptRun
from alpy.core.errors import AlpyError
from alpy.wiring import clear_dead_runs

_CLEAN = """\
Remove what test runs left behind that were killed together with their guard: containers, taps,
and QEMU processes. A run that is alive is left alone, and so is all that belongs to another
user or that alpy did not make. Every new run does the same when it starts.
"""
_EXIT = """\
Exit status: 0 if nothing of a dead run is left, 1 if something could not be removed or Docker
can't be asked. With --dry-run: 0 if nothing was found, 1 if there is something to remove.
"""


def main(arguments: Sequence[str] | None = None, *, say: Callable[[str], object] = print) -> int:
    """Do what the command line says, and return the exit status."""
    dry_run: bool = _parser().parse_args(arguments).dry_run
    try:
        runs = clear_dead_runs(dry_run=dry_run)
    except AlpyError as error:
        say(f"alpy: {error}")
        return 1
    for run in runs:
        say(_describe(run, dry_run=dry_run))
    dead = [run for run in runs if run.dead]
    if not dead:
        say("Nothing is left behind by dead runs.")
    return int(bool(dead) if dry_run else any(run.faults for run in dead))


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="alpy", description="Test network virtual appliances; see the module alpy."
    )
    commands = parser.add_subparsers(title="commands", required=True, metavar="COMMAND")
    clean = commands.add_parser(
        "clean",
        help="remove what killed runs left behind",
        description=_CLEAN,
        epilog=_EXIT,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    clean.add_argument(
        "--dry-run", "-n", action="store_true", help="only tell what would be removed, and why"
    )
    return parser


def _describe(run: SweptRun, *, dry_run: bool) -> str:
    evidence = f"; its evidence: {run.owner.dir}" if run.owner and run.owner.dir else ""
    verb = "kept" if not run.dead else "would remove" if dry_run else "removed"
    return "\n".join(
        [
            f"Run {run.run}: {run.why}{evidence}",
            *(f"  {verb} {trace}" for trace in run.traces),
            *(f"  not removed: {fault}" for fault in run.faults),
        ]
    )
