# SPDX-License-Identifier: GPL-3.0-or-later
"""What a life notes of itself, with the time, and whether that is the truth about its fault."""

from __future__ import annotations

import re
import sys
import time
from pathlib import Path
from typing import Final

from attrs import frozen

# As notes are written: a time, what happened, and perhaps how.
_NOTE: Final = re.compile(
    r"^torture (\d+\.\d+) (enters|begins|passes|raises)(?: (.*))?$", re.MULTILINE
)
# In this time after a blow the test has to know of it; a busy host may take half of that away.
NOTICE_SECONDS: Final = 1.5


def note(event: str, text: str = "") -> None:
    """Note *event* on stdout. The clock is the same for all processes of this host."""
    words = " ".join(text.split())
    sys.stdout.write(f"torture {time.monotonic():.6f} {event} {words}".rstrip() + "\n")
    sys.stdout.flush()


@frozen
class Note:
    seconds: float
    event: str
    text: str


@frozen(kw_only=True)
class Blow:
    """When it fell: not before *since*, and not after *until*."""

    since: float
    until: float


@frozen(kw_only=True)
class Truth:
    """Whether a test was told what befell it, and how soon; None if that was not to be told."""

    seconds: float | None = None
    complaint: str = ""


def notes_in(output: Path) -> list[Note]:
    found = _NOTE.finditer(output.read_text(errors="replace"))
    return [Note(float(each[1]), each[2], each[3] or "") for each in found]


def judge_blow(notes: list[Note], blow: Blow, wanted: str) -> Truth:
    """*wanted*: a regular expression that fits the error, if the test was struck while it ran."""
    begun = _first(notes, "begins")
    ended = _first(notes[notes.index(begun) :], "passes", "raises") if begun else None
    if begun is None or blow.since < begun.seconds or (ended and ended.seconds < blow.since):
        return Truth()
    if ended is None:
        return Truth(complaint=f"it was never told of {wanted!r}")
    return _judge(ended, ended.seconds - blow.until, wanted, NOTICE_SECONDS)


def judge_refusal(notes: list[Note], wanted: str, patience: float) -> Truth:
    """The testbed can't be entered: that has to be said as *wanted*, *patience* seconds later."""
    entered = _first(notes, "enters")
    ended = _first(notes, "begins", "raises")
    if entered is None or ended is None:
        return Truth(complaint=f"it was never told of {wanted!r}")
    return _judge(ended, ended.seconds - entered.seconds, wanted, patience + NOTICE_SECONDS)


def _judge(ended: Note, seconds: float, wanted: str, limit: float) -> Truth:
    seconds = max(seconds, 0.0)
    if ended.event == "passes" and seconds < limit:
        return Truth()  # it was over before anything had to be noticed
    if ended.event != "raises" or not re.match(wanted, ended.text):
        said = f"{ended.event} {ended.text}".strip()
        return Truth(complaint=f"not told of {wanted!r}: after {seconds:.1f} s it {said:.200}")
    if seconds > limit:
        return Truth(seconds=seconds, complaint=f"told only after {seconds:.1f} s: {ended.text}")
    return Truth(seconds=seconds)


def _first(notes: list[Note], *events: str) -> Note | None:
    return next((each for each in notes if each.event in events), None)
