# SPDX-License-Identifier: GPL-3.0-or-later
"""How a file is cut into rounds, and what the guest's `cksum` would say."""

from __future__ import annotations

import gzip
import random
import subprocess

import pytest
from hypothesis import given
from hypothesis import strategies as st

from alpy.core.shell.transfer import _ROUND_BYTES, _rounds, posix_checksum

RANDOM = random.Random(7).randbytes(200_000)  # noqa: S311  the same each time
TEXT = b"".join(b"line %d of a text\n" % n for n in range(20_000))


@pytest.mark.parametrize("data", [b"", b"x", RANDOM, TEXT, TEXT + RANDOM + TEXT])
@pytest.mark.parametrize("raw", [True, False])
@pytest.mark.parametrize("pack", [True, False])
def test_the_rounds_together_are_the_file(data: bytes, raw: bool, pack: bool) -> None:
    rounds = list(_rounds(data, raw=raw, pack=pack))
    assert b"".join(gzip.decompress(b) if packed else b for b, packed in rounds) == data
    assert all(0 < len(content) <= _ROUND_BYTES for content, _ in rounds)


def test_only_what_gets_smaller_is_compressed() -> None:
    assert all(packed for _, packed in _rounds(TEXT, raw=True, pack=True))
    assert not any(packed for _, packed in _rounds(RANDOM, raw=True, pack=True))
    assert not any(packed for _, packed in _rounds(TEXT, raw=True, pack=False))


@given(data=st.binary(max_size=2000))
def test_the_checksum_is_that_of_cksum(data: bytes) -> None:
    run = subprocess.run(["cksum"], input=data, capture_output=True, check=True)
    assert run.stdout.split()[0] == str(posix_checksum(data)).encode()
