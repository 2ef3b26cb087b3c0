# SPDX-License-Identifier: GPL-3.0-or-later
"""A data disk as a file that QEMU can open."""

from __future__ import annotations

from io import BytesIO
from itertools import count
from pathlib import Path, PurePath
from typing import TYPE_CHECKING, Final

from alpy.adapters.qemu.files import check_file
from alpy.core.data_disk import Content, DataDisk
from alpy.core.errors import HostError

if TYPE_CHECKING:
    from pycdlib import PyCdlib

_EVERYBODY_READS: Final = 0o100444
_EVERYBODY_RUNS: Final = 0o111


def check_data_disk(disk: DataDisk) -> None:
    """Look whether the files of *disk* can be read.

    Raises:
        ApplianceFileError: one can't, or is missing.
    """
    for name, content in disk.files:
        if not isinstance(content, bytes):
            check_file(Path(content), what=f"file {name!r} of the data disk")


def write_data_disk(disk: DataDisk, path: Path) -> None:
    """Make the image of *disk* at *path*: the same one for the same files, but for its dates.

    Raises:
        HostError: it could not be written, for want of room for instance.
    """
    # Few appliances have such a disk; the others need not wait for the import.
    from pycdlib import PyCdlib  # noqa: PLC0415
    from pycdlib.pycdlibexception import PyCdlibException  # noqa: PLC0415

    image = PyCdlib()
    image.new(interchange_level=3, vol_ident=disk.label, rock_ridge="1.09")
    try:
        _fill(image, disk)
        image.write(str(path))
    except (OSError, PyCdlibException) as error:
        raise HostError(
            asked=f"write the data disk {path}",
            found=getattr(error, "strerror", None) or str(error),
            remedy="Make room, or look at its files",
        ) from error
    finally:
        image.close()


def _fill(image: PyCdlib, disk: DataDisk) -> None:
    # The names that count are Rock Ridge's. ISO 9660's own are short, so that any name will do.
    numbers = count(1)
    folders = {PurePath(): ""}
    for name, content in disk.files:
        path = PurePath(name)
        for folder in reversed(path.parents):
            if folder not in folders:
                folders[folder] = f"{folders[folder.parent]}/D{next(numbers):07}"
                image.add_directory(folders[folder], rr_name=folder.name)
        place = f"{folders[path.parent]}/F{next(numbers):07}.;1"
        _add(image, place, path.name, content)


def _add(image: PyCdlib, place: str, name: str, content: Content) -> None:
    if isinstance(content, bytes):
        image.add_fp(
            BytesIO(content), len(content), place, rr_name=name, file_mode=_EVERYBODY_READS
        )
        return
    runs = Path(content).stat().st_mode & _EVERYBODY_RUNS
    image.add_file(str(content), place, rr_name=name, file_mode=_EVERYBODY_READS | runs)
