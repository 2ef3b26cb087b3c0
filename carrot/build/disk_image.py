# SPDX-License-Identifier: GPL-3.0-or-later
"""A disk as a vendor ships it: GPT, an EFI system partition, systemd-boot, kernel, initramfs."""

from collections.abc import Mapping
from pathlib import Path, PurePosixPath
from typing import Final

from carrot.build.host_programs import run_program

_MIB: Final = 1024 * 1024
_SECTOR: Final = 512
# Room for the primary partition table before the partition, and for its copy after it.
_MARGIN: Final = _MIB
# Below this size FAT32 has too few clusters, and firmware may refuse other kinds.
_SMALLEST_PARTITION: Final = 48 * _MIB
_EFI_SYSTEM: Final = "C12A7328-F81F-11D2-BA4B-00A0C93EC93B"

PROGRAMS: Final = ("mcopy", "mkfs.vfat", "mmd", "qemu-img", "sfdisk")


def boot_files(
    *, loader: bytes, kernel: bytes, initrd: bytes, command_line: str
) -> dict[str, bytes]:
    """What is on the EFI system partition, by path."""
    entry = f"title Rabbit\nlinux /rabbit/vmlinuz\ninitrd /rabbit/initrd\noptions {command_line}\n"
    return {
        "EFI/BOOT/BOOTX64.EFI": loader,
        "loader/loader.conf": b"default rabbit.conf\ntimeout 0\n",
        "loader/entries/rabbit.conf": entry.encode(),
        "rabbit/vmlinuz": kernel,
        "rabbit/initrd": initrd,
    }


def write_uefi_disk(files: Mapping[str, bytes], disk: Path, workspace: Path) -> None:
    """Write a qcow2 image whose one partition holds *files*. Needs no root and no mount."""
    content = sum(len(file) for file in files.values())
    size = max(_SMALLEST_PARTITION, (content // _MIB + 16) * _MIB)
    partition = workspace / "esp.img"
    _write_partition(files, partition, size, workspace)
    raw = workspace / "disk.img"
    with raw.open("wb") as image:
        image.truncate(size + 2 * _MARGIN)
        image.seek(_MARGIN)
        image.write(partition.read_bytes())
    table = (
        "label: gpt\n"
        f"start={_MARGIN // _SECTOR}, size={size // _SECTOR}, type={_EFI_SYSTEM}, name=ESP\n"
    )
    run_program(["sfdisk", "--quiet", str(raw)], stdin=table.encode())
    run_program(["qemu-img", "convert", "-f", "raw", "-O", "qcow2", str(raw), str(disk)])
    raw.unlink()
    partition.unlink()


def _write_partition(
    files: Mapping[str, bytes], partition: Path, size: int, workspace: Path
) -> None:
    with partition.open("wb") as image:
        image.truncate(size)
    run_program(["mkfs.vfat", "-F", "32", "-n", "ESP", str(partition)])
    made: set[str] = set()
    source = workspace / "file"
    for path, content in files.items():
        for parent in reversed(PurePosixPath(path).parents[:-1]):
            if str(parent) not in made:
                run_program(["mmd", "-i", str(partition), f"::/{parent}"])
                made.add(str(parent))
        source.write_bytes(content)
        run_program(["mcopy", "-i", str(partition), str(source), f"::/{path}"])
    source.unlink()
