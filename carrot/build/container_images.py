# SPDX-License-Identifier: GPL-3.0-or-later
"""The container images of the testbed, made from packages, since no registry is needed then."""

import json
import tempfile
from collections.abc import Iterable
from pathlib import Path
from typing import Final

from attrs import frozen

from carrot.build.busybox import applets, busybox_links
from carrot.build.filetree import (
    Directory,
    File,
    FileTree,
    PackageFiles,
    add_parents,
    merged_links,
    tar_archive,
)
from carrot.build.host_programs import (
    BuildError,
    ProgramFailedError,
    find_program,
    require_programs,
    run_program,
    step,
)
from carrot.build.packages import Distribution, fetch_packages
from carrot.build.shared_libraries import pick

BUSYBOX_IMAGE: Final = "alpy-busybox:latest"
IPROUTE2_IMAGE: Final = "alpy-iproute2:latest"
TOOLS_IMAGE: Final = "alpy-tools:latest"

DIGEST_LABEL: Final = "alpy.recipe"
PROGRAMS: Final = ("apt-config", "dpkg", "mmdebstrap")

_BUSYBOX: Final = "usr/bin/busybox"
_PATH: Final = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
_DIRECTORIES: Final = ("dev", "etc", "mnt", "proc", "root", "run", "sys", "tmp", "var/log")


@frozen(kw_only=True)
class ImageRecipe:
    """One image: a few programs, and busybox for every other one that a shell expects."""

    tag: str
    packages: tuple[str, ...]
    # Taken with the libraries that they need; the packages hold far more than that.
    programs: tuple[str, ...]
    files: tuple[str, ...] = ()
    directories: tuple[str, ...] = ()


_LOADER: Final = "usr/lib64/ld-linux-x86-64.so.2"
_IPROUTE2: Final = ("usr/bin/ip", "usr/bin/ss", "usr/sbin/bridge", "usr/sbin/tc")
_IPROUTE2_FILES: Final = ("etc/iproute2/*", "usr/lib/tc/*.dist", "usr/share/iproute2/*")

IMAGES: Final = (
    # busybox-static runs its own applets in place of programs on PATH, so it stands alone only.
    ImageRecipe(tag=BUSYBOX_IMAGE, packages=("busybox-static",), programs=(_BUSYBOX,)),
    ImageRecipe(
        tag=IPROUTE2_IMAGE,
        packages=("busybox", "iproute2"),
        programs=(_BUSYBOX, *_IPROUTE2),
        files=(_LOADER, *_IPROUTE2_FILES),
    ),
    ImageRecipe(
        tag=TOOLS_IMAGE,
        packages=(
            "busybox",
            "curl",
            "ethtool",
            "iperf3",
            "iproute2",
            "iputils-arping",
            "iputils-ping",
            "nginx-light",
            "tcpdump",
        ),
        programs=(
            _BUSYBOX,
            *_IPROUTE2,
            "usr/bin/arping",
            "usr/bin/curl",
            "usr/bin/iperf3",
            "usr/bin/ping",
            "usr/bin/tcpdump",
            "usr/sbin/ethtool",
            "usr/sbin/nginx",
        ),
        files=(
            _LOADER,
            *_IPROUTE2_FILES,
            "etc/nginx/*_params",
            "etc/nginx/mime.types",
            "etc/nginx/nginx.conf",
        ),
        directories=("etc/nginx/conf.d", "var/lib/nginx", "var/log/nginx", "var/www"),
    ),
)

_ACCOUNTS: Final[FileTree] = {
    "etc/passwd": File(
        b"root:x:0:0:root:/root:/bin/sh\n"
        b"www-data:x:33:33:www-data:/var/www:/bin/false\n"
        b"tcpdump:x:102:102:tcpdump:/:/bin/false\n"
        b"nobody:x:65534:65534:nobody:/:/bin/false\n"
    ),
    "etc/group": File(b"root:x:0:\nadm:x:4:\nwww-data:x:33:\ntcpdump:x:102:\nnogroup:x:65534:\n"),
    "etc/nsswitch.conf": File(b"passwd: files\ngroup: files\nhosts: files dns\n"),
}


def require_docker() -> None:
    """Raise BuildError if Docker is not installed, or does not answer."""
    if find_program("docker") is None:
        raise BuildError("this host has no docker; on Debian or Ubuntu: apt-get install docker.io")
    try:
        run_program(["docker", "version", "--format", "{{.Server.Version}}"])
    except ProgramFailedError as exc:
        raise BuildError(
            "Docker does not answer; start dockerd, and be root or in group docker. It said: "
            + exc.output.strip()[-500:]
        ) from exc


def image_digest(tag: str) -> str | None:
    """The recipe digest of the image *tag* in Docker, or None where there is no such image.

    Raises:
        ProgramFailedError: Docker would not tell.
    """
    # A list with an unknown name is empty; only inspecting one would be an error.
    found = run_program(["docker", "image", "ls", "--quiet", tag]).decode().split()
    if not found:
        return None
    inspected = json.loads(run_program(["docker", "image", "inspect", tag]))
    label = (inspected[0]["Config"].get("Labels") or {}).get(DIGEST_LABEL)
    return label if isinstance(label, str) else ""


def build_image(recipe: ImageRecipe, distribution: Distribution, digest: str) -> None:
    """Make the image and give Docker's tag to it; the tag moves only when all is there."""
    require_programs(PROGRAMS)
    with step(f"Build image {recipe.tag}"), tempfile.TemporaryDirectory(prefix="alpy-") as work:
        archive = Path(work, "packages.tar")
        fetch_packages(recipe.packages, distribution, archive)
        with PackageFiles(archive) as files:
            content = tar_archive(image_tree(recipe, files))
        changes = (f"ENV PATH={_PATH}", f"LABEL {DIGEST_LABEL}={digest}", 'CMD ["/bin/sh"]')
        options: Iterable[str] = (part for change in changes for part in ("--change", change))
        run_program(["docker", "import", *options, "-", recipe.tag], stdin=content)


def image_tree(recipe: ImageRecipe, files: PackageFiles) -> FileTree:
    """Every file of the image."""
    tree = pick(files, [*recipe.programs, *files.matching(recipe.files)])
    tree |= busybox_links(applets(files.read(_BUSYBOX)), tree)
    tree |= merged_links()
    tree |= _ACCOUNTS
    tree |= {path: Directory() for path in (*_DIRECTORIES, *recipe.directories)}
    tree["tmp"] = Directory(0o1777)
    add_parents(tree)
    return tree
