# SPDX-License-Identifier: GPL-3.0-or-later
"""What the console can do: the round trip of a command, the rate of uploads."""

from __future__ import annotations

import gzip
import hashlib
import random
import statistics
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import alpy
from benchmarks.figures import ALPY, LIMIT, PEER, Figure, Goal
from benchmarks.session import Session, of_part
from carrot import rabbit

SIZE = 100_000
FILE = "/root/file"
DISK_SIZE = 10_000_000
# What the guest's kernel holds that no program has read yet, in a raw terminal, is 64 KiB.
_BLOCK = 48 << 10
_COMMANDS = 50


def text_of(size: int) -> bytes:
    """Text as a network engineer would upload it: the configuration of many interfaces."""
    chance = random.Random(1)
    lines: list[str] = []
    while sum(map(len, lines)) < size:
        octets = ".".join(str(chance.randrange(1, 255)) for _ in range(4))
        lines.append(f"interface eth{chance.randrange(64)} address {octets}/24 mtu 1500 up\n")
    return "".join(lines).encode()[: size - 1] + b"\n"


def measure(session: Session) -> list[Figure]:
    text = text_of(SIZE)
    disk = alpy.DataDisk(files={"file": random.Random(3).randbytes(DISK_SIZE)})
    with tempfile.TemporaryDirectory(prefix="alpy-bench-") as folder:
        file = Path(folder, "text")
        file.write_bytes(text)
        samples = session.take_turns(
            "commands and uploads",
            session.runs,
            {
                "alpy": lambda: _ours(session, text),
                "peer": lambda: session.peer.console(file, _COMMANDS),
                "disk": lambda: _data_disk(session, disk),
            },
        )
    raw = samples["alpy"]["raw"]
    packs = len(text) / len(gzip.compress(text))
    return [
        Figure(
            name="console: one command, with its exit code",
            unit="ms",
            samples={
                **of_part(samples, "milliseconds", **{ALPY: "alpy", PEER: "peer"}),
                LIMIT: samples["alpy"]["empty line"],
            },
            limit_is="an empty line, to the next prompt",
            goals=[
                Goal(
                    words="console command in at most half of alpy 6.0.0's time",
                    under=PEER,
                    at_most=0.5,
                )
            ],
        ),
        Figure(
            name="upload, random bytes",
            unit="KB/s",
            higher_is_better=True,
            samples={ALPY: samples["alpy"]["random"], LIMIT: raw},
            limit_is="the raw port: `head` on a raw terminal",
            goals=[
                Goal(
                    words="upload of random bytes within 20 % of the raw port's rate",
                    under=LIMIT,
                    at_least=0.8,
                )
            ],
        ),
        Figure(
            name=f"data disk, {DISK_SIZE / 1e6:.0f} MB of random bytes, mounted and checked",
            unit="KB/s",
            higher_is_better=True,
            samples=of_part(samples, "rate", **{ALPY: "disk"})
            | of_part(samples, "again", **{LIMIT: "disk"}),
            limit_is="the same check again, of what the appliance's memory still has",
        ),
        Figure(
            name="download, random bytes",
            unit="KB/s",
            higher_is_better=True,
            samples={
                ALPY: samples["alpy"]["random back"],
                LIMIT: tuple(rate * 3 / 4 for rate in samples["alpy"]["raw back"]),
            },
            limit_is="the raw port, and base64",
        ),
        Figure(
            name="upload, text",
            unit="KB/s",
            higher_is_better=True,
            samples={
                **of_part(samples, "text", **{ALPY: "alpy", PEER: "peer"}),
                LIMIT: tuple(rate * packs for rate in raw),
            },
            limit_is=f"the raw port, and gzip, which makes this text {packs:.1f} times shorter",
            goals=[
                Goal(
                    words="upload of text at least 5 times faster than alpy 6.0.0",
                    under=PEER,
                    at_least=5,
                )
            ],
        ),
    ]


def _ours(session: Session, text: bytes) -> dict[str, float]:
    with session.testbed(prepared=True) as bed, bed:
        shell = rabbit.start(bed)
        rounds = [_seconds(lambda: shell.run("true")) for _ in range(_COMMANDS)]
        noise = random.Random(2).randbytes(SIZE)
        return {
            "milliseconds": statistics.median(rounds) * 1e3,
            "text": SIZE / 1e3 / _seconds(lambda: shell.upload(text, FILE)),
            "random": SIZE / 1e3 / _seconds(lambda: shell.upload(noise, FILE)),
            "random back": SIZE / 1e3 / _seconds(lambda: shell.download(FILE)),
            "raw back": _raw_rate_back(bed.console),
            "raw": _raw_rate(bed.console, noise),
            "empty line": _empty_line(bed.console),
        }


def _data_disk(session: Session, disk: alpy.DataDisk) -> dict[str, float]:
    """KB/s until a checksum of all that is on the disk is known, and again."""
    ((_name, content),) = disk.files
    assert isinstance(content, bytes)
    expected = hashlib.sha256(content).hexdigest()
    with session.testbed(links=0, data_disk=disk) as bed, bed:
        shell = rabbit.start(bed)

        def check() -> None:
            assert expected in shell.run("sha256sum /mnt/file").output

        def mount_and_check() -> None:
            rabbit.mount_data_disk(shell, "/mnt")
            check()

        return {
            "rate": DISK_SIZE / 1e3 / _seconds(mount_and_check),
            "again": DISK_SIZE / 1e3 / _seconds(check),
        }


def _raw_rate(console: alpy.Console, noise: bytes) -> float:
    """KB/s into a program that only reads, as much at once as goes in safely."""
    sent = seconds = 0.0
    for start in range(0, 2 * _BLOCK, _BLOCK):
        block = noise[start : start + _BLOCK]
        read = f"head -c {len(block)} >/dev/null"
        console.send(f" stty raw -echo;echo g''o;{read};echo d''one;stty sane\n")
        console.expect("go\r?\n", timeout=10)
        begin = time.monotonic()
        console.send(block)
        console.expect("done", timeout=60)
        seconds += time.monotonic() - begin
        sent += len(block)
        console.expect("rabbit# ", timeout=10)
    return sent / 1e3 / seconds


def _raw_rate_back(console: alpy.Console) -> float:
    """KB/s of a program that only writes."""
    begin = time.monotonic()
    console.send(f" head -c {SIZE} /dev/zero|tr '\\0' x;echo d''one\n")
    console.expect("done", timeout=60)
    seconds = time.monotonic() - begin
    console.expect("rabbit# ", timeout=10)
    return SIZE / 1e3 / seconds


def _empty_line(console: alpy.Console) -> float:
    """Milliseconds from an empty line to the next prompt."""

    def enter() -> None:
        # The line editor asks where the cursor is, and would wait 20 ms for the answer.
        console.send("\x1b[1;1R\n")
        console.expect("rabbit# ", timeout=10)

    return statistics.median(_seconds(enter) for _ in range(_COMMANDS)) * 1e3


def _seconds(call: Callable[[], object]) -> float:
    started = time.monotonic()
    call()
    return time.monotonic() - started
