# SPDX-License-Identifier: GPL-3.0-or-later
"""Two nodes and a QEMU between them, made without alpy: `docker`, `ip` and a command line."""

from __future__ import annotations

import json
import os
import shlex
import socket
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from typing import Final
from uuid import uuid4

from attrs import frozen
from pexpect import fdpexpect

from benchmarks.bare import docker
from carrot import rabbit

_IP: Final = ["--rm", "--interactive", "--network", "host", "--pid", "host"]
_MAY: Final = ["--cap-add", "NET_ADMIN", "--device", "/dev/net/tun", "alpy-iproute2:latest", "ip"]
_NODE: Final = ["--detach", "--network", "none", "--cap-add", "NET_ADMIN", rabbit.TOOLS]
_MACS: Final = ("02:a1:00:01:00:00", "02:a1:00:01:00:01")
_SECONDS: Final = 30.0

Words = Callable[[Sequence[str]], list[str]]
"""The command line of a QEMU between two taps, of their names."""


@frozen(kw_only=True)
class Pair:
    """Two nodes, by the names of their containers, which something connects."""

    client: str
    server: str

    def tcp_rate(self, address: str, *, seconds: int) -> float:
        """As `carrot.traffic.tcp_rate`."""
        docker("exec", "--detach", self.server, "iperf3", "--server", "--one-off")
        _wait_until(lambda: "5201" in docker("exec", self.server, "ss", "-Hltn"))
        words = ["iperf3", "--client", address, "--time", str(seconds), "--json"]
        said = docker("exec", self.client, *words, timeout=seconds + _SECONDS)
        return float(json.loads(said)["end"]["sum_received"]["bits_per_second"]) / 1e6


def same_command(command: str, taps: Sequence[str], *, capture: bool = True) -> list[str]:
    """*command*, which alpy ran, with *taps* by name and sockets in the current directory."""
    by_hand = {
        f"socket,id={name},": f"socket,id={name},path={name},server=on,wait=off"
        for name in ("monitor", "console")
    }
    for link, tap in enumerate(taps):
        by_hand[f"tap,id=link{link},"] = _netdev(link, tap)
        dump = f"filter-dump,id=capture{link},netdev=link{link},"
        by_hand[dump] = f"{dump}file=link{link}.pcap,maxlen=262144" if capture else ""
    return with_values(shlex.split(command), by_hand)


def with_values(words: list[str], values: Mapping[str, str]) -> list[str]:
    """*words*, with others for those that begin in that way; "" leaves out the option too."""
    for begin, value in values.items():
        at = next(n for n, word in enumerate(words) if word.startswith(begin))
        words[at - 1 : at + 1] = [words[at - 1], value] if value else []
    return words


def _netdev(link: int, tap: str) -> str:
    # alpy opens its taps without the header of virtio-net, too.
    return f"tap,id=link{link},ifname={tap},script=no,downscript=no,vnet_hdr=off"


def hub_command(taps: Sequence[str]) -> list[str]:
    """A QEMU without a machine, whose hub copies each frame from one tap to the other."""
    words = ["qemu-system-x86_64", "-nodefaults", "-machine", "none", "-display", "none"]
    for link, tap in enumerate(taps):
        port = f"hubport,id=port{link},hubid=0,netdev=link{link}"
        words += ["-netdev", _netdev(link, tap), "-netdev", port]
    return words


@contextmanager
def routed(words: Words) -> Iterator[Pair]:
    """Two nodes in two networks, with Rabbit between them, which routes."""
    with _connected(words, ("192.168.1.1/24", "192.168.2.1/24")) as (pair, folder):
        for node, gateway in ((pair.client, "192.168.1.254"), (pair.server, "192.168.2.254")):
            docker("exec", node, "ip", "route", "add", "default", "via", gateway)
        with _socket(folder / "monitor") as monitor, _socket(folder / "console") as port:
            _start_cpu(monitor)
            _configure(port)
            yield pair


