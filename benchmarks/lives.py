# SPDX-License-Identifier: GPL-3.0-or-later
"""Lives, one after the other, for each byte on stdin: python -m benchmarks.lives restored|booted.

It says when it is ready. Others may take their bytes from the same pipe; it ends with that.
"""

from __future__ import annotations

import os
import sys

from benchmarks.life import began_with_state, live
from benchmarks.session import Progress, Session


def main() -> None:
    session = Session(runs=1, quick=False, progress=Progress({}))
    prepared = sys.argv[1] == "restored"
    with session.testbed(prepared=prepared):  # all that is to be imported
        pass
    print("ready", flush=True)
    while os.read(sys.stdin.fileno(), 1):
        with session.testbed(prepared=prepared) as bed:
            live(bed)
            assert began_with_state(bed) is prepared, "it had to boot: the warning tells why"


if __name__ == "__main__":
    main()
