# SPDX-License-Identifier: GPL-3.0-or-later
"""Rabbit's recipe, as the files in the directory rabbit/ tell it."""

import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from attrs import field, frozen

from carrot.build.cache import read_files
from carrot.build.filetree import FileTree, overlay
from carrot.build.host_programs import BuildError


@frozen(kw_only=True)
class ApplianceRecipe:
    """What Rabbit is made of."""

    packages: tuple[str, ...]
    boot_packages: tuple[str, ...]
    kernel_packages: Mapping[str, tuple[str, ...]]
    programs: tuple[str, ...]
    files: tuple[str, ...]
    directories: tuple[str, ...]
    modules: tuple[str, ...]
    overlay: FileTree
    # All that was read, for the digest.
    read: dict[str, bytes] = field(repr=False)


def recipe_directory() -> Path:
    """rabbit/ of the source tree that this module is in."""
    return Path(__file__).resolve().parents[2] / "rabbit"


def read_recipe(directory: Path) -> ApplianceRecipe:
    """The recipe in *directory*.

    Raises:
        BuildError: there is none, or it lacks a part.
    """
    try:
        toml = (directory / "recipe.toml").read_bytes()
        facts: dict[str, Any] = tomllib.loads(toml.decode())
        lists = {
            name: tuple(facts[name])
            for name in ("packages", "boot_packages", "programs", "files", "directories", "modules")
        }
        kernels = {name: tuple(packages) for name, packages in facts["kernel_packages"].items()}
    except FileNotFoundError as exc:
        raise BuildError(
            f"no recipe in {directory}; Rabbit is built from a clone of the project"
        ) from exc
    except (KeyError, ValueError) as exc:
        raise BuildError(f"{directory / 'recipe.toml'} is not whole: {exc!r}") from exc
    root = directory / "root"
    return ApplianceRecipe(
        **lists,
        kernel_packages=kernels,
        overlay=overlay(root),
        read={"recipe.toml": toml} | {f"root/{k}": v for k, v in read_files(root).items()},
    )
