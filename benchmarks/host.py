# SPDX-License-Identifier: GPL-3.0-or-later
"""The host: what it is, and how busy its CPUs are."""

from __future__ import annotations

import os
import platform
import subprocess
import time
from pathlib import Path

CPUS = os.cpu_count() or 1


def facts() -> dict[str, str]:
    """What the figures depend on, by its name."""
    qemu = _first_line("qemu-system-x86_64", "--version").split()[3]
    docker = _first_line("docker", "version", "--format", "{{.Server.Version}}")
    return {
        "CPUs": str(CPUS),
        "kernel": platform.release(),
        "QEMU (TCG)": qemu.partition("(")[0],
        "Docker": docker,
        "Python": platform.python_version(),
    }


def load(seconds: float = 2.0) -> float:
    """The share of all CPUs that is taken just now, while we sleep for so many *seconds*."""
    began, before = time.monotonic(), busy_seconds()
    time.sleep(seconds)
    return (busy_seconds() - before) / (time.monotonic() - began) / CPUS


def busy_seconds() -> float:
    """What all CPUs have worked since the host started, or could not, for other hosts."""
    user, nice, system, _idle, _iowait, irq, softirq, steal, *_ = map(
        int, Path("/proc/stat").read_text(encoding="ascii").splitlines()[0].split()[1:]
    )
    return (user + nice + system + irq + softirq + steal) / os.sysconf("SC_CLK_TCK")


def _first_line(*words: str) -> str:
    said = subprocess.run(words, check=True, stdout=subprocess.PIPE, text=True, timeout=30).stdout
    return said.splitlines()[0]
