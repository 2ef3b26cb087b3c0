# SPDX-License-Identifier: GPL-3.0-or-later
"""An answer comes through exactly, or is asked for again. It never comes through wrong."""

from __future__ import annotations

import re
import shlex
import subprocess

from hypothesis import assume, example, given
from hypothesis import strategies as st

from alpy.core.shell.framing import (
    GUEST_FUNCTIONS,
    SELF_DESCRIPTION,
    Answer,
    end_pattern,
    guess,
    is_begun,
    octal,
    parse,
    quoted,
)

NUMBER = 12
ECHO = " _alpy 12 'ls'\r\n"
KERNEL_MESSAGE = "[    3.141592] random: crng init done\r\n"

statuses = st.integers(0, 255)
# The guest prints neither of these in place.
texts = st.text(st.characters(exclude_categories=["Cs"])).filter(
    lambda text: "\r" not in text and "alpy." not in text
)
# What comes in between may look like anything but the mark itself.
garbage = st.one_of(
    st.text(st.characters(exclude_categories=["Cs"]), min_size=1),
    st.text("0123456789.<>\r\nte", min_size=1, max_size=4),
    st.just(KERNEL_MESSAGE),
).filter(lambda text: "alpy" not in text)


def printed(text: str, status: int, *, line_end: str = "\r\n") -> str:
    """What the guest's `_alpy_p` prints."""
    length = len(text.encode())
    end = f">alpy.{NUMBER}.{1000 - status}.{1000000 - length}.e\n"
    frame = f"alpy.{NUMBER}.t.{status}.{length}<{text}{end}{end}"
    return frame.replace("\n", line_end)


@given(text=texts, status=statuses, line_end=st.sampled_from(["\r\n", "\n"]))
def test_an_answer_comes_through_exactly(text: str, status: int, line_end: str) -> None:
    received = ECHO + printed(text, status, line_end=line_end)
    assert parse(NUMBER, received) == Answer(status=status, text=text)


@given(text=texts, status=statuses, between=garbage)
@example(text="", status=0, between="1")
@example(text="a\n", status=5, between="\r")
def test_what_comes_in_between_anywhere_never_changes_the_answer(
    text: str, status: int, between: str
) -> None:
    frame = printed(text, status)
    for position in range(len(frame) + 1):
        answer = parse(NUMBER, ECHO + frame[:position] + between + frame[position:])
        assert answer in (None, Answer(status=status, text=text))


@given(text=texts, status=statuses, digits=st.lists(st.tuples(st.integers(0), garbage)))
def test_not_even_at_many_places(text: str, status: int, digits: list[tuple[int, str]]) -> None:
    received = printed(text, status)
    for position, between in digits:
        place = position % (len(received) + 1)
        received = received[:place] + between + received[place:]
    # Pieces of garbage could make up a mark together.
    assume(received.count("alpy") == 3)
    assert parse(NUMBER, ECHO + received) in (None, Answer(status=status, text=text))


@given(text=texts, status=statuses, position=st.integers(0))
def test_of_two_ends_one_is_enough(text: str, status: int, position: int) -> None:
    frame = printed(text, status)
    end = frame.rindex(">alpy")
    place = end + position % (len(frame) - end)
    torn = frame[:place] + KERNEL_MESSAGE + frame[place:]
    assert parse(NUMBER, torn) == Answer(status=status, text=text)
    assert re.search(end_pattern(NUMBER), torn)


@given(text=texts, position=st.integers(0), status=statuses)
def test_a_kernel_message_in_the_text_can_be_guessed_away(
    text: str, position: int, status: int
) -> None:
    assume("[" not in text)
    frame = printed(text, status)
    begin, end = frame.index("<") + 1, frame.index(">alpy")
    place = begin + position % (end - begin + 1)
    assume(frame[place - 1] not in "\r\n")
    torn = frame[:place] + KERNEL_MESSAGE + frame[place:]
    assert guess(NUMBER, torn) == Answer(status=status, text=text)


def test_another_answer_is_not_taken_for_this_one() -> None:
    assert parse(NUMBER + 1, printed("text", 0)) is None
    assert parse(1, printed("text", 0)) is None


def test_the_echo_of_the_question_is_no_part_of_an_answer() -> None:
    typed = "\n".join([*GUEST_FUNCTIONS, f"_alpy {NUMBER} {quoted('echo alpy.12.t.0.5<')}"])
    assert not is_begun(NUMBER, typed)
    assert "alpy.12." not in typed


def test_what_is_typed_fits_the_line_editor_of_busybox() -> None:
    assert max(map(len, GUEST_FUNCTIONS)) < 1000
    assert len(quoted(SELF_DESCRIPTION)) < 1000


@given(text=st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0")))
def test_a_quoted_text_is_typed_in_plain_characters(text: str) -> None:
    assert re.fullmatch(r"[ -~]+", quoted(text))
    assert "!" not in quoted(text) or "'" not in text


def test_a_quoted_text_is_one_word_for_the_shell() -> None:
    texts = ["", "a", "it's", "a b\tc\nd", '"$HOME" `id` \\', "ü兎", "!!", "%s\\n", "alpy.1.", "-n"]
    command = "printf '<%s>' " + " ".join(map(quoted, texts))
    run = subprocess.run(["dash", "-c", command], capture_output=True, check=True)
    assert run.stdout.decode() == "".join(f"<{text}>" for text in texts)


@given(data=st.binary(max_size=300))
def test_octal_is_undone_by_printf(data: bytes) -> None:
    typed = octal(data)
    assert shlex.split(f"'{typed}'") == [typed]
    assert re.sub(rb"\\0(\d{3})", lambda m: bytes([int(m[1], 8)]), typed.encode()) == data
