# SPDX-License-Identifier: GPL-3.0-or-later
"""Torture: real runs, with a fault at a moment of chance, and then a look at what is left.

A line for each run, and at the end a table of faults and outcomes. A run is clean if nothing of it
is left 5 s after its end, its evidence can be read, and a test that was struck while it ran was
told what had happened within 1.5 s. Same seed, same faults and moments; what the host does in
between is chance.
"""

from __future__ import annotations

import argparse
import random
import signal
import sys
from collections.abc import Sequence

from torture.campaign import Campaign
from torture.faults import FAULTS

_EXIT = """\
Exit status: 0 if all runs that were asked for were clean, 1 if not.

Examples:
  scripts/torture --runs 300                      all faults by turns, with real lives of Rabbit
  scripts/torture --runs 20 --only node-killed    one fault
  scripts/torture --runs 300 --seed 7 --trial 42  the 42nd run of `--seed 7` once more
  scripts/torture --one-process 200               200 lives in one process, which must not grow
"""


def main(arguments: Sequence[str] | None = None) -> int:
    # A script's `&` has SIGINT ignored; and SIGTERM too must end the lives that run.
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, signal.default_int_handler)
    options = _parser().parse_args(arguments)
    if options.list:
        _say("\n".join(f"{name:20}{_describe(name)}" for name in FAULTS))
        return 0
    _say(f"Seed {options.seed}")
    if options.one_process:
        return _live_in_one_process(options.one_process, options.seed)
    return _torture(options)


def _torture(options: argparse.Namespace) -> int:
    campaign = Campaign(
        runs=options.runs,
        seed=options.seed,
        only=options.only or tuple(FAULTS),
        trial=options.trial,
        rabbit=not options.no_rabbit,
        tell=_say,
    )
    try:
        campaign.run()
    except KeyboardInterrupt:
        _say("Interrupted")
    except RuntimeError as error:
        _say(str(error))
    _say(campaign.table())
    wanted = 1 if options.trial else campaign.runs
    return int(campaign.went_wrong or len(campaign.verdicts) < wanted)


def _live_in_one_process(lives: int, seed: int) -> int:
    from torture.one_process import OneProcess  # noqa: PLC0415  it imports alpy; nothing else does

    process = OneProcess(lives=lives, seed=seed, tell=_say)
    try:
        process.run()
    except KeyboardInterrupt:
        _say("Interrupted")
    _say(process.table())
    return int(process.went_wrong or len(process.lived) < lives)


def _describe(name: str) -> str:
    return FAULTS[name].what + (" (as root only)" if FAULTS[name].root else "")


def _say(text: str) -> None:
    sys.stdout.write(f"{text}\n")
    sys.stdout.flush()


def _count(text: str) -> int:
    number = int(text)
    if number < 1:
        raise ValueError
    return number


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="scripts/torture",
        description=__doc__,
        epilog=_EXIT,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--runs", type=_count, default=300, metavar="N", help="(default: 300)")
    parser.add_argument(
        "--seed", type=int, default=random.SystemRandom().randrange(10**6), metavar="S",
        help="to repeat an earlier call (default: by chance)",
    )  # fmt: skip
    parser.add_argument(
        "--trial", type=_count, metavar="K",
        help="only the K-th run of an earlier call, to look at it",
    )  # fmt: skip
    parser.add_argument(
        "--only", action="append", choices=FAULTS, metavar="FAULT",
        help="one of those of --list; may be given repeatedly",
    )  # fmt: skip
    parser.add_argument(
        "--no-rabbit", action="store_true", help="the tiny guest alone, which boots in no time"
    )
    parser.add_argument(
        "--one-process", type=_count, metavar="N",
        help="N lives in this process instead, whose descriptors, threads and memory must not grow",
    )  # fmt: skip
    parser.add_argument("--list", action="store_true", help="tell of each fault what it is")
    return parser


if __name__ == "__main__":
    sys.exit(main())
