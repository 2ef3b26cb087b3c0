# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import tarfile
from pathlib import Path

import pytest

from alpy.adapters.docker.container_files import check_files, packed
from alpy.core.errors import InvalidValueError


def test_bytes_become_a_file_that_anybody_may_run() -> None:
    with packed({"/opt/run": b"#!/bin/sh\n"}) as archive, tarfile.open(fileobj=archive) as tar:
        (entry,) = tar.getmembers()
        content = tar.extractfile(entry)
        assert content is not None
        assert (entry.name, entry.mode, entry.uid, content.read()) == (
            "opt/run", 0o755, 0, b"#!/bin/sh\n",
        )  # fmt: skip


def test_a_file_of_the_host_keeps_its_mode_and_belongs_to_root(tmp_path: Path) -> None:
    secret = tmp_path / "key"
    secret.write_text("secret")
    secret.chmod(0o600)
    with packed({"/etc/key": secret}) as archive, tarfile.open(fileobj=archive) as tar:
        (entry,) = tar.getmembers()
    assert (entry.name, entry.mode, entry.uid, entry.uname) == ("etc/key", 0o600, 0, "")


def test_a_relative_path_is_refused() -> None:
    with pytest.raises(InvalidValueError, match="absolute"):
        check_files({"etc/it": b""})


def test_a_file_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(InvalidValueError, match="no such file"):
        check_files({"/etc/it": tmp_path / "missing"})
