#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-3.0-or-later
"""How long it takes until all links are up and QEMU is paused, and to take that down again.

Beside it, in turn and in the same run: the earlier alpy, 6.0.0 of PyPI, with the same kernel; and
the limit, which is as many bare `docker run` at once as there are links.
"""

import argparse
import json
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from uuid import uuid4

import alpy
from alpy.adapters.side_by_side import side_by_side
from carrot import rabbit

HERE = Path(__file__).parent
BARE = ["--detach", "--interactive", "--network", "none", "alpy-busybox:latest", "cat"]


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
            [python, "-I", HERE / "peer.py", *words],
            cwd=folder,
            check=True,
            stdout=subprocess.PIPE,
            timeout=300,
        )
    seconds = json.loads(done.stdout)
    return seconds["up"], seconds["down"]


def measure(appliance: alpy.Appliance, links: int) -> tuple[float, float]:
    with tempfile.TemporaryDirectory() as folder:
        # The peer's modules too are imported before the clock starts.
        bed = alpy.testbed(appliance, links=links, run_dir=folder)
        started = time.monotonic()
        with bed:
            up = time.monotonic()
        return up - started, time.monotonic() - up


def measure_bare(count: int) -> tuple[float, float]:
    """Start so many containers as the nodes are started: side by side."""
    run = uuid4().hex[:8]
    names = [f"bench-{run}-{number}" for number in range(count)]

    def start(name: str) -> None:
        docker("run", "--name", name, *BARE)

    started = time.monotonic()
    try:
        side_by_side(start, names)
        up = time.monotonic()
    finally:
        docker("rm", "--force", *names)
    return up - started, time.monotonic() - up


def docker(*words: str) -> None:
    subprocess.run(["docker", *words], check=True, stdout=subprocess.DEVNULL, timeout=60)


def interleaved(
    runs: int, *ways: Callable[[], tuple[float, float]]
) -> Sequence[tuple[float, float]]:
    """The median seconds up and down of each of *ways*, which take turns."""
    rounds = [[way() for way in ways] for _ in range(runs)]
    return [
        (statistics.median(up), statistics.median(down))
        for up, down in (zip(*column, strict=True) for column in zip(*rounds, strict=True))
    ]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--links", type=int, nargs="+", default=[1, 2, 4, 8, 16, 32], metavar="N")
    parser.add_argument("--runs", type=int, default=3, help="of each, in turn (default: 3)")
    parser.add_argument("--peer", metavar="PYTHON", help="with alpy 6.0.0; made if not given")
    options = parser.parse_args()
    appliance = rabbit.appliance(acceleration="tcg")
    ups: dict[int, tuple[float, float]] = {}
    with tempfile.TemporaryDirectory() as folder:
        python = options.peer or make_peer(Path(folder))
        print("links   up: s   peer's   ratio   bare: s   down: s   peer's")
        for links in options.links:
            (up, down), (peer_up, peer_down), (bare, _) = interleaved(
                options.runs,
                lambda links=links: measure(appliance, links),
                lambda links=links: measure_peer(python, appliance, links),
                lambda links=links: measure_bare(links),
            )
            ups[links] = up, bare
            print(
                f"{links:5} {up:9.2f} {peer_up:8.2f} {peer_up / up:7.1f} {bare:9.2f} "
                f"{down:9.2f} {peer_down:8.2f}",
                flush=True,
            )
    tell_growth(ups)


def tell_growth(ups: dict[int, tuple[float, float]]) -> None:
    """What each further link costs, from the fewest to the most that were measured."""
    few, many = min(ups), max(ups)
    if few == many:
        return
    ours, bare = (
        (most - least) / (many - few) for least, most in zip(ups[few], ups[many], strict=True)
    )
    print(f"each further link: {ours:.3f} s, a bare docker run {bare:.3f} s: {ours / bare:.2f}")


if __name__ == "__main__":
    main()
