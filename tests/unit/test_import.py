# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import subprocess
import sys

import pytest

import alpy


def modules_after(program: str) -> set[str]:
    listed = f"{program}\nimport sys\nprint(*sys.modules)"
    done = subprocess.run(
        [sys.executable, "-c", listed], check=True, capture_output=True, text=True, timeout=60
    )
    return set(done.stdout.split())


def test_importing_alpy_imports_nothing_slow() -> None:
    slow = {"docker", "requests", "pexpect", "qmp", "structlog", "asyncio", "alpy.adapters"}
    assert not slow & modules_after("import alpy")


def test_a_testbed_brings_what_it_needs() -> None:
    assert {"docker", "pexpect", "qmp"} <= modules_after("import alpy; alpy.testbed")


def test_every_public_name_is_there() -> None:
    assert all(hasattr(alpy, name) for name in alpy.__all__)


def test_a_name_that_is_not_there_is_told_as_ever() -> None:
    with pytest.raises(AttributeError, match="'alpy' has no attribute 'test_bed'"):
        alpy.test_bed  # type: ignore[attr-defined]  # noqa: B018


def test_what_few_appliances_need_is_not_imported_for_all() -> None:
    assert "pycdlib" not in modules_after("import alpy; alpy.testbed")
