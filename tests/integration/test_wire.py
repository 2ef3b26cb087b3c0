# SPDX-License-Identifier: GPL-3.0-or-later
"""The wire tells the truth: what a node sends is what the captures hold, frame by frame."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

import alpy
from alpy.adapters.pcap import read_frames
from alpy.core.waiting import wait_until
from carrot import rabbit, traffic
from carrot.frames import ETHER_TYPE, numbered_frames, peculiar_frames

pytestmark = [pytest.mark.docker, pytest.mark.qemu]

COUNT = 100_000


@pytest.fixture
def bed(tmp_path: Path) -> Iterator[alpy.Testbed]:
    links = [alpy.Link(number=number, queue_length=COUNT) for number in range(2)]
    with alpy.testbed(rabbit.appliance(), links=links, run_dir=tmp_path / "run") as bed:
        bed.dut.start()
        rabbit.cross_connect(rabbit.login(bed.console), 0, 1)
        yield bed


def wait_for_frames_out(bed: alpy.Testbed, count: int) -> None:
    wait_until(
        lambda: bed.nodes[1].counters().frames_out >= count,
        awaited=f"{count} frames behind the appliance",
        timeout=60,
        clock=bed.ports.clock,
    )


def captured(bed: alpy.Testbed, link: int) -> Iterator[bytes]:
    return read_frames(bed.run_dir / f"link{link}.pcap")


def test_a_hundred_thousand_frames_of_every_length_pass_whole_and_in_order(
    bed: alpy.Testbed,
) -> None:
    traffic.send_frames(bed.nodes[0], COUNT)
    wait_for_frames_out(bed, COUNT)
    bed.dut.pause()
    for link in (0, 1):
        ours = (frame for frame in captured(bed, link) if frame[12:14] == ETHER_TYPE)
        for number, sent in enumerate(numbered_frames(COUNT)):
            assert next(ours, b"") == sent, f"frame {number} differs in the capture of link {link}"
        assert next(ours, None) is None, f"link {link} shows more frames than were sent"
    assert all(node.counters().lossless for node in bed.nodes)


def test_frames_that_others_eat_or_change_pass_unmodified(bed: alpy.Testbed) -> None:
    sent = peculiar_frames()
    before = bed.nodes[1].counters().frames_out
    traffic.send_frames(bed.nodes[0], "peculiar")
    wait_for_frames_out(bed, before + len(sent))
    bed.dut.pause()
    for link in (0, 1):
        seen = list(captured(bed, link))
        missing = [name for name, frame in sent.items() if frame not in seen]
        assert not missing, f"not in the capture of link {link}: {missing}"
