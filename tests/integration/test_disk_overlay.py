# SPDX-License-Identifier: GPL-3.0-or-later
"""Appliance files, with the real qemu-img: wrong ones are refused, right ones never written."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest

from alpy.adapters.qemu.disk_overlay import check_image, create_overlay
from alpy.adapters.qemu.files import check_iso, check_kernel, check_readable
from alpy.core.appliance import DiskFormat
from alpy.core.errors import ApplianceFileError, HostError
from tests.integration.tiny_guest import write_disk, write_kernel

pytestmark = pytest.mark.qemu

QEMU_IMG = "qemu-img"


def make(path: Path, format_: str = "qcow2") -> Path:
    subprocess.run([QEMU_IMG, "create", "-q", "-f", format_, path, "10M"], check=True)
    return path


def test_an_image_of_the_stated_format_passes(tmp_path: Path) -> None:
    check_image(QEMU_IMG, make(tmp_path / "a, = b.qcow2"), DiskFormat.QCOW2)
    check_image(QEMU_IMG, make(tmp_path / "c:d.img", "raw"), DiskFormat.RAW)


@pytest.mark.parametrize(("made", "said"), [("raw", "qcow2"), ("qcow2", "raw"), ("vmdk", "qcow2")])
def test_an_image_of_another_format_is_refused_with_both(
    tmp_path: Path, made: str, said: str
) -> None:
    path = make(tmp_path / "disk", made)
    with pytest.raises(ApplianceFileError, match=f"format {said}: its format is {made}"):
        check_image(QEMU_IMG, path, DiskFormat(said))


def test_an_image_over_another_one_passes(tmp_path: Path) -> None:
    base = make(tmp_path / "base.qcow2")
    create_overlay(QEMU_IMG, image=base, format_=DiskFormat.QCOW2, overlay=tmp_path / "top.qcow2")
    check_image(QEMU_IMG, tmp_path / "top.qcow2", DiskFormat.QCOW2)


def test_an_image_over_a_missing_one_is_refused_before_the_start(tmp_path: Path) -> None:
    base = make(tmp_path / "base.qcow2")
    create_overlay(QEMU_IMG, image=base, format_=DiskFormat.QCOW2, overlay=tmp_path / "top.qcow2")
    base.unlink()
    with pytest.raises(ApplianceFileError, match=r"top\.base"):
        check_image(QEMU_IMG, tmp_path / "top.qcow2", DiskFormat.QCOW2)


def test_missing_empty_and_special_files_are_refused(tmp_path: Path) -> None:
    (tmp_path / "empty").touch()
    os.mkfifo(tmp_path / "pipe")
    places = [tmp_path / "missing", tmp_path / "empty", tmp_path, tmp_path / "pipe", Path("a\0b")]
    for path in places:
        with pytest.raises(ApplianceFileError):
            check_readable(path, what="initrd")
        with pytest.raises(ApplianceFileError):
            check_image(QEMU_IMG, path, DiskFormat.RAW)


def test_a_file_that_is_no_kernel_is_refused(tmp_path: Path) -> None:
    check_kernel(write_kernel(tmp_path / "kernel"))
    with pytest.raises(ApplianceFileError, match="no Linux"):
        check_kernel(write_disk(tmp_path / "disk"))


def test_a_file_that_is_no_iso_is_refused(tmp_path: Path) -> None:
    iso = tmp_path / "a.iso"
    iso.write_bytes(bytes(0x8001) + b"CD001" + bytes(2042))
    check_iso(iso)
    with pytest.raises(ApplianceFileError, match="no ISO 9660"):
        check_iso(write_disk(tmp_path / "disk"))


def test_an_overlay_shows_the_image_and_keeps_it_unwritten(tmp_path: Path) -> None:
    image = write_disk(tmp_path / "a, b = c.img")
    before = image.read_bytes()
    image.chmod(0o400)
    overlay = tmp_path / "run, 1" / "disk0.qcow2"
    overlay.parent.mkdir()
    create_overlay(QEMU_IMG, image=image, format_=DiskFormat.RAW, overlay=overlay)
    subprocess.run(["qemu-io", "-c", "write -P 1 0 4096", overlay], check=True, capture_output=True)
    assert image.read_bytes() == before
    subprocess.run([QEMU_IMG, "convert", "-O", "raw", overlay, tmp_path / "now"], check=True)
    assert (tmp_path / "now").read_bytes()[:4096] == b"\1" * 4096
    assert (tmp_path / "now").read_bytes()[4096:] == before[4096:]


def test_an_overlay_that_cannot_be_made_is_an_error_of_the_host(tmp_path: Path) -> None:
    image = write_disk(tmp_path / "disk")
    with pytest.raises(HostError, match="overlay"):
        create_overlay(
            QEMU_IMG, image=image, format_=DiskFormat.RAW, overlay=tmp_path / "missing" / "x"
        )


def test_a_missing_qemu_img_names_the_packages(tmp_path: Path) -> None:
    image = write_disk(tmp_path / "disk")
    with pytest.raises(HostError, match="qemu-utils"):
        check_image("qemu-img-that-is-not-there", image, DiskFormat.RAW)
