# SPDX-License-Identifier: GPL-3.0-or-later
"""The tap device itself; how taps live is in the Skeleton's contract."""

from __future__ import annotations

import pytest

from alpy.adapters.tap import HostTap, interface_exists
from alpy.core.errors import HostError
from alpy.core.link import Link


def test_a_name_that_nobody_made_is_refused_and_not_made() -> None:
    tap = HostTap(link=Link(number=0), name="alpynosuch0")
    with pytest.raises(HostError, match="not in this process's network namespace"):
        tap.open()
    assert not interface_exists("alpynosuch0")
    assert tap.fileno() == -1


def test_an_interface_that_is_no_tap_is_refused() -> None:
    tap = HostTap(link=Link(number=0), name="lo")
    with pytest.raises(HostError, match="open"):
        tap.open()
    assert tap.fileno() == -1
