# SPDX-License-Identifier: GPL-3.0-or-later
"""The contracts of Skeleton and Apps, on the real daemon."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.contracts.apps import AppsContract
from tests.contracts.skeleton import SkeletonContract
from tests.integration.docker_rigs import DockerAppsRig, DockerSkeletonRig

pytestmark = pytest.mark.docker


class TestDockerSkeleton(SkeletonContract):
    @pytest.fixture(params=[False, True], ids=["chosen_ip", "ip_in_container"])
    def rig(self, request: pytest.FixtureRequest) -> Iterator[DockerSkeletonRig]:
        rig = DockerSkeletonRig(in_container=request.param)
        yield rig
        rig.close()


class TestDockerApps(AppsContract):
    @pytest.fixture
    def rig(self, tmp_path: Path) -> Iterator[DockerAppsRig]:
        rig = DockerAppsRig(tmp_path)
        yield rig
        rig.close()
