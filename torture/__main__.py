# SPDX-License-Identifier: GPL-3.0-or-later
"""Torture: real runs, with a fault at a moment of chance, and then a look at what is left.

A line for each run, and at the end a table of faults and outcomes. Exit status: 0 if nothing was
left in any run and all evidence can be read, 1 if not. Same seed, same faults and moments; what
the host does in between is chance. The faults:
"""

from __future__ import annotations

import argparse
import random
import signal
import sys
from collections.abc import Sequence

from torture.campaign import Campaign
from torture.faults import FAULTS


def main(arguments: Sequence[str] | None = None) -> int:
    # A script's `&` has SIGINT ignored; and SIGTERM too must end the lives that run.
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, signal.default_int_handler)
    options = _parser().parse_args(arguments)
    campaign = Campaign(
        runs=options.runs,
        seed=options.seed,
        only=options.only or tuple(FAULTS),
        trial=options.trial,
        rabbit=not options.no_rabbit,
        tell=_say,
    )
    _say(f"Seed {campaign.seed}")
    try:
        campaign.run()
    except KeyboardInterrupt:
        _say("Interrupted")
    except RuntimeError as error:
        _say(str(error))
    _say(campaign.table())
    wanted = 1 if options.trial else campaign.runs
    return int(campaign.went_wrong or len(campaign.verdicts) < wanted)


def _say(text: str) -> None:
    sys.stdout.write(f"{text}\n")
    sys.stdout.flush()


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="scripts/torture",
        description=f"{__doc__}\n  {', '.join(FAULTS)}",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--runs", type=int, default=300, metavar="N", help="(default: 300)")
    parser.add_argument(
        "--seed", type=int, default=random.SystemRandom().randrange(10**6), metavar="S",
        help="to repeat an earlier call (default: by chance)",
    )  # fmt: skip
    parser.add_argument(
        "--trial", type=int, metavar="K", help="only the K-th run of an earlier call, to look at it"
    )
    parser.add_argument(
        "--only", action="append", choices=FAULTS, metavar="FAULT", help="may be given repeatedly"
    )
    parser.add_argument(
        "--no-rabbit", action="store_true", help="the tiny guest alone, which boots in no time"
    )
    return parser


if __name__ == "__main__":
    sys.exit(main())
