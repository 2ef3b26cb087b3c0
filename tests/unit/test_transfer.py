# SPDX-License-Identifier: GPL-3.0-or-later
"""How a file is cut into blocks, and what the guest's `cksum` would say."""

from __future__ import annotations

import gzip
import random
import subprocess

import pytest
from hypothesis import given
from hypothesis import strategies as st

from alpy.core.shell.transfer import _BLOCK_BYTES, _blocks, posix_checksum

RANDOM = random.Random(7).randbytes(200_000)  # noqa: S311  the same each time
TEXT = b"".join(b"line %d of a text\n" % n for n in range(20_000))


@pytest.mark.parametrize("data", [b"", b"x", RANDOM, TEXT, TEXT + RANDOM + TEXT])
@pytest.mark.parametrize("pack", [True, False])
def test_the_blocks_together_are_the_file(data: bytes, pack: bool) -> None:
    blocks = list(_blocks(data, pack=pack))
    assert b"".join(gzip.decompress(b) if packed else b for b, packed in blocks) == data
    assert all(0 < len(block) <= _BLOCK_BYTES for block, _ in blocks)


def test_only_what_gets_smaller_is_compressed() -> None:
    assert all(packed for _, packed in _blocks(TEXT, pack=True))
    assert not any(packed for _, packed in _blocks(RANDOM, pack=True))
    assert not any(packed for _, packed in _blocks(TEXT, pack=False))


@given(data=st.binary(max_size=2000))
def test_the_checksum_is_that_of_cksum(data: bytes) -> None:
    run = subprocess.run(["cksum"], input=data, capture_output=True, check=True)
    assert run.stdout.split()[0] == str(posix_checksum(data)).encode()
