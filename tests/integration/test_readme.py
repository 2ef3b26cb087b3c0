# SPDX-License-Identifier: GPL-3.0-or-later
"""What README promises, for real."""

from __future__ import annotations

from pathlib import Path

import pytest

from alpy.adapters.pcap import count_frames
from tests.readme import readme_example

pytestmark = [pytest.mark.docker, pytest.mark.qemu]


def test_the_example_runs_and_leaves_its_evidence(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    exec(readme_example(), {})  # noqa: S102
    run = tmp_path / "runs" / "forward"
    for name in ("console.log", "console.txt", "debug.log", "qemu.log", "qmp.log"):
        assert (run / name).stat().st_size, name
    assert [count_frames(run / f"link{link}.pcap")[0] > 100 for link in (0, 1)] == [True, True]
    assert len(list(run.glob("node*.log"))) == 3
