# SPDX-License-Identifier: GPL-3.0-or-later
"""A data disk in a real appliance: what its own kernel reads is what was given."""

from __future__ import annotations

from collections.abc import Callable
from hashlib import sha256
from pathlib import Path

import pytest

import alpy
from carrot import rabbit

pytestmark = [pytest.mark.docker, pytest.mark.qemu]

NAMES = ["rules", "empty", "a folder/ä'\"\\ $x", "one/two/three/four/five/six/seven/eight/nine/ten"]


@pytest.fixture
def disk(tmp_path: Path) -> alpy.DataDisk:
    program, large = tmp_path / "program", tmp_path / "large"
    program.write_bytes(b"#!/bin/sh\necho it runs\n")
    program.chmod(0o700)
    large.write_bytes(bytes(range(251)) * 12_000)
    contents = {name: name.encode() * 300 for name in NAMES} | {"empty": b""}
    return alpy.DataDisk(files={**contents, "bin/program": program, "large": large})


def digests(disk: alpy.DataDisk) -> dict[str, str]:
    contents = {
        name: content if isinstance(content, bytes) else Path(content).read_bytes()
        for name, content in disk.files
    }
    return {name: sha256(content).hexdigest() for name, content in contents.items()}


def digests_in(shell: alpy.Shell) -> dict[str, str]:
    """Of all files below /mnt, by the appliance's own programs."""
    lines = shell.run(r"cd /mnt; find . -type f -exec sha256sum {} \;").output.splitlines()
    # A name with a backslash has its line begin with one, and the backslash doubled.
    plain = (line.removeprefix("\\").replace("\\\\", "\\") for line in lines)
    return {
        name.removeprefix("./"): digest for digest, _, name in (x.partition("  ") for x in plain)
    }


@pytest.mark.parametrize("make", [rabbit.appliance, rabbit.uefi_appliance])
def test_its_files_are_there_and_can_only_be_read(
    make: Callable[..., alpy.Appliance], disk: alpy.DataDisk, tmp_path: Path
) -> None:
    with alpy.testbed(make(data_disk=disk), links=0, run_dir=tmp_path / "run") as bed:
        shell = rabbit.start(bed)
        rabbit.mount_data_disk(shell, "/mnt")
        assert digests_in(shell) == digests(disk)
        assert shell.run("/mnt/bin/program").output == "it runs\n"
        assert "Read-only" in shell.run("echo x >/mnt/rules", check=False).output
        refused = "mount -o remount,rw /mnt || dd if=/dev/zero of=$(findfs LABEL=ALPY) count=1"
        assert shell.run(refused, check=False).exit_code
        assert not list((tmp_path / "run").glob("*.iso"))


def test_a_restored_appliance_goes_on_with_the_disk_that_it_had_mounted(
    disk: alpy.DataDisk, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def mounted(bed: alpy.Testbed) -> None:
        bed.dut.start()
        shell = rabbit.login(bed.console)
        rabbit.mount_data_disk(shell, "/mnt")
        shell.run("cat /mnt/rules")

    monkeypatch.setenv("ALPY_STATES", str(tmp_path / "states"))
    prepared = alpy.Preparation(key="mounted", prepare=mounted)
    appliance = rabbit.appliance(data_disk=disk)
    for name in ("one", "another"):
        run = tmp_path / name
        with alpy.testbed(appliance, links=0, run_dir=run, prepared=prepared) as bed:
            assert bed.is_prepared
            shell = rabbit.start(bed)
            assert digests_in(shell) == digests(disk)
        assert "login" not in (run / "console.log").read_text()
        assert not list(run.rglob("*.iso"))


def test_a_file_that_is_missing_is_told_before_anything_is_taken(tmp_path: Path) -> None:
    disk = alpy.DataDisk(files={"rules": tmp_path / "missing"})
    bed = alpy.testbed(rabbit.appliance(data_disk=disk), run_dir=tmp_path / "run")
    with pytest.raises(alpy.errors.ApplianceFileError, match="file 'rules' of the data disk"), bed:
        pytest.fail("it began")
    assert not (tmp_path / "run").exists()
