#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-3.0-or-later
"""How long it takes until all links are up and QEMU is paused, and to take that down again.

The earlier alpy, 6.0.0 of PyPI, does the same with the same kernel in the same run, in turn.
"""

import argparse
import json
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import alpy
from carrot import rabbit

HERE = Path(__file__).parent


def make_peer(folder: Path) -> str:
    """The Python of an environment with the earlier alpy."""
    subprocess.run([sys.executable, "-m", "venv", folder], check=True)
    python = str(folder / "bin" / "python")
    subprocess.run([python, "-m", "pip", "install", "--quiet", "alpy==6.0.0"], check=True)
    return python


def measure_peer(python: str, appliance: alpy.Appliance, links: int) -> tuple[float, float]:
    kernel = appliance.kernel
    assert kernel is not None
    words = [str(kernel.image), str(kernel.initrd), kernel.command_line, str(links)]
    with tempfile.TemporaryDirectory() as folder:
        done = subprocess.run(
            [python, HERE / "peer.py", *words],
            cwd=folder,
            check=True,
            stdout=subprocess.PIPE,
            timeout=300,
        )
    seconds = json.loads(done.stdout)
    return seconds["up"], seconds["down"]


def measure(appliance: alpy.Appliance, links: int) -> tuple[float, float]:
    with tempfile.TemporaryDirectory() as folder:
        started = time.monotonic()
        with alpy.testbed(appliance, links=links, run_dir=folder):
            up = time.monotonic()
        return up - started, time.monotonic() - up


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--links", type=int, nargs="+", default=[2, 8], metavar="N")
    parser.add_argument("--runs", type=int, default=5, help="of each, in turn (default: 5)")
    parser.add_argument("--peer", metavar="PYTHON", help="with alpy 6.0.0; made if not given")
    options = parser.parse_args()
    appliance = rabbit.appliance(acceleration="tcg")
    with tempfile.TemporaryDirectory() as folder:
        python = options.peer or make_peer(Path(folder))
        print("links   up: s   peer's   ratio   worst   down: s   peer's")
        for links in options.links:
            ours, peers = [], []
            for _ in range(options.runs):
                ours.append(measure(appliance, links))
                peers.append(measure_peer(python, appliance, links))
            up, down = (statistics.median(column) for column in zip(*ours, strict=True))
            peer_up, peer_down = (statistics.median(column) for column in zip(*peers, strict=True))
            worst = max(mine[0] / other[0] for mine, other in zip(ours, peers, strict=True))
            ratio = peer_up / up
            print(
                f"{links:5} {up:9.2f} {peer_up:8.2f} {ratio:7.1f} {worst:7.2f} "
                f"{down:9.2f} {peer_down:8.2f}",
                flush=True,
            )


if __name__ == "__main__":
    main()
