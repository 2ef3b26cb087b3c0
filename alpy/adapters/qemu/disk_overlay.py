# SPDX-License-Identifier: GPL-3.0-or-later
"""Disk images: looked at before the run, and covered by an overlay so that nobody writes them."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

from alpy.adapters.qemu.files import check_readable
from alpy.adapters.qemu.program import ask
from alpy.core.appliance import DiskFormat
from alpy.core.errors import ApplianceFileError, HostError


def check_image(program: str, path: Path, format_: DiskFormat) -> None:
    """Look whether *path* is an image of the *format_*, by *program*, a qemu-img.

    Raises:
        ApplianceFileError: it is missing, or something else.
        HostError: the program is missing.
    """
    check_readable(path, what="disk image")
    found = _chain(program, path)[0]["format"]
    # Any file at all passes for a raw one; a qcow2 given as raw would boot into nonsense.
    if found != format_.value:
        raise ApplianceFileError(
            asked=f"disk image {path} in format {format_.value}",
            found=f"its format is {found}",
            remedy=f"Say so where the appliance is defined, or convert it:"
            f" {program} convert -O {format_.value} {path} NEW",
        )


def images_of(program: str, path: Path) -> list[Path]:
    """The image at *path*, and those that it lies over.

    Raises:
        ApplianceFileError: one of them is missing.
        HostError: the program is missing.
    """
    return [Path(image["filename"]) for image in _chain(program, path)]


def base_link(overlay: Path) -> Path:
    """Beside *overlay*: the name under which it knows the image."""
    return overlay.with_suffix(".base")


def saved_link(overlay: Path) -> Path:
    """Beside *overlay*: the name of the saved one that it lies over, if it does."""
    return overlay.with_suffix(".saved")


def create_overlay(
    program: str,
    *,
    image: Path,
    format_: DiskFormat,
    overlay: Path,
    saved: Path | None = None,
) -> None:
    """Make *overlay*, a qcow2 file that shows *image* and takes the writes meant for it.

    *saved*: an earlier overlay of *image*, of the same name; what it holds is shown too.

    Raises:
        HostError: it could not be made, for want of room for instance.
    """
    # qcow2 has room for 1023 bytes of a path and takes "nbd:" for a protocol; a link has neither.
    # And an overlay that was copied elsewhere finds its image again beside any link to itself.
    below, known_as = base_link(overlay), format_
    try:
        below.symlink_to(image.absolute())
        if saved:
            below, known_as = saved_link(overlay), DiskFormat.QCOW2
            below.symlink_to(saved.absolute())
    except OSError as error:
        raise _failure(overlay, os.strerror(error.errno or 0)) from error
    answer = ask(
        program, "create", "-q", "-f", "qcow2", "-F", known_as.value, "-b", below.name,
        str(overlay.absolute()),
    )  # fmt: skip
    if answer.returncode:
        said = answer.stderr.strip()
        raise _failure(overlay, said or f"{program} ended with exit code {answer.returncode}")


def _failure(overlay: Path, found: str) -> HostError:
    return HostError(
        asked=f"disk overlay {overlay}",
        found=found,
        remedy="Make room, or choose another run directory",
    )


def _chain(program: str, path: Path) -> list[dict[str, Any]]:
    # All of it, because an image may itself lie over another that is not there.
    answer = ask(program, "info", "--backing-chain", "--output=json", str(path.absolute()))
    if answer.returncode:
        raise ApplianceFileError(
            asked=f"disk image {path}",
            found=answer.stderr.strip(),
            remedy=f"See '{program} info {path}'",
        )
    chain: list[dict[str, Any]] = json.loads(answer.stdout)
    return chain
