# SPDX-License-Identifier: GPL-3.0-or-later
"""A tree of files in memory, all of root's: read from packages, written as tar or cpio."""

import fnmatch
import io
import posixpath
import stat
import tarfile
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Final, Self

from attrs import frozen

from carrot.build.host_programs import BuildError

# Directories that are links into usr/ since Debian 12.
_MERGED: Final = ("bin", "sbin", "lib", "lib64")


@frozen
class File:
    content: bytes
    mode: int = 0o644


@frozen
class Directory:
    mode: int = 0o755


@frozen
class Link:
    target: str


Entry = File | Directory | Link
FileTree = dict[str, Entry]


def merged_path(path: str) -> str:
    """The relative path, with bin, sbin and lib in usr, where today's releases keep them."""
    path = posixpath.normpath(path).lstrip("/")
    return f"usr/{path}" if path.partition("/")[0] in _MERGED else path


def merged_links() -> FileTree:
    """The links in the root directory that make old paths reach into usr."""
    return {name: Link(f"usr/{name}") for name in _MERGED}


class PackageFiles:
    """The files in an archive of packages, by merged path; contents are read when asked for."""

    def __init__(self, archive: Path) -> None:
        self._tar = tarfile.open(archive)  # noqa: SIM115 - closed in __exit__
        self._members = {
            merged_path(member.name): member
            for member in self._tar
            if member.isfile() or member.issym() or member.islnk() or member.isdir()
        }

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._tar.close()

    def __contains__(self, path: str) -> bool:
        return path in self._members

    def __iter__(self) -> Iterator[str]:
        return iter(self._members)

    def matching(self, patterns: Iterable[str]) -> list[str]:
        """Paths of files and links, not directories, that one of the glob *patterns* fits."""
        return [
            path
            for pattern in patterns
            for path in fnmatch.filter(self._members, pattern)
            if not self._members[path].isdir()
        ]

    def entry(self, path: str) -> Entry:
        """What is at *path*.

        Raises:
            BuildError: nothing is.
        """
        member = self._members.get(path)
        if member is None:
            raise BuildError(f"the packages hold no {path}; does this release name it otherwise?")
        if member.isdir():
            return Directory()
        if member.issym():
            return Link(member.linkname)
        return File(self._content(member), 0o755 if member.mode & stat.S_IXUSR else 0o644)

    def read(self, path: str) -> bytes:
        """The content of the file at *path*, links followed."""
        return self._content(self._members[self.follow(path)])

    def follow(self, path: str) -> str:
        """The path of the file that *path* leads to, links followed."""
        entry = self.entry(path)
        while isinstance(entry, Link):
            path = merged_path(posixpath.join("/", posixpath.dirname(path), entry.target))
            entry = self.entry(path)
        return path

    def _content(self, member: tarfile.TarInfo) -> bytes:
        file = self._tar.extractfile(member)
        return b"" if file is None else file.read()


def add_parents(tree: FileTree) -> None:
    """Give every entry the directories above it."""
    for path in list(tree):
        parent = posixpath.dirname(path)
        while parent:
            tree.setdefault(parent, Directory())
            parent = posixpath.dirname(parent)


def overlay(root: Path) -> FileTree:
    """The files under *root*. Programs show by their first line, and secrets by their name."""
    tree: FileTree = {}
    for path in sorted(root.rglob("*")):
        if path.is_file():
            content = path.read_bytes()
            mode = 0o600 if path.name == "shadow" else 0o755 if content[:2] == b"#!" else 0o644
            tree[str(path.relative_to(root))] = File(content, mode)
    return tree


def tar_archive(tree: Mapping[str, Entry]) -> bytes:
    """The tree as a tar file, all of it root's."""
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w", format=tarfile.GNU_FORMAT) as tar:
        for path, entry in sorted(tree.items()):
            member = tarfile.TarInfo(path)
            member.uname = member.gname = "root"
            match entry:
                case File(content, mode):
                    member.mode, member.size = mode, len(content)
                    tar.addfile(member, io.BytesIO(content))
                case Directory(mode):
                    member.type, member.mode = tarfile.DIRTYPE, mode
                    tar.addfile(member)
                case Link(target):
                    member.type, member.linkname, member.mode = tarfile.SYMTYPE, target, 0o777
                    tar.addfile(member)
    return buffer.getvalue()


def cpio_archive(tree: Mapping[str, Entry]) -> bytes:
    """The tree as a cpio archive of the kind that the kernel unpacks ("newc"), all root's."""
    parts: list[bytes] = []
    for number, (path, entry) in enumerate(sorted(tree.items()), start=1):
        match entry:
            case File(content, mode):
                parts.append(_cpio_member(number, path, stat.S_IFREG | mode, content))
            case Directory(mode):
                parts.append(_cpio_member(number, path, stat.S_IFDIR | mode, b""))
            case Link(target):
                parts.append(_cpio_member(number, path, stat.S_IFLNK | 0o777, target.encode()))
    parts.append(_cpio_member(0, "TRAILER!!!", 0, b""))
    return b"".join(parts)


def _cpio_member(number: int, path: str, mode: int, content: bytes) -> bytes:
    name = path.encode() + b"\0"
    # inode, mode, uid, gid, links, time, size, device and special device, name's size, checksum
    fields = (number, mode, 0, 0, 1, 0, len(content), 0, 0, 0, 0, len(name), 0)
    header = b"070701" + b"".join(b"%08X" % field for field in fields) + name
    return _padded(header) + _padded(content)


def _padded(part: bytes) -> bytes:
    return part + bytes(-len(part) % 4)
