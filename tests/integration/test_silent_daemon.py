# SPDX-License-Identifier: GPL-3.0-or-later
"""Apps whose daemon was killed, and listens again long before it answers."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from alpy.core.errors import DockerError
from alpy.core.exit_status import ExitStatus
from alpy.core.waiting import Limits
from tests.contracts.apps import PATIENCE, start, start_and_see
from tests.integration.docker_relay import DockerRelay
from tests.integration.docker_rigs import DockerAppsRig

pytestmark = pytest.mark.docker

# For one request; more than what is left to each when one has run out.
LIMIT = 4.0
# For a look by the watch, on a busy host.
SOON = 1.0


@pytest.fixture
def relay(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[DockerRelay]:
    relay = DockerRelay(tmp_path / "sock")
    monkeypatch.setenv("DOCKER_HOST", relay.host)
    yield relay
    relay.close()


@pytest.fixture
def rig(relay: DockerRelay, tmp_path: Path) -> Iterator[DockerAppsRig]:
    rig = DockerAppsRig(tmp_path, limits=Limits(container=LIMIT))
    yield rig
    relay.speak()
    rig.close()


def seconds_until_given_up(request: Callable[[], object]) -> float:
    began = time.monotonic()
    with pytest.raises(DockerError, match="did not answer in time"):
        request()
    return time.monotonic() - began


def test_a_look_at_an_app_is_over_soon_and_blames_nobody(
    relay: DockerRelay, rig: DockerAppsRig
) -> None:
    start_and_see(rig, b"ready\n")
    relay.fall_silent()
    for _ in range(5):
        began = time.monotonic()
        assert rig.apps.wait("app", timeout=0) is None
        assert time.monotonic() - began < SOON


def test_a_daemon_that_answers_again_tells_how_it_ended(
    relay: DockerRelay, rig: DockerAppsRig
) -> None:
    start_and_see(rig, b"ready\n")
    relay.fall_silent()
    assert rig.apps.wait("app", timeout=1) is None
    relay.speak()
    # Its node has died, since the daemon hung up on it.
    assert rig.apps.wait("app", timeout=PATIENCE) == ExitStatus(signal=9)


def test_who_asks_for_the_status_is_told_that_nobody_answers(
    relay: DockerRelay, rig: DockerAppsRig
) -> None:
    start_and_see(rig, b"ready\n")
    relay.fall_silent()
    assert rig.apps.wait("app", timeout=0.5) is None
    assert seconds_until_given_up(lambda: rig.apps.status("app")) >= LIMIT


def test_once_it_was_silent_it_is_not_waited_for_so_long_until_it_answers(
    relay: DockerRelay, rig: DockerAppsRig
) -> None:
    start_and_see(rig, b"ready\n")
    relay.fall_silent()
    assert seconds_until_given_up(lambda: rig.apps.send_signal("app", "SIGTERM")) >= LIMIT
    assert seconds_until_given_up(lambda: rig.apps.remove("app")) < LIMIT - 1
    relay.speak()
    rig.apps.remove("app")
    relay.fall_silent()
    assert seconds_until_given_up(lambda: rig.apps.send_signal("app", "SIGTERM")) >= LIMIT


def test_the_log_of_an_app_that_cannot_be_removed_is_closed(
    relay: DockerRelay, rig: DockerAppsRig
) -> None:
    start(rig, rig.spec_that_runs_on())
    relay.fall_silent()
    assert seconds_until_given_up(lambda: rig.apps.remove("app")) >= LIMIT - 0.1
    assert seconds_until_given_up(lambda: rig.apps.remove("app")) < LIMIT - 1
    assert rig.log not in open_files()


def open_files() -> set[Path]:
    # The one that this is read with is gone by then.
    return {link.readlink() for link in Path("/proc/self/fd").iterdir() if link.is_symlink()}
