# SPDX-License-Identifier: GPL-3.0-or-later
"""What a test of Rabbit needs to be a program: options, narrative, verdict, exit code."""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import TypeAlias

import alpy
import alpy.logs
from carrot import rabbit
from carrot.build import BuildError, ensure_images

Test: TypeAlias = Callable[[alpy.Testbed, bool], str]
"""Takes an entered testbed, and whether to configure Rabbit wrongly; returns what it has shown."""


def main(test: Test, *, name: str, links: int) -> int:
    """Run *test* as the command line says, tell its verdict, and return the exit code."""
    options = _parser(test, name).parse_args()
    alpy.logs.show(options.log_level)
    started = time.monotonic()
    try:
        ensure_images()
        appliance = rabbit.uefi_appliance() if options.uefi else rabbit.appliance()
        prepared = rabbit.LOGGED_IN if options.prepared else None
        with alpy.testbed(
            appliance, links=links, run_dir=options.run_dir, prepared=prepared
        ) as bed:
            verdict = test(bed, options.misconfigure)
    except (alpy.AlpyError, BuildError, AssertionError) as error:
        _tell(error)
        print(f"FAILED {name} after {time.monotonic() - started:.1f} s")
        return 1
    print(f"PASSED {name} in {time.monotonic() - started:.1f} s: {verdict}")
    print(f"Evidence: {bed.run_dir}")
    return 0


def _tell(error: BaseException) -> None:
    print(f"{type(error).__name__}: {error}", file=sys.stderr)
    for note in getattr(error, "__notes__", ()):
        print(f"  {note}", file=sys.stderr)


def _parser(test: Test, name: str) -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog=name, description=sys.modules[test.__module__].__doc__)
    parser.add_argument(
        "--run-dir", type=Path, metavar="DIR", help="where evidence goes (default: below runs/)"
    )
    parser.add_argument("--uefi", action="store_true", help="boot Rabbit's UEFI disk image")
    parser.add_argument(
        "--prepared",
        action="store_true",
        help="start from a saved state with a shell on the console; the first time that is made",
    )
    parser.add_argument(
        "--misconfigure",
        action="store_true",
        help="configure Rabbit wrongly, to see that the test fails then",
    )
    parser.add_argument(
        "--log-level", default="INFO", choices=["DEBUG", "INFO", "WARNING"], help="(default: INFO)"
    )
    return parser
