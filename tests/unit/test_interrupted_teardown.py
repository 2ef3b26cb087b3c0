# SPDX-License-Identifier: GPL-3.0-or-later
"""A teardown that a signal, an error or a logger of the test's own program tries to prevent."""

from __future__ import annotations

import logging
import signal
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from types import FrameType
from typing import Any

import pytest
from attrs import define, evolve, field

from alpy.adapters.signals import ProcessSignals
from alpy.core.appliance import Appliance, Kernel
from alpy.core.errors import AlpyError
from alpy.core.narrative import add_sink, remove_sink
from alpy.core.ports import Signals
from alpy.core.testbed import Testbed
from alpy.core.topology import Topology
from alpy.fakes import World

RABBIT = Appliance(name="rabbit", kernel=Kernel(image="vmlinuz"))
NUMBERS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
FILES = ("core/testbed.py", "fakes/signals.py", "adapters/signals.py")
FUNCTIONS = ("_settle", "_settle_all", "_tell_end", "_report", "_say")
OF_SIGNALS = ("deferred", "_deliver", "_put_back", "release", "note")


@define
class Tracer:
    """Does *blow* at the line with this number of those that the functions of a teardown run."""

    blow: Callable[[], object]
    line: int
    functions: tuple[str, ...]
    lines: int = 0
    where: str = field(default="")

    @contextmanager
    def at_work(self) -> Iterator[None]:
        before = sys.gettrace()
        sys.settrace(self._enter)
        try:
            yield
        finally:
            sys.settrace(before)

    def _enter(self, frame: FrameType, _event: str, _arg: Any) -> Any:
        code = frame.f_code
        mine = code.co_name in self.functions and code.co_filename.endswith(FILES)
        return self._look if mine else None

    def _look(self, frame: FrameType, event: str, _arg: Any) -> Any:
        if event == "line":
            self.lines += 1
            if self.lines == self.line:
                self.where = f"{frame.f_code.co_name}, line {frame.f_lineno}"
                self.blow()
        return self._look


def make(world: World, signals: Signals | None = None) -> Testbed:
    ports = world.ports if signals is None else evolve(world.ports, signals=signals)
    return Testbed(topology=Topology.of(RABBIT, 1), ports=ports)


def life(bed: Testbed, fault: BaseException | None) -> None:
    with bed:
        if fault is not None:
            raise fault


def strike_every_line(
    functions: tuple[str, ...],
    blow: Callable[[World], object],
    fault: type[BaseException] | None,
    signals: Callable[[], Signals | None],
) -> int:
    """A life for each line of *functions*, with a *blow* at it; how many lines there are."""
    handlers = [signal.getsignal(number) for number in NUMBERS]
    for line in range(1, 1000):
        world = World()
        error = fault() if fault else None
        tracer = Tracer(partial(blow, world), line, functions)
        with pytest.raises((KeyboardInterrupt, SystemExit, OSError)) as raised, tracer.at_work():
            life(make(world, signals()), error)
            if not tracer.where:
                raise OSError("no line is left")
        if not tracer.where:
            return line - 1
        assert (world.alive, world.signals.taken) == ((), False), tracer.where
        assert [signal.getsignal(number) for number in NUMBERS] == handlers, tracer.where
        assert isinstance(raised.value, KeyboardInterrupt | SystemExit), tracer.where
        # The fault of the test is not lost by it.
        assert error in [raised.value.__cause__, raised.value.__context__, None], tracer.where
    raise AssertionError("it does not end")


def press(_world: World) -> None:
    raise KeyboardInterrupt


@pytest.mark.parametrize("fault", [None, OSError])
def test_an_interrupt_at_any_line_of_the_end_leaves_nothing(
    fault: type[BaseException] | None,
) -> None:
    assert strike_every_line(FUNCTIONS, press, fault, lambda: None) > 10


