# SPDX-License-Identifier: GPL-3.0-or-later
"""A run in a process of its own: takes room, tells it by a line, and holds it till its input ends.

Arguments: the folder, the host's CPUs and MiB, and the CPUs and MiB to take.
"""

from __future__ import annotations

import sys
from pathlib import Path

from alpy.adapters.capacity import Capacity
from alpy.adapters.clock import SystemClock
from alpy.adapters.slots import FileSlots


def main() -> None:
    folder, *numbers = sys.argv[1:]
    host_cpus, host_memory, cpus, memory = map(int, numbers)
    capacity = Capacity(cpus=host_cpus, memory_mib=host_memory)
    slots = FileSlots(folder=Path(folder), capacity=lambda: capacity, clock=SystemClock())
    print("waits", flush=True)  # noqa: T201  to the test, by a pipe
    slots.take(cpus=cpus, memory_mib=memory, timeout=100)
    print("taken", flush=True)  # noqa: T201
    sys.stdin.read()
    slots.release()


if __name__ == "__main__":
    main()
