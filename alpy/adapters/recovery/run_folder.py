# SPDX-License-Identifier: GPL-3.0-or-later
"""Files that the QEMU of a killed run worked on, and that nobody could remove."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path

from alpy.adapters.host_error import host_error
from alpy.adapters.qemu.working_files import is_working_file
from alpy.adapters.recovery.liveness import open_log_in, opened_folder
from alpy.adapters.recovery.traces import Trace
from alpy.core.waiting import Deadline


class RunFolder:
    """A Place: one folder, which some other trace of a run calls its run directory.

    It is believed if the debug.log in it is ours and that run's.
    """

    def __init__(self, path: str) -> None:
        self._path = path

    def find(self) -> Sequence[Trace]:
        """Nothing: a folder alone does not tell how to find whoever lived in it."""
        return ()

    def find_of(self, run: str) -> Sequence[Trace]:
        with suppress(OSError), self._folder_of(run) as folder:
            return [
                Trace(run=run, what=f"file {Path(self._path) / name}", maker="machine", handle=name)
                for name in sorted(os.listdir(folder))  # noqa: PTH208  a descriptor
                if is_working_file(name)
            ]
        return ()

    def remove(self, trace: Trace, _within: Deadline, /) -> None:
        try:
            with self._folder_of(trace.run) as folder:
                os.unlink(trace.handle, dir_fd=folder)
        except FileNotFoundError:
            return
        except OSError as error:
            raise host_error(
                f"remove {trace.what}", error, remedy="Remove it by hand; it is no evidence"
            ) from error

    @contextmanager
    def _folder_of(self, run: str) -> Iterator[int]:
        # A label can name any folder, and the folder can be another's by now.
        with opened_folder(Path(self._path)) as folder:
            os.close(open_log_in(folder, run, os.O_RDONLY))
            yield folder
