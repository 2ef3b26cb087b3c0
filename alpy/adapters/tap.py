# SPDX-License-Identifier: GPL-3.0-or-later
"""The host end of a link: a tap interface, open in this process."""

from __future__ import annotations

import base64
import fcntl
import hashlib
import os
import socket
import struct
from pathlib import Path
from typing import Final

from alpy.adapters.host_error import host_error
from alpy.core.errors import HostError
from alpy.core.link import Link

TUN_DEVICE: Final = Path("/dev/net/tun")

# From linux/if_tun.h.
_TUNSETIFF: Final = 0x400454CA
_TUNSETPERSIST: Final = 0x400454CB
_IFF_TAP: Final = 0x0002
_IFF_NO_PI: Final = 0x1000
_IFF_VNET_HDR: Final = 0x4000
_PLAIN_TAP: Final = _IFF_TAP | _IFF_NO_PI
# struct ifreq: a name of 16 bytes, flags of two, and the rest of the union.
_IFREQ: Final = "16sH22x"

# Interface names have at most 15 characters: "alpy", 7 of the run, up to 4 of the link.
_RUN_LETTERS: Final = 7


def tap_name(run_id: str, link: int) -> str:
    """A name that this run and link have for themselves, of at most 15 characters."""
    return f"{_stem(run_id)}{link:x}"


def is_tap_of_run(name: str, run_id: str) -> bool:
    """Whether *name* is what `tap_name` calls a tap of this run."""
    return name.startswith(_stem(run_id))


def _stem(run_id: str) -> str:
    digest = hashlib.sha256(run_id.encode()).digest()
    return f"alpy{base64.b32encode(digest).decode().lower()[:_RUN_LETTERS]}"


def open_tun_device() -> int:
    """A new descriptor of /dev/net/tun, which stands for no interface yet.

    Raises:
        HostError: the device is missing, or we may not use it.
    """
    try:
        return os.open(TUN_DEVICE, os.O_RDWR | os.O_CLOEXEC)
    except OSError as error:
        raise host_error(f"open {TUN_DEVICE}", error, remedy=_remedy(error)) from error


def _remedy(error: OSError) -> str:
    if isinstance(error, PermissionError):
        return (
            f"Let ordinary users open it, which is the usual setting: sudo chmod 0666 {TUN_DEVICE}"
        )
    return "Load the kernel's module: sudo modprobe tun"


def delete_tap(name: str) -> None:
    """Delete a tap of this user that nobody holds open. One that is gone is no error.

    No privilege is needed: who may open a tap may also make it vanish with its last holder.

    Raises:
        HostError: it is still there.
    """
    if not interface_exists(name):
        return
    descriptor = open_tun_device()
    try:
        fcntl.ioctl(descriptor, _TUNSETIFF, struct.pack(_IFREQ, name.encode(), _PLAIN_TAP))
        fcntl.ioctl(descriptor, _TUNSETPERSIST, 0)
    except OSError as error:
        raise host_error(
            f"delete tap {name}", error, remedy=f"Remove it by hand: sudo ip link delete {name}"
        ) from error
    finally:
        os.close(descriptor)


class HostTap:
    """A Tap port on an interface that the daemon made for us.

    The interface is not persistent once it is open: it lives exactly as long as somebody holds its
    descriptor, whichever namespace it is moved to. So it can't outlive this process and QEMU.
    """

    def __init__(self, *, link: Link, name: str) -> None:
        self._link = link
        self.name = name
        self._descriptor = -1

    @property
    def link(self) -> Link:
        return self._link

    def fileno(self) -> int:
        return self._descriptor

    def open(self) -> None:
        """Attach to the interface, and make it vanish with its last holder.

        Raises:
            HostError: the tap device can't be opened, or the interface is not ours.
        """
        self._check_name()
        self._descriptor = open_tun_device()
        flags = _PLAIN_TAP | (_IFF_VNET_HDR if self._link.offload else 0)
        try:
            request = struct.pack(_IFREQ, self.name.encode(), flags)
            fcntl.ioctl(self._descriptor, _TUNSETIFF, request)
            fcntl.ioctl(self._descriptor, _TUNSETPERSIST, 0)
        except OSError as error:
            self.close()
            raise host_error(
                f"open tap {self.name}",
                error,
                remedy="Look at it: ip -details link show " + self.name,
            ) from error

    def _check_name(self) -> None:
        # Asked for a name that is not there, the kernel would make a new tap for a privileged user.
        if not interface_exists(self.name):
            raise HostError(
                asked=f"open tap {self.name}",
                found="the daemon made it, but it is not in this process's network namespace",
                remedy="Run the test where the daemon runs, and not in a container of its own.",
            )

    def close(self) -> None:
        descriptor, self._descriptor = self._descriptor, -1
        if descriptor >= 0:
            os.close(descriptor)


def interface_exists(name: str) -> bool:
    """Whether this process's network namespace has an interface *name*."""
    return any(name == known for _index, known in socket.if_nameindex())