@pytest.mark.parametrize("fault", [None, OSError])
def test_ctrl_c_at_any_line_of_the_end_leaves_nothing_and_gives_signals_back(
    fault: type[BaseException] | None,
) -> None:
    blow = lambda world: world.signals.interrupt()  # noqa: E731
    assert strike_every_line(FUNCTIONS + OF_SIGNALS, blow, fault, lambda: None) > 20


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
@pytest.mark.parametrize("fault", [None, OSError])
def test_a_signal_at_any_line_of_the_end_leaves_nothing_and_gives_handlers_back(
    fault: type[BaseException] | None, number: signal.Signals
) -> None:
    def blow(_world: World) -> None:
        # Once it is given back, it would end this process as it would any other.
        if signal.getsignal(number) is signal.SIG_DFL:
            raise SystemExit
        signal.raise_signal(number)

    assert strike_every_line(FUNCTIONS + OF_SIGNALS, blow, fault, ProcessSignals) > 25


def test_an_interrupt_at_any_line_of_the_entry_leaves_nothing() -> None:
    assert strike_every_line(("__enter__",), press, None, lambda: None) > 5


class UntellableError(Exception):
    """Its text can't be made."""

    def __str__(self) -> str:
        raise ValueError("no text")


def test_an_error_of_the_test_that_has_no_text_is_its_headline_all_the_same() -> None:
    world = World()
    error = UntellableError()
    with pytest.raises(UntellableError) as raised:
        life(make(world), error)
    assert raised.value is error
    assert world.alive == ()
    story = "\n".join(world.run_directory.lines)
    assert "The test failed: UntellableError (its text can't be made: ValueError)" in story


@pytest.fixture(params=["a sink", "a filter"])
def refuse(request: pytest.FixtureRequest) -> Iterator[Callable[[str], None]]:
    """Lets lines with a word in them raise, wherever they are logged from now on."""
    words: list[str] = []

    def hear(line: str) -> bool:
        if any(word in line for word in words):
            raise RuntimeError(f"refused: {line}")
        return True

    def filter_(record: logging.LogRecord) -> bool:
        return hear(record.getMessage())

    def sink(line: str) -> None:
        hear(line)

    logger = logging.getLogger("alpy.testbed")
    before = logger.level
    logger.setLevel(logging.DEBUG)
    if request.param == "a sink":
        add_sink(sink)
    else:
        logger.addFilter(filter_)
    yield words.append
    logger.removeFilter(filter_)
    remove_sink(sink)
    logger.setLevel(before)


@pytest.mark.parametrize("word", ["The test failed", "Clean up...", "Clean up... failed"])
def test_a_logger_that_raises_hangs_on_the_fault_of_the_test(
    refuse: Callable[[str], None], word: str
) -> None:
    world = World()
    if word == "Clean up... failed":
        world.faults.fail("skeleton.remove_nodes")
    with pytest.raises(Exception, match=r"no route|no answer|nodes") as raised, make(world):
        refuse(word)
        if word != "Clean up... failed":
            raise OSError("no route to server")
    assert world.alive == ()
    assert "RuntimeError: refused" in "".join(raised.value.__notes__)


@pytest.mark.parametrize("word", ["Clean up...", "Clean up... done"])
def test_a_logger_that_raises_fails_a_test_that_passed(
    refuse: Callable[[str], None], word: str
) -> None:
    world = World()
    with pytest.raises(RuntimeError, match="refused"), make(world):
        refuse(word)
    assert world.alive == ()


def test_a_logger_that_refuses_word_of_a_fault_hides_no_leftover(
    refuse: Callable[[str], None],
) -> None:
    world = World()
    world.faults.fail("skeleton.remove_nodes")
    with pytest.raises(AlpyError) as raised, make(world):
        refuse("Teardown: ")
    told = "".join(raised.value.__notes__)
    assert "and its report raised RuntimeError: refused" in told
    assert "possibly left behind: nodes" in told
    assert "LeakError" not in told
    assert "guard.hand_over" in world.calls
