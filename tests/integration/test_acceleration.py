# SPDX-License-Identifier: GPL-3.0-or-later
"""The probe for KVM, with programs that behave as QEMU does on good and on bad hosts."""

from __future__ import annotations

import logging
import os
import time
from pathlib import Path

import pytest

from alpy.adapters.qemu.acceleration import KvmProbe, choose_acceleration
from alpy.core.appliance import Acceleration
from alpy.core.errors import HostError

REACHED = "echo >> runs; exit 33"
REFUSED = "echo >> runs; echo 'failed to set MSR' >&2; exit 1"
HANGS = "echo >> runs; exec sleep 60"


class Host:
    """One where QEMU is a shell script, and where a plain file stands for /dev/kvm."""

    def __init__(self, folder: Path, script: str) -> None:
        self._folder = folder
        self.memory = folder / "memory"
        self.device = folder / "kvm"
        self.device.touch()
        self.program = folder / "qemu"
        self.boot("one")
        script = script.replace("runs", f"'{folder}/runs'")
        self.program.write_text(f"#!/bin/sh\n{script}\n")
        self.program.chmod(0o755)

    @property
    def probe(self) -> KvmProbe:
        return KvmProbe(
            program=str(self.program),
            memory=self.memory,
            device=self.device,
            boot_id=self._folder / "boot_id",
        )

    @property
    def runs(self) -> int:
        path = self._folder / "runs"
        return len(path.read_text().splitlines()) if path.exists() else 0

    def boot(self, number: str) -> None:
        (self._folder / "boot_id").write_text(f"{number}\n")


def test_a_guest_that_ends_as_it_should_means_kvm(tmp_path: Path) -> None:
    host = Host(tmp_path, REACHED)
    assert choose_acceleration(Acceleration.AUTO, cpu="max", probe=host.probe) is Acceleration.KVM
    assert choose_acceleration(Acceleration.KVM, cpu="max", probe=host.probe) is Acceleration.KVM


def test_a_guest_that_hangs_is_given_up_soon_and_asked_once_a_boot(tmp_path: Path) -> None:
    host = Host(tmp_path, HANGS)
    begin = time.monotonic()
    assert "did not end" in (host.probe.fault("max") or "")
    assert time.monotonic() - begin < 5
    assert "remembered" in (host.probe.fault("max") or "")
    assert host.runs == 1
    host.boot("two")
    host.probe.fault("max")
    assert host.runs == 2


def test_success_is_remembered_for_each_cpu(tmp_path: Path) -> None:
    host = Host(tmp_path, REACHED)
    for cpu in ("max", "max", "qemu64", "max"):
        assert host.probe.fault(cpu) is None
    assert host.runs == 2


def test_a_refusal_is_not_remembered_for_it_may_be_mended(tmp_path: Path) -> None:
    host = Host(tmp_path, REFUSED)
    for _ in range(2):
        assert "failed to set MSR" in (host.probe.fault("max") or "")
    assert host.runs == 2


def test_without_the_device_no_guest_is_tried(tmp_path: Path) -> None:
    host = Host(tmp_path, REACHED)
    host.device.unlink()
    assert "No such file" in (host.probe.fault("max") or "")
    assert host.runs == 0


def test_auto_falls_back_with_one_warning_that_says_why(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    host = Host(tmp_path, REFUSED)
    assert choose_acceleration(Acceleration.AUTO, cpu="max", probe=host.probe) is Acceleration.TCG
    (record,) = [record for record in caplog.records if record.levelno >= logging.WARNING]
    assert "failed to set MSR" in record.getMessage()


def test_kvm_asked_for_and_not_usable_is_an_error_of_the_host(tmp_path: Path) -> None:
    host = Host(tmp_path, REFUSED)
    with pytest.raises(HostError, match="failed to set MSR"):
        choose_acceleration(Acceleration.KVM, cpu="max", probe=host.probe)


def test_tcg_asks_nobody(tmp_path: Path) -> None:
    host = Host(tmp_path, REACHED)
    assert choose_acceleration(Acceleration.TCG, cpu="max", probe=host.probe) is Acceleration.TCG
    assert host.runs == 0


def test_a_missing_qemu_names_the_packages(tmp_path: Path) -> None:
    host = Host(tmp_path, REACHED)
    host.program.unlink()
    with pytest.raises(HostError, match="apt-get install"):
        host.probe.fault("max")


@pytest.mark.parametrize("trick", ["link", "open to others", "file"])
def test_a_memory_that_others_could_have_written_is_not_believed(
    tmp_path: Path, trick: str
) -> None:
    host = Host(tmp_path, REACHED)
    if trick == "link":
        (tmp_path / "elsewhere").mkdir(mode=0o700)
        host.memory.symlink_to(tmp_path / "elsewhere")
    elif trick == "file":
        host.memory.touch()
    else:
        host.memory.mkdir()
        host.memory.chmod(0o777)
    for _ in range(2):
        assert host.probe.fault("max") is None
    assert host.runs == 2


@pytest.mark.skipif(os.getuid() != 0, reason="only root can give a folder away")
def test_a_memory_of_somebody_else_is_not_believed(tmp_path: Path) -> None:
    host = Host(tmp_path, REACHED)
    host.memory.mkdir(mode=0o700)
    os.chown(host.memory, 65534, 65534)
    for _ in range(2):
        host.probe.fault("max")
    assert host.runs == 2


@pytest.mark.qemu
def test_the_real_guest_leaves_the_real_qemu(tmp_path: Path) -> None:
    # Under TCG, because it is the guest that is tried here.
    program = tmp_path / "qemu"
    program.write_text(
        '#!/bin/sh\nfor each; do shift; [ "$each" = kvm ] && each=tcg; set -- "$@" "$each"; done\n'
        'exec qemu-system-x86_64 "$@"\n'
    )
    program.chmod(0o755)
    (tmp_path / "kvm").touch()
    probe = KvmProbe(program=str(program), memory=None, device=tmp_path / "kvm")
    assert probe.fault("max") is None
