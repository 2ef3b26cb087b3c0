# SPDX-License-Identifier: GPL-3.0-or-later
"""So many lives, one after the other: python -m benchmarks.lives COUNT restored|booted.

It says when it is ready, and begins when it is told to by a line.
"""

from __future__ import annotations

import sys

from benchmarks.life import began_with_state, live
from benchmarks.session import Progress, Session


def main() -> None:
    session = Session(runs=1, quick=False, progress=Progress({}))
    count, prepared = int(sys.argv[1]), sys.argv[2] == "restored"
    with session.testbed(prepared=prepared):  # all that is to be imported
        pass
    print("ready", flush=True)
    sys.stdin.readline()
    for _ in range(count):
        with session.testbed(prepared=prepared) as bed:
            live(bed)
            assert began_with_state(bed) is prepared, "it had to boot: the warning tells why"


if __name__ == "__main__":
    main()
