# SPDX-License-Identifier: GPL-3.0-or-later
"""What every Console promises."""

from __future__ import annotations

from typing import Protocol

import pytest

from alpy.core.errors import ConsoleClosedError, ConsoleLostError, ConsoleTimeoutError
from alpy.core.ports import Console
from tests.contracts.lookout import Lookout, SomethingDiedError

# Long enough for a busy host; no passing test waits for it.
LONG = 20.0
# Short, for waits that are meant to end in vain.
SHORT = 0.05


class ConsoleRig(Protocol):
    """A console, and the appliance's side of it."""

    @property
    def console(self) -> Console: ...

    @property
    def lookout(self) -> Lookout:
        """The watch that the console was opened with."""
        ...

    def prints(self, text: str | bytes) -> None:
        """The appliance prints *text* now."""
        ...

    def prints_later(self, seconds: float, text: str | bytes) -> None:
        """The appliance prints *text* when *seconds* have passed on the console's clock."""
        ...

    def typed(self) -> bytes:
        """What was typed since the last call."""
        ...

    def ends(self) -> None:
        """The appliance's end of the console goes away."""
        ...


class ConsoleContract:
    """The subclass gives the fixture `rig`."""

    def test_a_match_tells_what_was_printed_before_it(self, rig: ConsoleRig) -> None:
        rig.prints("Linux\r\nrabbit login: ")
        match = rig.console.expect("login: ", timeout=LONG)
        assert (match.index, match.before, match.matched) == (0, "Linux\r\nrabbit ", "login: ")

    def test_text_after_the_match_is_kept(self, rig: ConsoleRig) -> None:
        rig.prints("one two three")
        rig.console.expect("one", timeout=LONG)
        assert rig.console.expect("three", timeout=LONG).before == " two "

    def test_text_printed_while_it_waits_is_found(self, rig: ConsoleRig) -> None:
        rig.prints("rabbit lo")
        rig.prints_later(SHORT, "gin: ")
        assert rig.console.expect("login: ", timeout=LONG).before == "rabbit "

    def test_what_died_ends_a_wait_and_what_was_printed_is_kept(self, rig: ConsoleRig) -> None:
        rig.prints("rabbit lo")
        rig.lookout.strikes_at = rig.lookout.looks + 1
        with pytest.raises(SomethingDiedError):
            rig.console.expect("login: ", timeout=LONG)
        rig.lookout.strikes_at = None
        rig.prints("gin: ")
        assert rig.console.expect("login: ", timeout=LONG).before == "rabbit "

    def test_what_died_ends_a_wait_by_the_pexpect_object_too(self, rig: ConsoleRig) -> None:
        rig.lookout.strikes_at = rig.lookout.looks + 1
        with pytest.raises(SomethingDiedError):
            rig.console.spawn.expect(b"login: ", timeout=LONG)

    def test_last_words_that_are_there_are_read_before_anybody_looks_who_died(
        self, rig: ConsoleRig
    ) -> None:
        rig.prints("Kernel panic")
        rig.lookout.strikes_at = 0
        assert rig.console.expect("panic", timeout=LONG).before == "Kernel "

    def test_the_pattern_that_starts_first_wins(self, rig: ConsoleRig) -> None:
        rig.prints("a b c")
        match = rig.console.expect(["c", "b"], timeout=LONG)
        assert (match.index, match.matched) == (1, "b")

    def test_of_patterns_that_start_together_the_first_in_the_list_wins(
        self, rig: ConsoleRig
    ) -> None:
        rig.prints("foobar")
        match = rig.console.expect(["foobar", "foo"], timeout=LONG)
        assert (match.index, match.matched) == (0, "foobar")

    def test_a_dot_matches_line_ends_too(self, rig: ConsoleRig) -> None:
        rig.prints("<a\r\nb>")
        assert rig.console.expect("<.*>", timeout=LONG).matched == "<a\r\nb>"

    def test_letters_outside_ascii_are_matched_and_returned(self, rig: ConsoleRig) -> None:
        rig.prints("Grüße von 兎# ")
        match = rig.console.expect("兎", timeout=LONG)
        assert (match.before, match.matched) == ("Grüße von ", "兎")

    def test_bytes_that_are_no_utf8_are_shown_as_hex(self, rig: ConsoleRig) -> None:
        rig.prints(b"\xff\x00\xc3# ")
        assert rig.console.expect("# ", timeout=LONG).before == "\\xff\x00\\xc3"

    def test_a_timeout_says_what_was_awaited_and_what_was_seen(self, rig: ConsoleRig) -> None:
        rig.prints("Kernel panic")
        rig.console.expect("Kernel", timeout=LONG)
        with pytest.raises(ConsoleTimeoutError) as raised:
            rig.console.expect("login: ", timeout=SHORT)
        assert "login: " in raised.value.awaited
        assert raised.value.seconds == SHORT
        assert raised.value.seen == " panic"

    def test_a_timeout_loses_nothing(self, rig: ConsoleRig) -> None:
        rig.prints("one two")
        with pytest.raises(ConsoleTimeoutError):
            rig.console.expect("three", timeout=SHORT)
        rig.prints(" three")
        assert rig.console.expect("two three", timeout=LONG).before == "one "

    def test_a_timeout_of_nothing_still_looks_at_what_is_there(self, rig: ConsoleRig) -> None:
        rig.prints("one two")
        rig.console.expect("one", timeout=LONG)
        assert rig.console.expect("two", timeout=0).matched == "two"

    def test_text_is_typed_as_it_is(self, rig: ConsoleRig) -> None:
        rig.console.send("rööt\n")
        rig.console.send(b"\x03\x00\xff")
        assert rig.typed() == "rööt\n".encode() + b"\x03\x00\xff"

    def test_what_was_printed_before_the_end_is_still_found(self, rig: ConsoleRig) -> None:
        rig.prints("one two")
        rig.ends()
        assert rig.console.expect("one", timeout=LONG).matched == "one"
        assert rig.console.expect("two", timeout=LONG).matched == "two"

    def test_an_end_is_an_error_at_once(self, rig: ConsoleRig) -> None:
        rig.prints("Power down")
        rig.ends()
        with pytest.raises(ConsoleLostError) as raised:
            rig.console.expect("login: ", timeout=LONG)
        assert "login: " in raised.value.awaited
        assert raised.value.seen == "Power down"

    def test_an_end_stays_an_error(self, rig: ConsoleRig) -> None:
        rig.ends()
        for _ in range(2):
            with pytest.raises(ConsoleLostError):
                rig.console.expect("login: ", timeout=LONG)

    def test_typing_after_the_end_is_an_error(self, rig: ConsoleRig) -> None:
        rig.ends()
        with pytest.raises(ConsoleLostError):
            rig.console.send("root\n")

    def test_a_closed_console_says_so(self, rig: ConsoleRig) -> None:
        rig.prints("login: ")
        rig.console.close()
        with pytest.raises(ConsoleClosedError):
            rig.console.expect("login: ", timeout=LONG)
        with pytest.raises(ConsoleClosedError):
            rig.console.send("root\n")

    def test_closing_again_does_nothing(self, rig: ConsoleRig) -> None:
        rig.console.close()
        rig.console.close()

    def test_a_console_whose_end_is_gone_can_be_closed(self, rig: ConsoleRig) -> None:
        rig.ends()
        rig.console.close()
