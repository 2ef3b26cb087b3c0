# SPDX-License-Identifier: GPL-3.0-or-later
"""What README promises, on fakes."""

from __future__ import annotations

from functools import partial

import pytest

import alpy
from alpy import fakes
from carrot import fakes as rabbit_fakes
from carrot import rabbit
from tests.readme import readme_example


@pytest.fixture
def world(monkeypatch: pytest.MonkeyPatch) -> fakes.World:
    world = rabbit_fakes.rabbit_world()
    world.apps.plan(["iperf3", "--server"], seconds=None, listens_on=[5201])
    monkeypatch.setattr(alpy, "testbed", partial(fakes.testbed, world=world))
    monkeypatch.setattr(rabbit, "appliance", rabbit_fakes.appliance)
    return world


def test_the_example_runs_in_memory_and_leaves_nothing(world: fakes.World) -> None:
    exec(readme_example(), {})  # noqa: S102
    assert world.alive == ()
    assert "apps.start" in world.calls


def test_the_example_fails_when_the_ping_does(world: fakes.World) -> None:
    world.apps.plan(["ping"], exit_code=1, stdout="100% packet loss\n")
    with pytest.raises(alpy.errors.AppFailedError, match="100% packet loss"):
        exec(readme_example(), {})  # noqa: S102
    assert world.alive == ()
