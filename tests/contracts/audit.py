# SPDX-License-Identifier: GPL-3.0-or-later
"""What every Audit promises."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from alpy.core.ports import Audit, Leftover


class AuditRig(Protocol):
    """A run, in a world where strangers and other runs have things of the same kinds."""

    @property
    def audit(self) -> Audit: ...

    def leave_on_host(self) -> str:
        """A node of the run stays. Returns a word by which people would know it."""
        ...

    def leave_in_process(self) -> str:
        """A descriptor of the run stays open. Returns a word by which people would know it."""
        ...

    def clear(self) -> None:
        """Release all that was left."""
        ...


class AuditContract:
    """A subclass gives the fixture `rig`."""

    def test_where_nothing_is_left_nothing_is_found(self, rig: AuditRig) -> None:
        assert list(rig.audit.of_process()) == []
        assert list(rig.audit.of_host()) == []

    def test_what_is_left_on_the_host_is_named_with_its_maker(self, rig: AuditRig) -> None:
        word = rig.leave_on_host()
        assert is_told(word, rig.audit.of_host(), maker="node")

    def test_what_is_left_in_the_process_is_named_with_its_maker(self, rig: AuditRig) -> None:
        word = rig.leave_in_process()
        assert is_told(word, rig.audit.of_process(), maker="console")

    def test_what_is_in_the_process_is_not_on_the_host(self, rig: AuditRig) -> None:
        rig.leave_in_process()
        assert list(rig.audit.of_host()) == []

    def test_looking_removes_nothing(self, rig: AuditRig) -> None:
        rig.leave_on_host()
        rig.leave_in_process()
        for look in (rig.audit.of_host, rig.audit.of_process):
            first, second = ([each.maker for each in look()] for _ in range(2))
            assert first
            assert first == second

    def test_what_is_gone_is_found_no_more(self, rig: AuditRig) -> None:
        rig.leave_on_host()
        rig.leave_in_process()
        rig.clear()
        assert list(rig.audit.of_process()) == []
        assert list(rig.audit.of_host()) == []


def is_told(word: str, leftovers: Sequence[Leftover], *, maker: str) -> bool:
    """Whether *word* names something of *maker*'s."""
    return any(word in each.what and maker in each.maker for each in leftovers)
