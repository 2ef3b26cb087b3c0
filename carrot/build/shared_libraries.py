# SPDX-License-Identifier: GPL-3.0-or-later
"""Pick programs out of packages together with the shared libraries that they need."""

import posixpath
import struct
from collections.abc import Iterable
from typing import Final

from carrot.build.filetree import FileTree, Link, PackageFiles
from carrot.build.host_programs import BuildError

# Names from the ELF specification.
_PT_LOAD: Final = 1
_PT_DYNAMIC: Final = 2
_DT_NULL: Final = 0
_DT_NEEDED: Final = 1
_DT_STRTAB: Final = 5
_LIBRARY_DIRECTORIES: Final = ("usr/lib/x86_64-linux-gnu", "usr/lib", "usr/lib64")


def needed_libraries(program: bytes) -> list[str]:
    """The names in the ELF file's dynamic section; none for a static program or another file."""
    if program[:5] != b"\x7fELF\x02":
        return []
    (headers_at,) = struct.unpack_from("<Q", program, 0x20)
    header_size, header_count = struct.unpack_from("<HH", program, 0x36)
    loads: list[tuple[int, int, int]] = []
    dynamic: list[tuple[int, int]] = []
    for number in range(header_count):
        kind, _, offset, address, _, size = struct.unpack_from(
            "<IIQQQQ", program, headers_at + number * header_size
        )
        if kind == _PT_LOAD:
            loads.append((address, size, offset))
        elif kind == _PT_DYNAMIC:
            dynamic = list(struct.iter_unpack("<QQ", program[offset : offset + size]))
    if (_DT_NULL, 0) in dynamic:
        dynamic = dynamic[: dynamic.index((_DT_NULL, 0))]
    strings_address = dict(dynamic).get(_DT_STRTAB, 0)
    for address, size, offset in loads:
        if address <= strings_address < address + size:
            strings = offset + strings_address - address
            return [_text(program, strings + at) for tag, at in dynamic if tag == _DT_NEEDED]
    return []


def _text(data: bytes, at: int) -> str:
    return data[at : data.index(b"\0", at)].decode()


def pick(files: PackageFiles, paths: Iterable[str]) -> FileTree:
    """The files at *paths*, what links among them lead to, and every library needed.

    Raises:
        BuildError: the packages lack one of them.
    """
    tree: FileTree = {}
    waiting = list(paths)
    while waiting:
        path = waiting.pop()
        if path in tree:
            continue
        tree[path] = entry = files.entry(path)
        if isinstance(entry, Link):
            waiting.append(files.follow(path))
        else:
            libraries = needed_libraries(files.read(path))
            waiting += [_find_library(files, name, needed_by=path) for name in libraries]
    return tree


def _find_library(files: PackageFiles, name: str, *, needed_by: str) -> str:
    for directory in _LIBRARY_DIRECTORIES:
        path = posixpath.join(directory, name)
        if path in files:
            return path
    raise BuildError(f"the packages hold no {name}, which {needed_by} needs")
