# SPDX-License-Identifier: GPL-3.0-or-later
"""What was built stays in a cache: named by its content, made once, published in one step."""

import fcntl
import hashlib
import os
import shutil
import tempfile
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from carrot.build.host_programs import BuildError, log

_UNFINISHED: Final = "unfinished-"


def digest_of(facts: Iterable[str], files: Mapping[str, bytes]) -> str:
    """One name for all that goes into an artefact; another content is another name."""
    digest = hashlib.sha256()
    for fact in facts:
        digest.update(f"fact {len(fact)} {fact}\n".encode())
    for name, content in sorted(files.items()):
        digest.update(f"file {len(name)} {name} {len(content)}\n".encode())
        digest.update(content)
    return digest.hexdigest()


def read_files(root: Path) -> dict[str, bytes]:
    """Every file under *root*, by its path relative to it."""
    return {
        str(path.relative_to(root)): path.read_bytes()
        for path in sorted(root.rglob("*"))
        if path.is_file()
    }


@contextmanager
def build_lock(directory: Path) -> Iterator[None]:
    """Hold the builds of *directory* back until the one before is done; also across processes."""
    try:
        directory.mkdir(parents=True, exist_ok=True)
        lock = os.open(directory / "lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
    except OSError as exc:
        raise BuildError(
            f"cannot write the cache {directory}: {exc.strerror}; choose another with ALPY_CACHE"
        ) from exc
    try:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            log.info("Wait for another build in %s...", directory)
            fcntl.flock(lock, fcntl.LOCK_EX)
        yield
    finally:
        os.close(lock)


def build_once(finished: Path, build: Callable[[Path], None], *, rebuild: bool = False) -> Path:
    """Return the directory *finished*; if it is not there, let *build* fill it first.

    *build* works in a directory beside it, which gets its name when all is in it.
    A build that fails or is killed leaves nothing under that name.
    """
    if finished.is_dir() and not rebuild:
        return finished
    with build_lock(finished.parent):
        _remove_unfinished(finished.parent)
        if finished.is_dir() and not rebuild:
            return finished
        unfinished = Path(tempfile.mkdtemp(prefix=_UNFINISHED, dir=finished.parent))
        try:
            # A cache that root filled must serve others too.
            unfinished.chmod(0o755)
            build(unfinished)
            _publish(unfinished, finished)
        finally:
            shutil.rmtree(unfinished, ignore_errors=True)
    return finished


def _publish(unfinished: Path, finished: Path) -> None:
    if finished.is_dir():
        outdated = Path(tempfile.mkdtemp(prefix=_UNFINISHED, dir=finished.parent))
        finished.rename(outdated / "outdated")
        unfinished.rename(finished)
        shutil.rmtree(outdated)
    else:
        unfinished.rename(finished)


def _remove_unfinished(directory: Path) -> None:
    """Only called under the lock: whoever made these is dead."""
    for leftover in directory.glob(f"{_UNFINISHED}*"):
        shutil.rmtree(leftover, ignore_errors=True)
