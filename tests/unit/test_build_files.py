# SPDX-License-Identifier: GPL-3.0-or-later
import io
import lzma
import struct
import sys
import tarfile
from pathlib import Path

import pytest

from carrot.build.__main__ import main
from carrot.build.busybox import busybox_links
from carrot.build.container_images import IMAGES
from carrot.build.disk_image import boot_files
from carrot.build.filetree import (
    Directory,
    File,
    Link,
    PackageFiles,
    add_parents,
    cpio_archive,
    merged_path,
    overlay,
    tar_archive,
)
from carrot.build.host_programs import (
    BuildError,
    MissingProgramError,
    ProgramFailedError,
    require_programs,
    run_program,
)
from carrot.build.kernel import module_dependencies, unpacked
from carrot.build.recipe import read_recipe, recipe_directory
from carrot.build.shared_libraries import needed_libraries, pick


def archive(directory: Path, members: dict[str, bytes | str]) -> Path:
    """A tar file; a text is the target of a link."""
    path = directory / "packages.tar"
    with tarfile.open(path, "w") as tar:
        for name, content in members.items():
            member = tarfile.TarInfo(name)
            if isinstance(content, str):
                member.type, member.linkname = tarfile.SYMTYPE, content
                tar.addfile(member)
            else:
                member.size, member.mode = len(content), 0o755
                tar.addfile(member, io.BytesIO(content))
    return path


def test_missing_programs_are_named_with_their_packages() -> None:
    with pytest.raises(MissingProgramError, match=r"apt-get install none-such$") as caught:
        require_programs(["none-such", "sh"])
    assert caught.value.programs == ("none-such",)


def test_a_failed_program_shows_the_end_of_its_output() -> None:
    command = [sys.executable, "-c", "import sys; print('x\\n' * 99 + 'no space'); sys.exit(3)"]
    with pytest.raises(ProgramFailedError, match=r"(?s)exit code 3.*no space$") as caught:
        run_program(command)
    assert len(str(caught.value).splitlines()) < 15


def test_old_paths_are_read_as_paths_in_usr() -> None:
    assert merged_path("./bin/sh") == "usr/bin/sh"
    assert merged_path("/lib64/ld.so") == "usr/lib64/ld.so"
    assert merged_path("./library/x") == "library/x"


def test_a_link_is_followed_to_its_file(tmp_path: Path) -> None:
    path = archive(
        tmp_path, {"./lib/a.so": "/lib/b.so", "./usr/lib/b.so": "c.so", "lib/c.so": b"c"}
    )
    with PackageFiles(path) as files:
        assert files.follow("usr/lib/a.so") == "usr/lib/c.so"
        assert files.read("usr/lib/a.so") == b"c"


def test_a_path_that_no_package_holds_is_named(tmp_path: Path) -> None:
    with (
        PackageFiles(archive(tmp_path, {"a": b""})) as files,
        pytest.raises(BuildError, match="hold no usr/sbin/nginx"),
    ):
        files.entry("usr/sbin/nginx")


def test_a_program_comes_with_its_libraries(tmp_path: Path) -> None:
    python = Path(sys.executable).resolve().read_bytes()
    libraries = needed_libraries(python)
    members: dict[str, bytes | str] = {f"lib/x86_64-linux-gnu/{name}": b"" for name in libraries}
    with PackageFiles(archive(tmp_path, {"bin/python": python, **members})) as files:
        tree = pick(files, ["usr/bin/python"])
    assert "libc.so.6" in libraries
    assert set(tree) == {"usr/bin/python", *(f"usr/{name}" for name in members)}


def test_a_script_needs_no_libraries() -> None:
    assert needed_libraries(b"#!/bin/sh\n") == []


def test_busybox_stands_in_only_for_programs_that_are_missing() -> None:
    tree = {"usr/sbin/ip": File(b"")}
    assert busybox_links(["ip", "ls", "busybox"], tree) == {"usr/bin/ls": Link("busybox")}


