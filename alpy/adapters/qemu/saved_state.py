# SPDX-License-Identifier: GPL-3.0-or-later
"""A machine's state in a folder: how it gets there, and how a later machine begins with it.

The appliance's RAM is a file, and QEMU's stream of a migration holds the rest, as the state of the
devices. So a machine that begins with a saved state reads of it what the appliance touches, while
it runs; several of them have the same pages of the host's memory.
"""

from __future__ import annotations

import errno
import os
import re
from contextlib import suppress
from pathlib import Path
from typing import Final, Protocol

from attrs import define, field

from alpy.adapters.holdings import Holdings
from alpy.adapters.host_error import host_error
from alpy.adapters.qemu.command import MemoryFile
from alpy.adapters.qemu.migration import migrate
from alpy.adapters.qemu.working_files import WorkingFiles
from alpy.adapters.qmp.monitor import QmpMonitor
from alpy.adapters.sparse import copy_filled
from alpy.core.appliance import Appliance
from alpy.core.errors import (
    AlpyError,
    DeadlineError,
    HostError,
    InvalidValueError,
    MachineDiedError,
    MonitorError,
    SavedStateError,
)
from alpy.core.ports import Clock

MEMORY: Final = "memory"
DEVICES: Final = "devices"

# Where there is no more room than that, QEMU may have wanted more.
_LITTLE: Final = 1 << 20
# With these RAM is not where we put it.
_OWN_MEMORY: Final = re.compile(r"(?<![-\w])(memory-backend|memdev)|^-m(em-path)?$|^-incoming$")


def check_savable(appliance: Appliance) -> None:
    """Look whether we have a say in where the RAM of *appliance* is.

    Raises:
        InvalidValueError: we have not.
    """
    for words in (appliance.machine, *appliance.extra_args):
        if _OWN_MEMORY.search(words):
            raise InvalidValueError(
                f"{words!r}: the state of an appliance with memory of its own can't be saved"
            )


class State(Protocol):
    """Where a machine's state comes from, and what can become of it. One for each launch."""

    @property
    def files_stay(self) -> bool:
        """Whether QEMU needs the names of its working files for as long as it lives."""
        ...

    def open(self) -> MemoryFile | None:
        """What QEMU is to map RAM from; None if that is its own affair.

        Raises:
            HostError: the kernel has no room.
            SavedStateError: a file of the saved state is missing.
        """
        ...

    def connected(self, monitor: QmpMonitor) -> None:
        """Bring the machine to where it begins; it is paused before and after.

        Raises:
            SavedStateError: a saved state does not fit this machine.
        """
        ...

    def save(self, folder: Path) -> None:
        """Write all of the paused machine to *folder*. It can go on then.

        Raises:
            SavedStateError: it can't be saved.
            HostError: there is no room.
        """
        ...

    def close(self) -> None:
        """Let go of all files; again does nothing."""
        ...


def state_of(
    appliance: Appliance,
    *,
    saved: Path | None,
    savable: bool,
    files: WorkingFiles,
    clock: Clock,
    timeout: float,
    holdings: Holdings,
) -> State:
    """For a launch that begins with the state in the folder *saved*, or is *savable*, or neither.

    *timeout*: for QEMU to write or read the devices' state, in seconds.
    """
    mib = appliance.memory_mib
    if saved:
        return Saved(mib=mib, folder=saved, clock=clock, timeout=timeout, holdings=holdings)
    if savable:
        return Savable(mib=mib, files=files, clock=clock, timeout=timeout, holdings=holdings)
    return Fleeting()


class Fleeting:
    """The state of a machine that ends with it."""

    files_stay = False

    def open(self) -> None:
        return None

    def connected(self, monitor: QmpMonitor) -> None:
        pass

    def save(self, folder: Path) -> None:
        raise SavedStateError(state=str(folder), reason="the machine was not launched to be saved")

    def close(self) -> None:
        pass


