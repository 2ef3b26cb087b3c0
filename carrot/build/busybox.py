# SPDX-License-Identifier: GPL-3.0-or-later
"""The many programs in busybox."""

import posixpath
import tempfile
from collections.abc import Iterable, Mapping
from pathlib import Path

from carrot.build.filetree import Entry, FileTree, Link
from carrot.build.host_programs import run_program


def applets(busybox: bytes) -> list[str]:
    """The programs that this busybox can be."""
    with tempfile.TemporaryDirectory(prefix="alpy-busybox-") as directory:
        program = Path(directory, "busybox")
        program.write_bytes(busybox)
        program.chmod(0o755)
        return run_program([str(program), "--list"]).decode().split()


def busybox_links(applet_paths: Iterable[str], tree: Mapping[str, Entry]) -> FileTree:
    """A link in usr/bin for each applet whose name no program of *tree* has."""
    taken = {
        posixpath.basename(path)
        for path in tree
        if posixpath.dirname(path) in {"usr/bin", "usr/sbin"}
    }
    names = {posixpath.basename(path) for path in applet_paths} - taken - {"busybox", "linuxrc"}
    return {f"usr/bin/{name}": Link("busybox") for name in sorted(names)}
