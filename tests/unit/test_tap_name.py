# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import re

from hypothesis import given
from hypothesis import strategies as st

from alpy.adapters.tap import tap_name


@given(st.text(), st.integers(min_value=0, max_value=65535))
def test_a_name_is_one_that_linux_takes(run_id: str, link: int) -> None:
    assert re.fullmatch(r"alpy[a-z0-9]{8,11}", tap_name(run_id, link))


def test_links_of_a_run_and_runs_have_names_of_their_own() -> None:
    names = {tap_name(run_id, link) for run_id in ("one", "two") for link in range(300)}
    assert len(names) == 600
