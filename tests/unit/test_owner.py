# SPDX-License-Identifier: GPL-3.0-or-later
"""The label on what a run makes, written and read."""

from __future__ import annotations

from pathlib import Path

import pytest
from attrs import evolve
from hypothesis import given
from hypothesis import strategies as st

from alpy.adapters.recovery.owner import (
    Owner,
    host_id,
    owner_from_alias,
    owner_from_labels,
    this_process,
)

words = st.text(st.characters(exclude_categories=["Cs"]), max_size=40)
owners = st.builds(
    Owner,
    run=words,
    pid=st.integers(0, 1 << 22),
    start=st.integers(0, 1 << 40),
    boot=st.just("293bea5d-d5ae-4f22-9ed4-0d093f495f6a"),
    host=st.just("0123456789ab"),
    pidns=st.just("4026531836"),
    uid=st.integers(0, 1 << 32),
    dir=st.text(st.characters(exclude_categories=["Cs"]), max_size=300),
)


@given(owners)
def test_labels_tell_the_owner_whole(owner: Owner) -> None:
    assert owner_from_labels(owner.labels()) == owner


@given(owners.filter(lambda owner: len(owner.run.encode()) < 12))
def test_an_alias_is_one_plain_line_that_tells_the_owner_without_a_long_folder(
    owner: Owner,
) -> None:
    alias = owner.alias()
    assert len(alias) <= 255
    assert alias.isascii()
    assert alias.isprintable()
    assert not set("\"'\\#;") & set(alias)
    assert owner_from_alias(alias) in (owner, evolve(owner, dir=""))


def test_an_alias_has_the_folder_where_there_is_room() -> None:
    owner = this_process("1a2b3c4d", Path("/home/somebody/runs/20240229-131415-1a2b3c4d"))
    assert owner_from_alias(owner.alias()) == owner


def test_this_machine_is_known_by_a_short_text_that_stays_and_has_its_name_in_it(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    ours = host_id()
    assert len(ours) == 12
    assert ours == host_id() == this_process("r1", None).host
    monkeypatch.setattr("socket.gethostname", lambda: "another")
    assert host_id() != ours


@pytest.mark.parametrize(
    "alias", ["", "uplink to rack 4", "alpy", "alpy run=1", "alpy run=1 pid=x"]
)
def test_an_interface_of_somebody_else_has_no_owner(alias: str) -> None:
    assert owner_from_alias(alias) is None


@pytest.mark.parametrize("missing", ["run", "pid", "start", "boot", "uid"])
def test_a_container_that_does_not_tell_all_has_no_owner(missing: str) -> None:
    labels = this_process("r1", None).labels()
    if missing in {"run", "boot"}:
        return  # any text would do
    del labels[f"alpy.{missing}"]
    assert owner_from_labels(labels) is None