@contextmanager
def switched(words: Words) -> Iterator[Pair]:
    """Two nodes in one network, with something between them that passes frames on."""
    with _connected(words, ("192.168.2.2/24", "192.168.2.1/24")) as (pair, _folder):
        yield pair


@contextmanager
def _connected(words: Words, addresses: Sequence[str]) -> Iterator[tuple[Pair, Path]]:
    run = uuid4().hex[:6]
    taps, nodes = [f"hand{run}{n}" for n in (0, 1)], [f"bench-{run}-{n}" for n in (0, 1)]
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="alpy-bench-")))
        stack.callback(_ip, *(f"link delete {tap}" for tap in taps), force=True)
        _ip(*(f"tuntap add dev {tap} mode tap user {os.getuid()}" for tap in taps))
        stack.callback(docker, "rm", "--force", *nodes)
        for node in nodes:
            docker("run", "--name", node, *_NODE, "sleep", "1000000")
        said = stack.enter_context((folder / "said").open("wb"))
        process = stack.enter_context(
            subprocess.Popen(
                words(taps), cwd=folder, stdin=subprocess.DEVNULL, stdout=said, stderr=said
            )
        )
        stack.callback(process.kill)
        _wait_until(lambda: all(map(_is_open, taps)))
        _give(taps, nodes, addresses)
        yield Pair(client=nodes[0], server=nodes[1]), folder


def _give(taps: Sequence[str], nodes: Sequence[str], addresses: Sequence[str]) -> None:
    """Move each tap into its node, as eth0 with an address."""
    pids = [docker("inspect", "--format", "{{.State.Pid}}", node).strip() for node in nodes]
    _ip(*(f"link set {tap} netns {pid}" for tap, pid in zip(taps, pids, strict=True)))
    for node, tap, mac, address in zip(nodes, taps, _MACS, addresses, strict=True):
        docker("exec", node, "ip", "link", "set", tap, "name", "eth0", "address", mac)
        docker("exec", node, "ip", "address", "add", address, "dev", "eth0")
        docker("exec", node, "ip", "link", "set", "eth0", "up")


def _is_open(tap: str) -> bool:
    held = f"iff:\t{tap}"
    for process in Path("/proc").glob("[0-9]*"):
        with suppress(OSError):
            if any(held in info.read_text() for info in (process / "fdinfo").iterdir()):
                return True
    return False


def _ip(*lines: str, force: bool = False) -> None:
    options = ["-force"] if force else []
    subprocess.run(
        ["docker", "run", *_IP, *_MAY, *options, "-batch", "-"],
        check=not force,
        input="".join(f"{line}\n" for line in lines),
        stderr=subprocess.DEVNULL if force else None,
        text=True,
        timeout=_SECONDS,
    )


@contextmanager
def _socket(path: Path) -> Iterator[socket.socket]:
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as connection:
        connection.connect(str(path))
        connection.settimeout(_SECONDS)
        yield connection


def _start_cpu(monitor: socket.socket) -> None:
    for command in ("qmp_capabilities", "cont"):
        monitor.sendall(json.dumps({"execute": command}).encode())


def _configure(port: socket.socket) -> None:
    console = fdpexpect.fdspawn(port.fileno(), timeout=60)
    for question, answer in (
        ("login: ", rabbit.USER),
        ("Password: ", rabbit.PASSWORD),
        ("rabbit# ", "ip address add 192.168.1.254/24 dev eth0; ip link set eth0 up"),
        ("rabbit# ", "ip address add 192.168.2.254/24 dev eth1; ip link set eth1 up"),
    ):
        console.expect_exact(question)
        console.sendline(answer)
    console.expect_exact("rabbit# ")


def _wait_until(there: Callable[[], bool]) -> None:
    end = time.monotonic() + _SECONDS
    while not there():
        assert time.monotonic() < end, "what was started by hand did not come up"
        time.sleep(0.05)
