# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path

import pytest

from alpy.adapters.capacity import Capacity, host_capacity
from alpy.core.errors import InvalidValueError

CORES = len(os.sched_getaffinity(0))
GIB = 1 << 30


def host(root: Path, *, cgroup: str = "0::/\n", files: Mapping[str, object] | None = None) -> Path:
    """A host with 10 GiB, our control group as in *cgroup*, and *files* below /sys/fs/cgroup."""
    (root / "proc/self").mkdir(parents=True)
    (root / "proc/meminfo").write_text(f"MemTotal:       {10 << 20} kB\nMemFree: 1 kB\n")
    (root / "proc/self/cgroup").write_text(cgroup)
    for name, content in (files or {}).items():
        path = root / "sys/fs/cgroup" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(f"{content}\n")
    return root


def test_it_is_most_of_the_memory_and_two_cpus_for_each_core(tmp_path: Path) -> None:
    assert host_capacity({}, root=host(tmp_path)) == Capacity(cpus=2 * CORES, memory_mib=8192)


@pytest.mark.parametrize(
    ("cgroup", "files"),
    [
        ("0::/\n", {"memory.max": 5 * GIB}),
        ("0::/user/test\n", {"user/test/memory.max": "max", "user/memory.max": 5 * GIB}),
        ("4:memory:/job\n0::/\n", {"memory/job/memory.limit_in_bytes": 5 * GIB}),
        ("4:memory:/docker/1234\n", {"memory/memory.limit_in_bytes": 5 * GIB}),
        ("5:cpu:/\n0::/job\n", {"unified/job/memory.max": 5 * GIB}),
    ],
    ids=["version 2", "a group above ours", "version 1", "ours out of sight", "both versions"],
)
def test_a_control_group_with_less_memory_counts(
    tmp_path: Path, cgroup: str, files: Mapping[str, object]
) -> None:
    assert host_capacity({}, root=host(tmp_path, cgroup=cgroup, files=files)).memory_mib == 4096


def test_a_control_group_without_a_limit_does_not_count(tmp_path: Path) -> None:
    files = {
        "memory/memory.limit_in_bytes": 9223372036854771712,
        "cpu,cpuacct/cpu.cfs_quota_us": -1,
        "cpu/cpu.cfs_quota_us": -1,
        "cpu/cpu.cfs_period_us": 100000,
        "cpu.max": "max 100000",
    }
    root = host(tmp_path, cgroup="4:memory:/\n5:cpu,cpuacct:/\n0::/\n", files=files)
    assert host_capacity({}, root=root) == Capacity(cpus=2 * CORES, memory_mib=8192)


@pytest.mark.parametrize(
    ("cgroup", "files"),
    [
        ("0::/\n", {"cpu.max": "50000 100000"}),
        (
            "5:cpu,cpuacct:/\n",
            {"cpu/cpu.cfs_quota_us": 50000, "cpu/cpu.cfs_period_us": 100000},
        ),
    ],
    ids=["version 2", "version 1"],
)
def test_a_share_of_a_core_counts(tmp_path: Path, cgroup: str, files: Mapping[str, object]) -> None:
    assert host_capacity({}, root=host(tmp_path, cgroup=cgroup, files=files)).cpus == 1


def test_the_environment_has_the_last_word(tmp_path: Path) -> None:
    words = {"ALPY_SLOTS_CPUS": "7", "ALPY_SLOTS_MEMORY_MIB": "100000"}
    root = host(tmp_path, files={"memory.max": GIB})
    assert host_capacity(words, root=root) == Capacity(cpus=7, memory_mib=100_000)


@pytest.mark.parametrize("word", ["0", "-1", "many", "2.5"])
@pytest.mark.parametrize("variable", ["ALPY_SLOTS_CPUS", "ALPY_SLOTS_MEMORY_MIB"])
def test_what_can_not_be_is_refused_by_its_name(tmp_path: Path, variable: str, word: str) -> None:
    with pytest.raises(InvalidValueError, match=f"{variable} = '{word}'"):
        host_capacity({variable: word}, root=host(tmp_path))


def test_this_host_has_room() -> None:
    capacity = host_capacity({})
    assert capacity.cpus >= 1
    assert capacity.memory_mib > 0