@define(kw_only=True)
class Savable:
    """A new state that is to be saved: with *mib* MiB of RAM in a file without a name."""

    mib: int
    files: WorkingFiles
    clock: Clock
    timeout: float
    holdings: Holdings
    # For a migration QEMU gives up the right to write to its files, by opening them anew.
    files_stay = True
    _memory: int = field(default=-1, init=False)
    _monitor: QmpMonitor | None = field(default=None, init=False)

    def open(self) -> MemoryFile:
        try:
            self._memory = os.memfd_create("alpy-memory", os.MFD_CLOEXEC)
            self.holdings.note(self._memory, "machine")
            os.ftruncate(self._memory, self.mib << 20)
        except OSError as error:
            raise host_error(
                f"memory of {self.mib} MiB for the appliance",
                error,
                remedy="Give the appliance less, or free some",
            ) from error
        return MemoryFile(fd=self._memory, shared=True)

    def connected(self, monitor: QmpMonitor) -> None:
        self._monitor = monitor

    def save(self, folder: Path) -> None:
        if self._monitor is None:
            raise SavedStateError(state=str(folder), reason="the monitor is not connected")
        try:
            self._save_devices(self._monitor, folder / DEVICES)
            copy_filled(self._memory, folder / MEMORY)
            self.files.save(folder)
        except (MonitorError, DeadlineError) as error:
            if _is_full(folder):
                raise _unwritten(folder, errno.ENOSPC) from error
            raise _unusable(folder, error) from error
        except OSError as error:
            raise _unwritten(folder, error.errno or 0) from error

    def close(self) -> None:
        memory, self._memory = self._memory, -1
        if memory >= 0:
            os.close(memory)

    def _save_devices(self, monitor: QmpMonitor, path: Path) -> None:
        target = os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
        try:
            self.holdings.note(target, "machine")
            migrate(monitor, "migrate", target, clock=self.clock, timeout=self.timeout)
        finally:
            os.close(target)


@define(kw_only=True)
class Saved:
    """The state in *folder*, of a machine with *mib* MiB of RAM. Nobody sees what it changes."""

    mib: int
    folder: Path
    clock: Clock
    timeout: float
    holdings: Holdings
    files_stay = False
    _open: list[_File] = field(factory=list, init=False)

    def open(self) -> MemoryFile:
        try:
            # QEMU wants to write here, but that reaches its own memory alone.
            for name, mode in ((MEMORY, os.O_RDWR), (DEVICES, os.O_RDONLY)):
                file = _File(os.open(self.folder / name, mode | os.O_CLOEXEC))
                self._open.append(file)
                # Other runs in this process may have opened it too, and in this way.
                self.holdings.note_holder(file, "machine")
        except OSError as error:
            reason = f"{name}: {os.strerror(error.errno or 0)}"
            raise SavedStateError(state=str(self.folder), reason=reason) from error
        memory = self._open[0].fileno()
        if (size := os.fstat(memory).st_size) != self.mib << 20:
            raise SavedStateError(state=str(self.folder), reason=f"{MEMORY}: {size} bytes")
        return MemoryFile(fd=memory, shared=False)

    def connected(self, monitor: QmpMonitor) -> None:
        source = self._open[1].fileno()
        try:
            migrate(monitor, "migrate-incoming", source, clock=self.clock, timeout=self.timeout)
        except MachineDiedError as error:
            # A state that QEMU can't read is the end of its process; but others can end it too.
            if error.status is None or not error.status.is_own_fault:
                raise
            raise _unusable(self.folder, error) from error
        except (MonitorError, DeadlineError) as error:
            raise _unusable(self.folder, error) from error
        # QEMU has what it needs, and needs no name of it any more.
        self.close()

    def save(self, folder: Path) -> None:
        raise SavedStateError(state=str(folder), reason="the machine began with a saved state")

    def close(self) -> None:
        while self._open:
            self._open.pop().close()


@define
class _File:
    """A file that we have open, until it is closed."""

    _descriptor: int

    def fileno(self) -> int:
        return self._descriptor

    def close(self) -> None:
        descriptor, self._descriptor = self._descriptor, -1
        os.close(descriptor)


def _is_full(folder: Path) -> bool:
    # QEMU does not always tell that this was it.
    with suppress(OSError):
        room = os.statvfs(folder)
        return room.f_bavail * room.f_frsize < _LITTLE
    return False


def _unwritten(folder: Path, number: int) -> HostError:
    return HostError(
        asked=f"save the machine's state to {folder}",
        found=os.strerror(number),
        remedy="Make room, or choose another folder for the cache",
    )


def _unusable(folder: Path, error: AlpyError) -> SavedStateError:
    # A deadline that passed says more of the host than of the state.
    lasting = not isinstance(error, TimeoutError)
    return SavedStateError(state=str(folder), reason=str(error), lasting=lasting)
