# SPDX-License-Identifier: GPL-3.0-or-later
"""Rabbit, the sample appliance: what it is, how to log in, configure it and shut it down."""

from __future__ import annotations

import shlex
import time
from collections.abc import Iterable
from typing import Any, Final

import alpy
from carrot.build import KERNEL_COMMAND_LINE, TOOLS_IMAGE, rabbit_files

__all__ = [
    "LOGGED_IN",
    "PASSWORD",
    "TOOLS",
    "USER",
    "appliance",
    "balance_http",
    "cross_connect",
    "limit_rate",
    "login",
    "mount_data_disk",
    "route",
    "set_forwarding",
    "shut_down",
    "start",
    "uefi_appliance",
]

USER: Final = "root"
PASSWORD: Final = "rabbit"  # noqa: S105  it is printed in Rabbit's own documentation
TOOLS: Final = TOOLS_IMAGE
"""The image with iperf3, nginx, curl, ping and tcpdump."""

# Rabbit boots in 2 to 3 s under TCG on an idle host, and the UEFI disk in 10; this bounds a fault.
_BOOT_TIMEOUT: Final = 60.0

log = alpy.get_logger("carrot.rabbit")


def appliance(**changes: Any) -> alpy.Appliance:
    """Rabbit by direct kernel boot: the fast way. *changes* are fields of `Appliance`.

    Rabbit is built first if need be, which takes about a minute.
    """
    files = rabbit_files()
    kernel = alpy.Kernel(image=files.kernel, initrd=files.initrd, command_line=KERNEL_COMMAND_LINE)
    return alpy.Appliance(**{"name": "rabbit", "kernel": kernel, "memory_mib": 256, **changes})


def uefi_appliance(**changes: Any) -> alpy.Appliance:
    """Rabbit as a UEFI disk image, as a vendor would ship it."""
    disk = alpy.Disk(path=rabbit_files().uefi_disk)
    return alpy.Appliance(
        **{
            "name": "rabbit-uefi",
            "disks": (disk,),
            "firmware": alpy.Firmware.UEFI,
            "memory_mib": 256,
            **changes,
        }
    )


def login(console: alpy.Console, *, timeout: float = _BOOT_TIMEOUT) -> alpy.Shell:
    """Wait until Rabbit has booted, log in, and return its shell. *timeout* in seconds for both."""
    with alpy.step(log, "Wait for the system to boot and log in"):
        return alpy.log_in(console, user=USER, password=PASSWORD, timeout=timeout)


def _boot_and_log_in(bed: alpy.Testbed) -> None:
    bed.dut.start()
    login(bed.console)


LOGGED_IN: Final = alpy.Preparation(key="Rabbit, logged in; 1", prepare=_boot_and_log_in)
"""Rabbit with an idle shell on its console: nothing else of it is configured."""


def start(bed: alpy.Testbed, *, timeout: float = _BOOT_TIMEOUT) -> alpy.Shell:
    """Let Rabbit run, and return its shell: at once if it is `LOGGED_IN`, or else as `login`."""
    bed.dut.start()
    if not bed.is_prepared:
        return login(bed.console, timeout=timeout)
    with alpy.step(log, "Take over the shell"):
        shell = alpy.attach(bed.console, timeout=timeout)
        # Its clock stood still since the state was saved.
        shell.run(f"date -u -s @{time.time():.0f}")
        return shell


def route(shell: alpy.Shell, *addresses: str | Iterable[str]) -> None:
    """Give interface N the N-th of *addresses* (one, or several) and raise it."""
    commands: list[list[str]] = []
    for number, given in enumerate(addresses):
        device = ["dev", f"eth{number}"]
        several = [given] if isinstance(given, str) else given
        commands += (["ip", "address", "add", address, *device] for address in several)
        commands.append(["ip", "link", "set", *device, "up"])
    with alpy.step(log, "Configure interfaces"):
        # All in one: what takes time is the way there and back.
        shell.run(" && ".join(map(shlex.join, commands)))


def mount_data_disk(shell: alpy.Shell, place: str, *, label: str = "ALPY") -> None:
    """Show the files of the data disk that has this *label* in Rabbit's folder *place*."""
    with alpy.step(log, "Mount the data disk", place=place):
        shell.run(
            f"mount -t iso9660 -o ro $(findfs LABEL={shlex.quote(label)}) {shlex.quote(place)}"
        )


def set_forwarding(shell: alpy.Shell, *, on: bool) -> None:
    """Forward IPv4 and IPv6 packets, or not. Rabbit boots with it on."""
    with alpy.step(log, f"Turn forwarding {'on' if on else 'off'}"):
        for name in ("ip_forward", "conf/all/forwarding"):
            version = "ipv4" if name == "ip_forward" else "ipv6"
            shell.run(f"echo {int(on)} >/proc/sys/net/{version}/{name}")


def limit_rate(shell: alpy.Shell, link: int, rate: str) -> None:
    """Let out at most *rate* on a link, in tc's notation, as "1mbit". It counts whole frames."""
    with alpy.step(log, f"Limit the rate on link {link}", rate=rate):
        words = ["tc", "qdisc", "replace", "dev", f"eth{link}", "root", "tbf"]
        shell.run([*words, "rate", rate, "burst", "5kb", "latency", "100ms"])


def balance_http(shell: alpy.Shell, listen: str, servers: Iterable[str]) -> None:
    """Spread the HTTP requests that come to *listen* over *servers* in turn, all "address:port"."""
    config = "\n".join(
        [
            "upstream servers {",
            *(f"    server {server} max_fails=1 fail_timeout=60s;" for server in servers),
            "}",
            "server {",
            f"    listen {listen};",
            "    location / { proxy_pass http://servers; proxy_connect_timeout 1s; }",
            "}",
            "",
        ]
    )
    with alpy.step(log, "Start the load balancer", listen=listen):
        shell.upload(config.encode(), "/etc/nginx/conf.d/balance.conf")
        shell.run("nginx")


def shut_down(dut: alpy.Dut, *, timeout: float = 30) -> None:
    """Press the power button, and wait *timeout* seconds at most for Rabbit to heed it."""
    with alpy.step(log, "Shut the system down"):
        dut.power_down(timeout=timeout)


def cross_connect(shell: alpy.Shell, one: int, other: int) -> None:
    """Pass every frame that comes in on one link out of the other, as it is, and back."""
    with alpy.step(log, "Cross-connect links", links=(one, other)):
        for here, there in ((one, other), (other, one)):
            shell.run(["ip", "link", "set", "dev", f"eth{here}", "promisc", "on", "up"])
            shell.run(["tc", "qdisc", "add", "dev", f"eth{here}", "ingress"])
            redirect = f"matchall action mirred egress redirect dev eth{there}"
            shell.run(f"tc filter add dev eth{here} parent ffff: {redirect}")
