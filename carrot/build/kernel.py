# SPDX-License-Identifier: GPL-3.0-or-later
"""The kernel out of its package: unpacked for a fast start, with a few of its modules."""

import lzma
import posixpath
import re
import struct
import tempfile
import zlib
from collections.abc import Iterable
from pathlib import Path
from typing import Final

from attrs import frozen

from carrot.build.filetree import File, FileTree, PackageFiles
from carrot.build.host_programs import BuildError, run_program

# The note by which a hypervisor finds the entry of an uncompressed kernel (PVH), see the
# kernel's include/xen/interface/elfnote.h: its type, XEN_ELFNOTE_PHYS32_ENTRY, and its owner.
_PVH_NOTE: Final = struct.pack("<I", 18) + b"Xen\0"
_MODULE_SUFFIX: Final = re.compile(r"\.ko(\.xz|\.zst|\.gz)?$")
_DEPENDS: Final = re.compile(rb"\0depends=([^\0]*)\0")
_MODULE_INDEXES: Final = ("modules.alias", "modules.dep", "modules.symbols")


@frozen(kw_only=True)
class Kernel:
    """One kernel of a package."""

    release: str
    image: bytes


def find_kernel(files: PackageFiles) -> Kernel:
    """The one kernel in *files*.

    Raises:
        BuildError: there is none, or there are several.
    """
    images = files.matching(["boot/vmlinuz-*"])
    if len(images) != 1:
        raise BuildError(f"expected one kernel in the packages, found {images or 'none'}")
    return Kernel(release=images[0].removeprefix("boot/vmlinuz-"), image=files.read(images[0]))


def unpacked(image: bytes) -> bytes:
    """The kernel as QEMU starts it without unpacking: under emulation that saves 2.5 s.

    An image of an unknown kind is returned as it is, which also boots.
    """
    # Fields of the boot protocol: setup_sects, version, payload_offset, payload_length.
    setup_sectors = image[0x1F1] or 4
    (version,) = struct.unpack_from("<H", image, 0x206)
    offset, length = struct.unpack_from("<II", image, 0x248)
    if version < 0x208:  # noqa: PLR2004 - the first version with these fields
        return image
    start = (setup_sectors + 1) * 512 + offset
    elf = _decompressed(image[start : start + length])
    return elf if elf[:4] == b"\x7fELF" and _PVH_NOTE in elf else image


def _decompressed(data: bytes) -> bytes:
    """The content of *data*; whatever follows it is left out, as a kernel's length does."""
    if data[:6] == b"\xfd7zXZ\0":
        return lzma.LZMADecompressor().decompress(data)
    if data[:2] == b"\x1f\x8b":
        return zlib.decompressobj(wbits=31).decompress(data)
    if data[:4] == b"\x28\xb5\x2f\xfd":
        # A kernel's payload ends in its unpacked size, which zstd takes for a broken frame.
        return _zstd_decompressed(data)
    return data


def _zstd_decompressed(data: bytes) -> bytes:
    try:
        return run_program(["zstd", "--decompress", "--stdout"], stdin=data)
    except BuildError:
        return run_program(["zstd", "--decompress", "--stdout"], stdin=data[:-4])


def module_tree(files: PackageFiles, release: str, patterns: Iterable[str]) -> FileTree:
    """The modules whose names fit *patterns*, with all they depend on, and their indexes."""
    paths = {
        _module_name(path): path
        for path in files.matching([f"usr/lib/modules/{release}/kernel/*"])
        if _MODULE_SUFFIX.search(path)
    }
    waiting = _chosen(paths, patterns)
    modules: FileTree = {}
    while waiting:
        path = paths[waiting.pop()]
        target = _MODULE_SUFFIX.sub(".ko", path)
        if target not in modules:
            content = _decompressed(files.read(path))
            modules[target] = File(content)
            waiting += [name for name in module_dependencies(content) if name in paths]
    return modules | _module_indexes(modules, release)


def _chosen(names: Iterable[str], patterns: Iterable[str]) -> list[str]:
    """A pattern without a match is no error: the driver may be built into this kernel."""
    expressions = [re.compile(pattern.replace("-", "_").replace("*", ".*")) for pattern in patterns]
    return [name for name in names if any(each.fullmatch(name) for each in expressions)]


def _module_name(path: str) -> str:
    return _MODULE_SUFFIX.sub("", posixpath.basename(path)).replace("-", "_")


def module_dependencies(module: bytes) -> list[str]:
    """The names of the modules that this one says it needs."""
    match = _DEPENDS.search(module)
    names = match[1].decode() if match else ""
    return [name.replace("-", "_") for name in names.split(",") if name]


def _module_indexes(modules: FileTree, release: str) -> FileTree:
    with tempfile.TemporaryDirectory(prefix="alpy-modules-") as root:
        for path, module in modules.items():
            if isinstance(module, File):
                target = Path(root, path)
                target.parent.mkdir(parents=True, exist_ok=True)
                target.write_bytes(module.content)
        Path(root, "lib").symlink_to("usr/lib")
        # depmod warns that the package's own lists are missing; they only order the result.
        run_program(["depmod", "-b", root, release])
        indexes = Path(root, "lib", "modules", release)
        return {
            f"usr/lib/modules/{release}/{name}": File((indexes / name).read_bytes())
            for name in _MODULE_INDEXES
        }
