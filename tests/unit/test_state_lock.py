# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import os
import signal
import time
from pathlib import Path

from alpy.adapters.saved.lock import Lock


def test_many_share_it_and_one_alone_owns_it(tmp_path: Path) -> None:
    one, other = Lock(tmp_path / "lock"), Lock(tmp_path / "lock")
    assert one.share()
    assert other.share()
    assert not one.own()
    assert other.own()
    assert not one.share()
    other.release()
    other.release()
    assert one.own()
    one.release()


def test_who_opened_a_file_that_was_then_removed_holds_the_new_one(tmp_path: Path) -> None:
    path = tmp_path / "lock"
    owner, late, third = Lock(path), Lock(path), Lock(path)
    assert owner.own()
    late._descriptor = os.open(path, os.O_RDWR)
    owner.forget()
    assert late.own()
    assert not third.share()
    late.forget()
    assert not path.exists()


def test_a_child_that_was_forked_does_not_keep_what_is_released(tmp_path: Path) -> None:
    one, other = Lock(tmp_path / "lock"), Lock(tmp_path / "lock")
    assert one.own()
    child = os.fork()
    if not child:
        time.sleep(100)
        os._exit(0)
    try:
        one.release()
        assert other.own()
    finally:
        os.kill(child, signal.SIGKILL)
        os.waitpid(child, 0)
    other.release()
