# SPDX-License-Identifier: GPL-3.0-or-later
"""Whether the evidence of a run can be read, looked at with none of alpy's code."""

from __future__ import annotations

import re
import stat
import struct
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO, Final

_BYTE_ORDERS: Final = {
    b"\xd4\xc3\xb2\xa1": "<", b"\x4d\x3c\xb2\xa1": "<",
    b"\xa1\xb2\xc3\xd4": ">", b"\xa1\xb2\x3c\x4d": ">",
}  # fmt: skip
_FILE_HEADER: Final = 24
_RECORD_HEADER: Final = 16
# How the record of a run ends: by its guard, or before the process was killed.
_CUT_SHORT: Final = "This run was cut short"
_DISMISSED: Final = "Guard dismissed"
_BEGIN_OR_END: Final = re.compile(
    r"^\S+ [A-Z]+ +alpy\.\w+ +(QEMU|App) (starts|ended)\b(?: app='(.*?)')?", re.MULTILINE
)

_LAUNCHED: Final = "Connect to QEMU's console and monitor... done"


def faults_of(directory: Path, *, whole: bool = False, killed: bool = False) -> list[str]:
    """What is wrong with the evidence in *directory*.

    *whole*: the run ended well, so its captures must be complete too. *killed*: its process died
    by SIGKILL, and its log has to say so if a guard stood by.
    """
    try:
        return [f"{directory}: {fault}" for fault in _faults(directory, whole, killed)]
    except OSError as error:
        return [f"{directory}: {error}"]


def _faults(directory: Path, whole: bool, killed: bool) -> Iterator[str]:
    if stat.S_IMODE(directory.stat().st_mode) & 0o077:
        yield "others may enter it"
    log = (directory / "debug.log").read_bytes().decode()
    # What a run says that makes a saved state for this one is in both logs.
    inner = _log_of_preparation(directory)
    if not re.match(r"\S+ run \S+\n", log):
        yield "debug.log does not begin with the id of its run"
    # A guard writes to the log of its own run alone.
    ended = _CUT_SHORT in log or log.count(_DISMISSED) > inner.count(_DISMISSED)
    if killed and "Guard stands by" in log and not ended:
        yield "debug.log does not say how the run ended"
    apps, untold = _begun(log)
    if whole or (killed and ended):
        yield from (f"debug.log does not say how {what} ended" for what in untold)
    logs = [f"{app}.log" for app in sorted(apps - _begun(inner)[0])]
    # The console is opened right after QEMU's start, and the monitor greets after that.
    if log.count(_LAUNCHED) > inner.count(_LAUNCHED):
        logs += ["console.log", "qemu.log", "qmp.log"]
        if not list(directory.glob("link*.pcap")):
            yield "no capture is there"
    for name in logs:
        (directory / name).read_bytes()
    yield from _faults_of_captures(directory, whole)


def _faults_of_captures(directory: Path, whole: bool) -> Iterator[str]:
    for capture in sorted(directory.glob("link*.pcap")):
        with capture.open("rb") as file:
            for fault in _faults_of_capture(file, whole):
                yield f"{capture.name}: {fault}"


def _begun(log: str) -> tuple[set[str], list[str]]:
    """The apps that began, and what has begun and not ended."""
    begun: dict[str, bool] = {}
    for what, event, name in _BEGIN_OR_END.findall(log):
        begun[name or what] = event == "starts"
    return set(begun) - {"QEMU"}, [name for name, open_ in begun.items() if open_]


def _log_of_preparation(directory: Path) -> str:
    try:
        return (directory / "preparation" / "debug.log").read_text(errors="replace")
    except OSError:
        return ""


def _faults_of_capture(file: BinaryIO, whole: bool) -> Iterator[str]:
    header = file.read(_FILE_HEADER)
    if len(header) < _FILE_HEADER:
        if whole or not any(magic.startswith(header[:4]) for magic in _BYTE_ORDERS):
            yield f"its header has {len(header)} bytes"
        return
    if header[:4] not in _BYTE_ORDERS:
        yield "it is no capture"
        return
    byte_order = _BYTE_ORDERS[header[:4]]
    (limit,) = struct.unpack(f"{byte_order}16xI4x", header)
    number = 0
    while head := file.read(_RECORD_HEADER):
        kept = limit
        if len(head) == _RECORD_HEADER:
            kept, length = struct.unpack(f"{byte_order}8xII", head)
            if kept > limit or kept > length:
                yield f"frame {number} claims {kept} of {length} bytes"
                return
        if len(head) < _RECORD_HEADER or len(file.read(kept)) < kept:
            # The last record may be torn: nothing can follow it.
            if whole:
                yield f"frame {number} is torn"
            return
        number += 1
