# SPDX-License-Identifier: GPL-3.0-or-later
"""What scripts/bench makes of its samples: ratios, verdicts, tables, the page of the docs."""

from __future__ import annotations

import json
from collections.abc import Iterator
from functools import partial
from itertools import pairwise
from pathlib import Path
from xml.etree import ElementTree

import pytest
from attrs import evolve

from benchmarks.by_hand import same_command
from benchmarks.captured import in_bursts
from benchmarks.documents import BEGIN, END, with_table
from benchmarks.figures import (
    ALPY,
    LIMIT,
    PEER,
    Circumstances,
    Figure,
    Goal,
    from_json,
    missed,
    slope,
    to_json,
)
from benchmarks.plot import life_plot, links_plot
from benchmarks.report import report, with_unit
from benchmarks.restore_by_hand import restore_command
from benchmarks.session import Progress, Session

TWICE = Goal(words="twice as fast", over=PEER, under=ALPY, at_least=2)
TIME = Figure(
    name="time", unit="s", samples={ALPY: (3, 1, 2), PEER: (5, 5), LIMIT: (1,)}, goals=[TWICE]
)


def links_figure(links: int, **medians: float) -> Figure:
    samples = {ALPY: (medians["alpy"],), PEER: (medians["peer"],), LIMIT: (medians["bare"],)}
    name = f"network up, {links} link{'s' * (links != 1)}"
    return Figure(name=name, unit="s", samples=samples)


HERE = Circumstances(host={"CPUs": "2"}, foreign_load=0.04, seconds=541)

UP = [links_figure(1, alpy=0.5, peer=0.9, bare=0.3), links_figure(8, alpy=1, peer=6, bare=0.9)]


def drawn(plot: str) -> ElementTree.Element:
    return ElementTree.fromstring(plot)  # noqa: S314  we have drawn it


def test_what_takes_less_time_is_better() -> None:
    assert TIME.better_than(PEER) == 2.5
    assert TIME.better_than(LIMIT) == 0.5
    assert TIME.spread() == 1


def test_of_rates_the_higher_is_better() -> None:
    rate = Figure(name="rate", unit="/s", samples={ALPY: (6,), PEER: (2,)}, higher_is_better=True)
    assert rate.better_than(PEER) == 3
    assert rate.better_than(LIMIT) is None, "it was not measured"
    assert rate.spread() is None, "one run has none"


@pytest.mark.parametrize(
    ("goal", "reached"),
    [
        (Goal(words="", over=PEER, under=ALPY, at_least=2.5), True),
        (Goal(words="", over=PEER, under=ALPY, at_least=2.6), False),
        (Goal(words="", under=LIMIT, at_most=2), True),
        (Goal(words="", under=LIMIT, at_most=1.9), False),
        (Goal(words="", at_most=2), True),
    ],
)
def test_a_goal_is_reached_or_not(goal: Goal, reached: bool) -> None:
    value = TIME.reached(goal)
    assert value is not None
    assert goal.admits(value) is reached


def test_a_goal_without_samples_is_not_called_reached() -> None:
    figure = Figure(name="time", unit="s", samples={ALPY: (1,)}, goals=[TWICE])
    assert "| twice as fast | - | not measured |" in report([figure], HERE)
    assert missed([figure]) == [TWICE]


def test_a_goal_that_is_reached_is_not_missed() -> None:
    too_high = evolve(TWICE, at_least=3)
    assert missed([TIME, evolve(TIME, goals=[TWICE, too_high])]) == [too_high]


def test_the_tables_tell_medians_ratios_and_verdicts() -> None:
    text = report([TIME], HERE)
    assert "| twice as fast | 2.50 | yes |" in text
    assert "| time | 2 s | 50 % | 5 s | 2.5 | 1 s | 50 % |  |" in text
    assert text.endswith("Measured on: CPUs 2; in 9:01 minutes. Others took 4 % of its CPUs.\n")


def test_a_host_that_did_other_work_too_is_told_of() -> None:
    text = report([TIME], evolve(HERE, foreign_load=0.11))
    assert text.endswith("\n\n**Others took 11 % of its CPUs: measure again when it is idle.**\n")


@pytest.mark.parametrize(
    ("value", "said"),
    [(0.1234, "0.123 s"), (1.234, "1.23 s"), (12.34, "12.3 s"), (1234.5, "1,234 s"), (0, "0 s")],
)
def test_three_digits_count(value: float, said: str) -> None:
    assert with_unit(value, "s") == said


def test_results_come_back_from_a_file_as_they_were() -> None:
    figures, circumstances = from_json(json.loads(json.dumps(to_json([TIME], HERE))))
    assert circumstances == HERE
    assert report(figures, circumstances) == report([TIME], HERE)


def test_what_one_more_costs_is_taken_from_all_counts() -> None:
    assert slope({1: 2, 2: 4, 4: 8}) == pytest.approx(2)
    assert slope({0: 0, 1: 3, 2: 0}) == pytest.approx(0)
    assert slope({1: 1}) is None
    assert slope({}) is None


def test_ways_take_turns_and_each_is_the_first_once() -> None:
    asked: list[str] = []

    def way(name: str) -> dict[str, float]:
        asked.append(name)
        return {"s": len(asked)}

    session = Session(runs=3, quick=False, progress=Progress({"": 1}))
    ways = {name: partial(way, name) for name in "abc"}
    samples = session.take_turns("", 3, ways, once="c", warm_up=True)
    assert "".join(asked) == "abcabcbaab"
    assert samples == {"a": {"s": (4, 8, 9)}, "b": {"s": (5, 7, 10)}, "c": {"s": (6,)}}


