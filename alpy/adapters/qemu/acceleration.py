# SPDX-License-Identifier: GPL-3.0-or-later
"""KVM or TCG: found out with a guest of a few bytes, because the device file tells nothing.

Where the host is itself a virtual machine, /dev/kvm may open well and then hang or kill each guest.
"""

from __future__ import annotations

import os
import subprocess
import tempfile
from contextlib import suppress
from hashlib import sha256
from pathlib import Path
from typing import Final

from attrs import field, frozen

from alpy.adapters.private_folder import make_private
from alpy.adapters.qemu.lifetime import tied
from alpy.adapters.qemu.program import environment, missing
from alpy.core.appliance import Acceleration
from alpy.core.errors import HostError
from alpy.core.exit_status import ExitStatus
from alpy.core.narrative import get_logger

# mov al, 0x10; out 0xf4, al; hlt: leave QEMU through its debug exit, from a boot sector. On the
# way there the firmware has run in 16 and in 32 bits, from memory and from a disk.
_GUEST: Final = b"\xb0\x10\xe6\xf4\xf4".ljust(510, b"\0") + b"\x55\xaa"
# On a disk of less than a cylinder the firmware finds no boot sector.
_DISK: Final = 1 << 20
# The debug exit makes an odd exit code of the value, so that it can't be taken for QEMU's own.
_REACHED: Final = 0x10 << 1 | 1
# Emulated without KVM it takes a tenth of a second. A KVM that needs more than this is no gain.
_SECONDS: Final = 2.0
_KILL_SECONDS: Final = 10.0
_HANGS: Final = f"a guest of a few bytes did not end within {_SECONDS:g} s"
_WORDS: Final = 100

_log = get_logger("alpy.machine")


@frozen(kw_only=True)
class KvmProbe:
    """Asks whether KVM runs a guest on this host; remembers a costly answer until the next boot.

    *memory*: the folder for that, one that nobody else can write. *device* and *boot_id* are
    Linux's, and given otherwise by tests only.
    """

    program: str
    memory: Path | None
    device: Path = field(default=Path("/dev/kvm"))
    boot_id: Path = field(default=Path("/proc/sys/kernel/random/boot_id"))

    def fault(self, cpu: str) -> str | None:
        """Why a guest with this *cpu* can't run under KVM; None if it can.

        Raises:
            HostError: QEMU is missing.
        """
        try:
            os.close(os.open(self.device, os.O_RDWR | os.O_CLOEXEC))
        except OSError as error:
            return f"{self.device}: {error.strerror}"
        note = self._note(cpu)
        if note and (known := _recall(note)) is not None:
            return f"{known} (remembered until the next boot in {note})" if known else None
        fault = self._run(cpu)
        # A refusal comes at once, and what causes it may be mended before the next boot.
        if note and fault in {None, _HANGS}:
            _remember(note, fault or "")
        return fault

    def _run(self, cpu: str) -> str | None:
        # A QEMU that aborts may leave a core file where it stands.
        with tempfile.TemporaryDirectory(prefix="alpy-kvm-") as folder:
            with Path(folder, "guest").open("wb") as image:
                image.write(_GUEST)
                image.truncate(_DISK)
            try:
                return self._verdict(cpu, folder)
            except OSError as error:
                raise missing(self.program, error) from error

    def _verdict(self, cpu: str, folder: str) -> str | None:
        argv = [
            self.program, "-nodefaults", "-no-user-config", "-display", "none", "-m", "16",
            "-machine", "pc", "-accel", "kvm", "-cpu", cpu,
            "-drive", "if=virtio,format=raw,readonly=on,file=guest",
            "-device", "isa-debug-exit,iobase=0xf4,iosize=0x04",
        ]  # fmt: skip
        with Path(folder, "said").open("w+b") as said:
            status = _end_of(
                subprocess.Popen(
                    tied(argv),
                    stdin=subprocess.DEVNULL,
                    stdout=said,
                    stderr=said,
                    cwd=folder,
                    env=environment(),
                )
            )
            said.seek(0)
            words = " ".join(said.read(_WORDS).decode(errors="replace").split())
        if status is None:
            return _HANGS
        return None if status.code == _REACHED else f"QEMU ended with {status}: {words}"

    def _note(self, cpu: str) -> Path | None:
        if self.memory is None or make_private(self.memory):
            return None
        with suppress(OSError):
            boot = self.boot_id.read_text(encoding="ascii").strip()
            question = sha256(f"{boot}\0{self.program}\0{cpu}".encode()).hexdigest()[:16]
            return self.memory / f"kvm-{question}"
        return None


def _end_of(process: subprocess.Popen[bytes]) -> ExitStatus | None:
    try:
        return ExitStatus.from_wait(process.wait(_SECONDS))
    except subprocess.TimeoutExpired:
        return None
    finally:
        process.kill()
        with suppress(subprocess.TimeoutExpired):
            process.wait(_KILL_SECONDS)


def choose_acceleration(asked: Acceleration, *, cpu: str, probe: KvmProbe) -> Acceleration:
    """KVM or TCG, with one warning when it is TCG though it was left to us.

    Raises:
        HostError: KVM was asked for and can't be used, or QEMU is missing.
    """
    if asked is Acceleration.TCG:
        return asked
    fault = probe.fault(cpu)
    if fault is None:
        return Acceleration.KVM
    if asked is Acceleration.KVM:
        raise HostError(
            asked="acceleration by KVM",
            found=fault,
            remedy="Mend it, or take acceleration 'auto' or 'tcg', which is slower",
        )
    _log.warning("KVM can't be used, so QEMU emulates the CPU (TCG), which is slower", why=fault)
    return Acceleration.TCG


def default_memory() -> Path:
    """The user's own folder for what may be forgotten at the next boot."""
    return Path(os.environ.get("XDG_RUNTIME_DIR") or tempfile.gettempdir(), f"alpy-{os.getuid()}")


def _recall(note: Path) -> str | None:
    with suppress(OSError):
        return note.read_text(encoding="utf-8")
    return None


def _remember(note: Path, fault: str) -> None:
    # Renamed into its place, so that nobody reads half an answer. It only saves time: no room for
    # it is no fault.
    with suppress(OSError):
        descriptor, name = tempfile.mkstemp(dir=note.parent)
        with os.fdopen(descriptor, "w", encoding="utf-8") as file:
            file.write(fault)
        Path(name).replace(note)
