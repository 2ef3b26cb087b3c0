# SPDX-License-Identifier: GPL-3.0-or-later
"""Files on their way into a container, as the tar archive that the daemon takes."""

from __future__ import annotations

import io
import tarfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path, PurePath, PurePosixPath
from tempfile import TemporaryFile
from typing import IO

from alpy.core.errors import HostError, InvalidValueError

# A file given as bytes has no mode of its own: a script must run, data must be readable.
_MODE = 0o755


@contextmanager
def packed(files: Mapping[str, bytes | PurePath]) -> Iterator[IO[bytes]]:
    """An archive of *files*, which maps a path in the container to bytes or to a path on the host.

    A file of the host keeps its mode; all belong to root. A folder comes with what is in it.

    Raises:
        InvalidValueError: a path in the container is not absolute, or a file is not on the host.
        HostError: there is no room for the archive.
    """
    # In a file, since an appliance's package may be larger than what this process should hold.
    with TemporaryFile() as archive:
        try:
            with tarfile.open(fileobj=archive, mode="w") as tar:
                for target, source in files.items():
                    _add(tar, target, source)
        except OSError as error:
            raise HostError(
                asked="pack files for a container",
                found=str(error),
                remedy="Make room in the folder for temporary files (TMPDIR).",
            ) from error
        archive.seek(0)
        yield archive


def check_files(files: Mapping[str, bytes | PurePath]) -> None:
    """Refuse what `packed` would refuse, before anything is made.

    Raises:
        InvalidValueError: a path in the container is not absolute, or a file is not on the host.
    """
    for target, source in files.items():
        if not PurePosixPath(target).is_absolute():
            raise InvalidValueError(f"file {target!r}: its path in the container must be absolute")
        if isinstance(source, PurePath) and not Path(source).exists():
            raise InvalidValueError(f"file {source} for {target!r} in the container: no such file")


def _add(tar: tarfile.TarFile, target: str, source: bytes | PurePath) -> None:
    if isinstance(source, PurePath):
        # Resolved, so that a link's file goes in and not the link.
        tar.add(Path(source).resolve(), arcname=target, filter=_owned_by_root)
        return
    entry = tarfile.TarInfo(target.lstrip("/"))
    entry.size, entry.mode = len(source), _MODE
    tar.addfile(entry, io.BytesIO(source))


def _owned_by_root(entry: tarfile.TarInfo) -> tarfile.TarInfo:
    entry.uid = entry.gid = 0
    entry.uname = entry.gname = ""
    return entry