def test_every_entry_gets_its_parents() -> None:
    tree = {"a/b/c": File(b"")}
    add_parents(tree)  # type: ignore[arg-type]
    assert tree.keys() == {"a", "a/b", "a/b/c"}


def test_a_tar_archive_belongs_to_root() -> None:
    content = tar_archive({"etc": Directory(), "etc/x": File(b"1", 0o600), "bin": Link("usr/bin")})
    with tarfile.open(fileobj=io.BytesIO(content)) as tar:
        members = {member.name: member for member in tar}
    assert {member.uid for member in members.values()} == {0}
    assert members["etc/x"].mode == 0o600
    assert members["bin"].linkname == "usr/bin"


def test_a_cpio_archive_has_aligned_members_and_an_end() -> None:
    content = cpio_archive({"init": File(b"hello", 0o755), "bin": Link("usr/bin")})
    assert len(content) % 4 == 0
    assert content.startswith(b"070701")
    assert content.count(b"070701") == 3
    assert content.index(b"hello") % 4 == 0
    assert content.rstrip(b"\0").endswith(b"TRAILER!!!")


def test_scripts_of_the_overlay_can_run_and_secrets_stay_secret(tmp_path: Path) -> None:
    (tmp_path / "init").write_text("#!/bin/sh\n")
    (tmp_path / "shadow").write_text("root:x")
    tree = overlay(tmp_path)
    assert tree == {"init": File(b"#!/bin/sh\n", 0o755), "shadow": File(b"root:x", 0o600)}


def bzimage(payload: bytes) -> bytes:
    image = bytearray(1024)
    image[0x1F1] = 1
    struct.pack_into("<H", image, 0x206, 0x20F)
    struct.pack_into("<II", image, 0x248, 0, len(payload))
    return bytes(image) + payload


def test_a_kernel_that_qemu_can_start_is_unpacked() -> None:
    elf = b"\x7fELF" + struct.pack("<I", 18) + b"Xen\0"
    # A kernel's payload ends in its unpacked size.
    assert unpacked(bzimage(lzma.compress(elf) + b"size")) == elf


@pytest.mark.parametrize("payload", [b"unknown", lzma.compress(b"\x7fELF without a note")])
def test_any_other_kernel_stays_as_it_is(payload: bytes) -> None:
    assert unpacked(bzimage(payload)) == bzimage(payload)


def test_a_module_tells_what_it_depends_on() -> None:
    assert module_dependencies(b"x\0depends=nf-tables,libcrc32c\0y") == ["nf_tables", "libcrc32c"]
    assert module_dependencies(b"x\0depends=\0y") == []


def test_the_loader_entry_names_what_is_on_the_disk() -> None:
    files = boot_files(loader=b"", kernel=b"", initrd=b"", command_line="console=ttyS0")
    entry = files["loader/entries/rabbit.conf"].decode()
    named = dict(line.split(" ", 1) for line in entry.splitlines())
    assert named["linux"].lstrip("/") in files
    assert named["initrd"].lstrip("/") in files
    assert named["options"] == "console=ttyS0"


def test_the_recipe_in_the_tree_is_whole() -> None:
    recipe = read_recipe(recipe_directory())
    assert "init" in recipe.overlay
    assert {"debian", "ubuntu"} == set(recipe.kernel_packages)


def test_a_missing_recipe_is_told(tmp_path: Path) -> None:
    with pytest.raises(BuildError, match="no recipe in"):
        read_recipe(tmp_path)


def test_a_recipe_without_a_part_is_told(tmp_path: Path) -> None:
    (tmp_path / "recipe.toml").write_text("packages = []")
    with pytest.raises(BuildError, match="boot_packages"):
        read_recipe(tmp_path)


def test_every_image_has_its_own_tag() -> None:
    assert len({recipe.tag for recipe in IMAGES}) == len(IMAGES)


def test_the_command_line_explains_itself(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit, match="0"):
        main(["--help"])
    assert "--rebuild" in capsys.readouterr().out
