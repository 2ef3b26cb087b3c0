# SPDX-License-Identifier: GPL-3.0-or-later
"""Build Rabbit, the sample appliance, and the container images that tests use.

All of it is made from Debian packages of the host's own release; any user can do it, and the
images need a Docker daemon. What was built is kept, and built anew only when its recipe changes.
"""

import argparse
import logging
import sys
from collections.abc import Sequence
from pathlib import Path

from carrot.build import ensure_images, rabbit_files
from carrot.build.container_images import IMAGES
from carrot.build.host_programs import BuildError


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m carrot.build", description=__doc__)
    parser.add_argument(
        "target",
        nargs="?",
        choices=("rabbit", "images", "all"),
        default="all",
        help="what to build (default: all)",
    )
    parser.add_argument(
        "--cache",
        type=Path,
        metavar="DIR",
        help="where artefacts are kept (default: $ALPY_CACHE, or alpy in the user's cache)",
    )
    parser.add_argument("--rebuild", action="store_true", help="build even what is there already")
    return parser


def main(arguments: Sequence[str] | None = None) -> int:
    """Build what the command line asks for; the exit code is 1 when that failed."""
    options = _parser().parse_args(arguments)
    logging.basicConfig(format="%(message)s", level=logging.INFO, stream=sys.stdout)
    try:
        if options.target in {"images", "all"}:
            ensure_images(options.cache, rebuild=options.rebuild)
            print(f"Images: {', '.join(recipe.tag for recipe in IMAGES)}")
        if options.target in {"rabbit", "all"}:
            files = rabbit_files(options.cache, rebuild=options.rebuild)
            print(f"Rabbit: {files.kernel.parent}")
    except BuildError as exc:
        print(f"error: {exc}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
