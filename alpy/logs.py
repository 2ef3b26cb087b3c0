# SPDX-License-Identifier: GPL-3.0-or-later
"""Show the story of a run on the terminal, for programs that have not set up `logging` themselves.

Nothing calls this for you: under pytest, or in a program with a configuration of its own, alpy's
loggers (`alpy.testbed`, `alpy.dut`, ...) take part in the standard `logging` as they are.
"""

from __future__ import annotations

import logging


def show(level: int = logging.INFO) -> None:
    """Print what is logged at *level* and above on standard error, a line each."""
    logging.basicConfig(level=level, format="%(levelname)-8s %(name)-15s %(message)s")
