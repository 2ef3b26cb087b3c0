# SPDX-License-Identifier: GPL-3.0-or-later
"""Files that an appliance finds on a disk of their own when it starts."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import PurePath
from typing import Final, TypeAlias

from attrs import field, frozen

from alpy.core.errors import InvalidValueError

Content: TypeAlias = bytes | PurePath

# ECMA-119, 8.4.7: a volume identifier has 32 bytes. cloud-init and others look for lower case too.
_LABEL: Final = re.compile(r"[A-Za-z0-9_.-]{1,32}")
# Linux, limits.h: NAME_MAX.
_NAME_BYTES: Final = 255


def _label(text: str) -> str:
    if not _LABEL.fullmatch(text):
        raise InvalidValueError(
            f"label {text!r}: 1 to 32 letters, digits, dots, dashes and underscores are wanted"
        )
    return text


def _files(values: Mapping[str, Content]) -> tuple[tuple[str, Content], ...]:
    try:
        # Pairs will do, too: so attrs.evolve can give back what it finds.
        files = dict(values)
    except (TypeError, ValueError) as error:
        raise InvalidValueError(f"files {values!r}: a mapping of names is wanted") from error
    for name, content in files.items():
        _check_name(name)
        if not isinstance(content, bytes | PurePath):
            raise InvalidValueError(
                f"file {name!r}: its content as bytes, or the pathlib.Path of a file, is wanted"
            )
        if over := [str(above) for above in PurePath(name).parents if str(above) in files]:
            raise InvalidValueError(f"file {name!r}: {over[0]!r} is a file, and no folder")
    return tuple(sorted(files.items(), key=lambda item: item[0]))


def _check_name(name: object) -> None:
    parts = name.split("/") if isinstance(name, str) else [""]
    if any(part in {"", ".", ".."} or "\0" in part for part in parts):
        raise InvalidValueError(f"file {name!r}: a name as 'rules' or 'certificates/ca.pem'")
    if any(len(part.encode()) > _NAME_BYTES for part in parts):
        raise InvalidValueError(f"file {name!r}: no name has more than {_NAME_BYTES} bytes")


@frozen(kw_only=True)
class DataDisk:
    """A disk that the appliance can only read: an ISO 9660 file system, with Rock Ridge's names.

    *files*: what each one holds, by its name, which may begin with folders: bytes, or the path of a
    file on this host. They are kept as pairs. *label*: by which the appliance finds the disk.
    """

    files: tuple[tuple[str, Content], ...] = field(converter=_files)
    label: str = field(default="ALPY", converter=_label)
