# SPDX-License-Identifier: GPL-3.0-or-later
"""Build Rabbit, the sample appliance, and the container images that tests use.

All of it is made from Debian packages of the host's own release; any user can do it, and the
images need a Docker daemon. What was built is kept, and built anew only when its recipe changes.
"""

import os
from collections.abc import Iterable
from pathlib import Path
from typing import Final

from attrs import frozen

from alpy.adapters.private_folder import user_cache
from carrot.build.appliance import (
    INITRD,
    KERNEL,
    KERNEL_COMMAND_LINE,
    UEFI_DISK,
    build_appliance,
)
from carrot.build.cache import build_lock, build_once, digest_of
from carrot.build.container_images import (
    BUSYBOX_IMAGE,
    IMAGES,
    IPROUTE2_IMAGE,
    TOOLS_IMAGE,
    ImageRecipe,
    build_image,
    image_digest,
    require_docker,
)
from carrot.build.host_programs import BuildError
from carrot.build.packages import Distribution, host_distribution
from carrot.build.recipe import read_recipe, recipe_directory

__all__ = [
    "BUSYBOX_IMAGE",
    "IPROUTE2_IMAGE",
    "KERNEL_COMMAND_LINE",
    "TOOLS_IMAGE",
    "BuildError",
    "RabbitFiles",
    "ensure_images",
    "rabbit_files",
]

# What is built depends on the code that builds it, too.
_SHARED_CODE: Final = ("busybox.py", "filetree.py", "packages.py", "shared_libraries.py")
_RABBIT_CODE: Final = (
    *_SHARED_CODE,
    "appliance.py",
    "recipe.py",
    "disk_image.py",
    "kernel.py",
)
_IMAGE_CODE: Final = (*_SHARED_CODE, "container_images.py")


@frozen(kw_only=True)
class RabbitFiles:
    """Where Rabbit lies: *kernel* and *initrd* for a direct boot, or *uefi_disk* alone.

    The direct boot wants KERNEL_COMMAND_LINE. Many tests may share the files; never write them.
    """

    kernel: Path
    initrd: Path
    uefi_disk: Path


def rabbit_files(cache: Path | None = None, *, rebuild: bool = False) -> RabbitFiles:
    """Rabbit's files, built first if the cache has none of this recipe.

    Raises:
        BuildError: with what to do about it.
    """
    distribution = host_distribution()
    recipe = read_recipe(recipe_directory())
    digest = digest_of(_release(distribution), _code(_RABBIT_CODE) | recipe.read)
    finished = build_once(
        _cache(cache) / "rabbit" / digest,
        lambda destination: build_appliance(recipe, distribution, destination),
        rebuild=rebuild,
    )
    return RabbitFiles(
        kernel=finished / KERNEL, initrd=finished / INITRD, uefi_disk=finished / UEFI_DISK
    )


def ensure_images(cache: Path | None = None, *, rebuild: bool = False) -> None:
    """See to it that Docker has the images of this recipe.

    Raises:
        BuildError: with what to do about it.
    """
    require_docker()
    distribution = host_distribution()
    wanted = {recipe: _image_digest(recipe, distribution) for recipe in IMAGES}
    if not rebuild and not _outdated(wanted):
        return
    with build_lock(_cache(cache) / "images"):
        # Another process may have built them while this one waited.
        for recipe in wanted if rebuild else _outdated(wanted):
            build_image(recipe, distribution, wanted[recipe])


def _cache(chosen: Path | None) -> Path:
    return chosen.absolute() if chosen else user_cache(os.environ)


def _outdated(wanted: dict[ImageRecipe, str]) -> list[ImageRecipe]:
    return [recipe for recipe, digest in wanted.items() if image_digest(recipe.tag) != digest]


def _image_digest(recipe: ImageRecipe, distribution: Distribution) -> str:
    return digest_of([*_release(distribution), repr(recipe)], _code(_IMAGE_CODE))


def _release(distribution: Distribution) -> list[str]:
    return [distribution.name, distribution.codename, distribution.architecture]


def _code(names: Iterable[str]) -> dict[str, bytes]:
    here = Path(__file__).parent
    return {f"carrot/build/{name}": (here / name).read_bytes() for name in names}