def captured(*numbers: int) -> Iterator[tuple[float, int]]:
    return ((float(moment), number) for moment, number in enumerate(numbers))


def test_a_frame_that_came_twice_does_not_stand_for_one_that_was_lost() -> None:
    # Of two bursts of four: the second 2 of the first is too much, the 2 of the second is lost.
    one, two = in_bursts(captured(0, 1, 2, 2, 3, 0, 1, 3), 4)
    assert (one.seen, two.seen) == ({0, 1, 2, 3}, {0, 1, 3})
    assert (one.begin, one.end, two.begin, two.end) == (0, 4, 5, 7)


def test_a_burst_may_have_lost_its_first_frames() -> None:
    one, two = in_bursts(captured(3, 4, 0, 1), 5)
    assert (one.seen, two.seen) == ({3, 4}, {0, 1})


def test_a_frame_that_was_overtaken_belongs_to_the_burst_that_it_is_in() -> None:
    one, two = in_bursts(captured(1, 0, 2, 4, 3, 0, 2, 1, 4, 3), 5)
    assert one.seen == two.seen == {0, 1, 2, 3, 4}


def test_a_table_replaces_the_one_before_and_nothing_else() -> None:
    page = f"before\n{BEGIN}\nold\n{END}\nafter\n"
    assert with_table(page, "new\n") == f"before\n{BEGIN}\n\nnew\n\n{END}\nafter\n"
    assert with_table(with_table(page, "new\n"), "new\n") == with_table(page, "new\n")


def test_the_time_left_is_what_was_said_stretched_by_what_it_took() -> None:
    now = [0.0]
    progress = Progress({"one": 10, "two": 30, "three": 20}, now=lambda: now[0])
    progress.enter("one")
    assert progress.left == 60
    now[0] = 20
    progress.enter("two")
    assert progress.left == 100, "all takes twice as long as was said"
    now[0] = 200
    assert progress.left == 40, "what is late takes no less than no time"
    assert progress.line("life") == "[3:20, 0:40 left] two: life"


def test_the_plot_of_links_is_xml_and_names_what_it_shows() -> None:
    plot = links_plot(UP)
    assert plot is not None
    words = "".join(drawn(plot).itertext())
    for said in ("alpy: 1.0 s", "alpy 6.0.0: 6.0 s", "bare containers: 0.9 s"):
        assert said in words


def test_labels_of_lines_that_end_together_do_not_overlap() -> None:
    plot = links_plot(UP)
    assert plot is not None
    labels = [each for each in drawn(plot) if ": " in (each.text or "")]
    heights = sorted(float(label.attrib["y"]) for label in labels)
    assert all(below - above >= 18 for above, below in pairwise(heights))


def test_there_is_no_plot_of_what_was_not_measured() -> None:
    assert links_plot(UP[:1]) is None
    assert life_plot(UP) is None


def test_the_plot_of_a_life_has_a_row_for_each_way_and_its_sum() -> None:
    phases = {ALPY: {"network up": 1, "test": 2}, PEER: {"network up": 4, "test": 2}}
    plot = life_plot([Figure(name="life", unit="s", samples={}, phases=phases)])
    assert plot is not None
    words = [each.text for each in drawn(plot)]
    assert {"alpy", "3.0 s", "alpy 6.0.0", "6.0 s"} <= set(words)
    # Two for the legend, and two for each row.
    assert sum(each.tag.endswith("rect") for each in drawn(plot)) == 6


COMMAND = (
    "qemu -S -chardev socket,id=monitor,fd=23 -chardev socket,id=console,fd=25"
    " -netdev tap,id=link0,fd=19 -object filter-dump,id=capture0,netdev=link0,file=/a/link0.pcap"
    " -device virtio-net-pci,netdev=link0"
)


def test_a_command_by_hand_names_what_alpy_gives_by_descriptors() -> None:
    words = same_command(COMMAND, ["tap0"])
    assert words[:6] == [
        "qemu", "-S",
        "-chardev", "socket,id=monitor,path=monitor,server=on,wait=off",
        "-chardev", "socket,id=console,path=console,server=on,wait=off",
    ]  # fmt: skip
    assert "tap,id=link0,ifname=tap0,script=no,downscript=no,vnet_hdr=off" in words
    assert len(words) == len(COMMAND.split())


def test_a_restore_by_hand_reads_the_state_by_its_name() -> None:
    ram = "memory-backend-file,id=ram,size=256M,mem-path=/proc/self/fd/{},share=off"
    channels = "-chardev socket,id=monitor,fd={} -chardev socket,id=console,fd={}"
    command = f"qemu -object {ram.format(14)} -incoming defer {channels.format(17, 19)}"
    by_hand = ram.replace("/proc/self/fd/{}", "/states/a,,b/memory")
    assert restore_command(command, Path("/states/a,b"), monitor=3, console=4) == (
        f"qemu -object {by_hand} -incoming defer {channels.format(3, 4)}".split()
    )


def test_captures_off_leaves_the_rest_of_the_command_as_it_is() -> None:
    with_captures = same_command(COMMAND, ["tap0"])
    without = same_command(COMMAND, ["tap0"], capture=False)
    assert [word for word in with_captures if word not in without] == [
        "-object", "filter-dump,id=capture0,netdev=link0,file=link0.pcap,maxlen=262144",
    ]  # fmt: skip
