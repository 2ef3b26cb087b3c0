# SPDX-License-Identifier: GPL-3.0-or-later
"""The earlier alpy, 6.0.0 of PyPI, in an environment of its own: both packages have one name."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Final, cast

from attrs import frozen

import alpy
from alpy.adapters.private_folder import user_cache

_VERSION: Final = "6.0.0"
_PROGRAM: Final = Path(__file__).with_name("peer.py")


def ensure_peer() -> str:
    """The Python of that environment, which is made the first time."""
    folder = user_cache(os.environ) / "bench" / f"alpy-{_VERSION}"
    python, made = folder / "bin" / "python", folder / "made"
    if not made.exists():
        subprocess.run([sys.executable, "-m", "venv", "--clear", folder], check=True)
        options = ["--quiet", "--disable-pip-version-check", f"alpy=={_VERSION}"]
        subprocess.run([str(python), "-m", "pip", "install", *options], check=True)
        made.touch()
    return str(python)


@frozen(kw_only=True)
class Peer:
    """Each call is a process of its own, which lives once with *appliance*."""

    python: str
    appliance: alpy.Appliance

    def network(self, links: int) -> dict[str, float]:
        """Seconds `up` and `down`."""
        return self._run("network", str(links))

    def life(self) -> dict[str, float]:
        """Seconds of each part of a whole test with two links, as `benchmarks.life` has them."""
        return self._run("life", "2")

    def console(self, text: Path, commands: int) -> dict[str, float]:
        """The median milliseconds of a command, and the rate of an upload of *text* in KB/s."""
        return self._run("console", "0", str(text), str(commands))

    def _run(self, what: str, *words: str) -> dict[str, float]:
        kernel = self.appliance.kernel
        assert kernel is not None
        machine = [str(kernel.image), str(kernel.initrd), kernel.command_line]
        with tempfile.TemporaryDirectory(prefix="alpy-bench-peer-") as folder:
            done = subprocess.run(
                [self.python, "-I", _PROGRAM, *machine, what, *words],
                cwd=folder,
                check=True,
                stdout=subprocess.PIPE,
                timeout=300,
            )
        return cast("dict[str, float]", json.loads(done.stdout))
