# SPDX-License-Identifier: GPL-3.0-or-later
"""The command `alpy`."""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable, Sequence
from typing import Any

from alpy.adapters.recovery.sweep import SweptRun
from alpy.adapters.saved.store import SavedEntry
from alpy.core.errors import AlpyError
from alpy.wiring import clear_dead_runs, state_cache

_CLEAN = """\
Remove what test runs left behind that were killed together with their guard: containers, taps,
and QEMU processes. A run that is alive is left alone, and so is all that belongs to another
user or that alpy did not make. Every new run does the same when it starts.
"""
_EXIT = """\
Exit status: 0 if nothing of a dead run is left, 1 if something could not be removed or Docker
can't be asked. With --dry-run: 0 if nothing was found, 1 if there is something to remove.
"""
_CACHE = """\
List the saved states of appliances, from which later tests start instead of a boot: how long ago
each was last used, and the room that it takes. They are removed by themselves when they take too
much, those that were not used for longest first. With --clear all are removed that no run uses.
"""
_CACHE_EXIT = """\
Exit status: 0, or 1 if the cache can't be read, or one in it not be removed or is in use.
"""
_UNITS = ((86400, "d"), (3600, "h"), (60, "min"), (1, "s"))

Say = Callable[[str], object]


def main(arguments: Sequence[str] | None = None, *, say: Say = print) -> int:
    """Do what the command line says, and return the exit status."""
    options = vars(_parser().parse_args(arguments))
    command: Callable[..., int] = options.pop("command")
    try:
        return command(say, **options)
    except AlpyError as error:
        say(f"alpy: {error}")
        return 1


def _clean(say: Say, *, dry_run: bool) -> int:
    runs = clear_dead_runs(dry_run=dry_run)
    for run in runs:
        say(_describe(run, dry_run=dry_run))
    dead = [run for run in runs if run.dead]
    if not dead:
        say("Nothing is left behind by dead runs.")
    return int(bool(dead) if dry_run else any(run.faults for run in dead))


def _cache(say: Say, *, clear: bool) -> int:
    cache = state_cache()
    gone, kept = cache.clear() if clear else ([], cache.entries())
    for entry in gone:
        say(f"removed {_describe_entry(entry)}")
    for entry in kept:
        say(f"in use: {_describe_entry(entry)}" if clear else _describe_entry(entry))
    if not gone and not kept:
        say("No states are saved.")
    return int(clear and bool(kept))


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="alpy", description="Test network virtual appliances; see the module alpy."
    )
    commands = parser.add_subparsers(title="commands", required=True, metavar="COMMAND")
    as_it_is: dict[str, Any] = {"formatter_class": argparse.RawDescriptionHelpFormatter}
    clean = commands.add_parser(
        "clean",
        help="remove what killed runs left behind",
        description=_CLEAN,
        epilog=_EXIT,
        **as_it_is,
    )
    clean.set_defaults(command=_clean)
    clean.add_argument(
        "--dry-run", "-n", action="store_true", help="only tell what would be removed, and why"
    )
    cache = commands.add_parser(
        "cache",
        help="list or clear the saved states",
        description=_CACHE,
        epilog=_CACHE_EXIT,
        **as_it_is,
    )
    cache.set_defaults(command=_cache)
    cache.add_argument("--clear", action="store_true", help="remove those that no run uses")
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


def _describe_entry(entry: SavedEntry) -> str:
    return f"{entry.key[:8]}  {entry.size / 1e6:8.1f} MB  {_age(entry.last_use)} ago  {entry.name}"


def _age(moment: float) -> str:
    seconds = max(0.0, time.time() - moment)
    length, unit = next((pair for pair in _UNITS if seconds >= pair[0]), _UNITS[-1])
    return f"{seconds // length:3.0f} {unit}"
