# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from alpy.adapters.sparse import copy_filled, digest_filled

BLOCK = 1 << 16
PIECES = st.lists(
    st.sampled_from([bytes(BLOCK), b"x" * BLOCK, bytes(100), b"\0" * 5000 + b"y"]), max_size=6
)


@contextmanager
def in_memory(content: bytes) -> Iterator[int]:
    descriptor = os.memfd_create("test")
    try:
        os.truncate(descriptor, len(content))
        for offset in range(0, len(content), BLOCK):
            if block := content[offset : offset + BLOCK].rstrip(b"\0"):
                os.pwrite(descriptor, block, offset)
        yield descriptor
    finally:
        os.close(descriptor)


def digest(path: Path) -> str:
    with path.open("rb") as file:
        return digest_filled(file.fileno())


@given(pieces=PIECES)
def test_a_copy_has_the_same_content_and_digest(
    tmp_path_factory: pytest.TempPathFactory, pieces: list[bytes]
) -> None:
    content = b"".join(pieces)
    folder = tmp_path_factory.mktemp("copy")
    dense = folder / "dense"
    dense.write_bytes(content)
    with in_memory(content) as source:
        copy_filled(source, folder / "copy")
        assert (folder / "copy").read_bytes() == content
        assert digest_filled(source) == digest(folder / "copy") == digest(dense)


def test_zeros_take_no_room_even_if_they_were_written(tmp_path: Path) -> None:
    dense = tmp_path / "dense"
    dense.write_bytes(bytes(20 * BLOCK) + b"end")
    with dense.open("rb") as file:
        copy_filled(file.fileno(), tmp_path / "copy")
    assert (tmp_path / "copy").stat().st_blocks * 512 <= BLOCK


def test_another_place_or_length_is_another_digest() -> None:
    contents = [
        b"",
        bytes(BLOCK),
        b"x" * BLOCK,
        b"x" * BLOCK + bytes(BLOCK),
        bytes(BLOCK) + b"x" * BLOCK,
        b"x" * BLOCK + bytes(1),
    ]
    digests = set()
    for content in contents:
        with in_memory(content) as source:
            digests.add(digest_filled(source))
    assert len(digests) == len(contents)


def test_a_copy_is_for_its_owner_only_and_replaces_nothing(tmp_path: Path) -> None:
    with in_memory(b"x") as source:
        copy_filled(source, tmp_path / "copy")
        assert (tmp_path / "copy").stat().st_mode & 0o777 == 0o600
        with pytest.raises(FileExistsError):
            copy_filled(source, tmp_path / "copy")
