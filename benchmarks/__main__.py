# SPDX-License-Identifier: GPL-3.0-or-later
"""Measure what alpy costs, beside alpy 6.0.0 of PyPI and beside what bounds it, and print a table.

Everything is emulated (TCG), with the same kernel and system for both, and the ways of one figure
take turns. Nothing else should run on the machine meanwhile. alpy 6.0.0 gets an environment of its
own in the cache the first time.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Final

from attrs import frozen

from benchmarks import (
    console,
    data_plane,
    documents,
    frames,
    host,
    life,
    network,
    own_cost,
    parallel,
)
from benchmarks.figures import Circumstances, Figure, from_json, missed, to_json
from benchmarks.report import report
from benchmarks.session import Progress, Session


@frozen
class Family:
    """Some figures that are measured together; about so many *seconds* with 3 runs, on 2 cores."""

    what: str
    seconds: float
    measure: Callable[[Session], list[Figure]]


FAMILIES: Final = {
    "network": Family("1 to 32 links up and down", 150, network.measure),
    "life": Family("a whole test, booted and from a saved state", 60, life.measure),
    "console": Family("round trip, uploads, a download, a data disk", 65, console.measure),
    "parallel": Family("tests per minute, 1, 2 and 4 at once", 130, parallel.measure),
    "data-plane": Family("iperf3 through the appliance", 96, data_plane.measure),
    "frames": Family("frames lost of 1,000,000", 40, frames.measure),
    "own-cost": Family("import, a waiting testbed, lives on the fakes", 25, own_cost.measure),
}
RESULTS: Final = Path("runs", "bench.json")


def main(arguments: Sequence[str] | None = None) -> int:
    options = _parser().parse_args(arguments)
    if options.results:
        figures, circumstances = from_json(json.loads(options.results.read_text(encoding="utf-8")))
    else:
        figures, circumstances = _measure(options)
        text = json.dumps(to_json(figures, circumstances), indent=1)
        options.json.parent.mkdir(parents=True, exist_ok=True)
        options.json.write_text(text, encoding="utf-8")
        sys.stdout.write(f"\nAll samples are in {options.json}\n\n")
    sys.stdout.write(report(figures, circumstances))
    if options.write_docs:
        for path in documents.write(figures, circumstances):
            sys.stdout.write(f"written: {path}\n")
    return int(options.check and bool(missed(figures)))


def _measure(options: argparse.Namespace) -> tuple[list[Figure], Circumstances]:
    before = host.load()
    runs = options.runs or (1 if options.quick else 3)
    chosen = {name: FAMILIES[name] for name in FAMILIES if name in (options.only or FAMILIES)}
    progress = Progress({name: family.seconds * runs / 3 for name, family in chosen.items()})
    session = Session(runs=runs, quick=options.quick, progress=progress)
    figures = []
    for name, family in chosen.items():
        progress.enter(name)
        figures += family.measure(session)
    circumstances = Circumstances(
        host=host.facts(), foreign_load=max(before, host.load()), seconds=progress.elapsed
    )
    return figures, circumstances


def _parser() -> argparse.ArgumentParser:
    names = "\n".join(f"  {name:12}{family.what}" for name, family in FAMILIES.items())
    parser = argparse.ArgumentParser(
        prog="scripts/bench",
        description=__doc__,
        epilog=f"NAME is one of:\n{names}",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument(
        "--only", action="append", choices=FAMILIES, metavar="NAME",
        help="measure this alone; may be given repeatedly",
    )  # fmt: skip
    parser.add_argument("--runs", type=int, metavar="N", help="of each way (default: 3)")
    parser.add_argument(
        "--quick", action="store_true", help="a little of everything, once, to see that it works"
    )
    parser.add_argument(
        "--json", type=Path, default=RESULTS, metavar="FILE", help=f"(default: {RESULTS})"
    )
    parser.add_argument(
        "--results", type=Path, metavar="FILE", help="measure nothing; take an earlier --json FILE"
    )
    parser.add_argument(
        "--write-docs", action="store_true",
        help="put the table into docs/performance.md, and draw docs/figures/",
    )  # fmt: skip
    parser.add_argument(
        "--check", action="store_true", help="end with exit code 1 if a goal was not reached"
    )
    return parser


if __name__ == "__main__":
    sys.exit(main())
