# SPDX-License-Identifier: GPL-3.0-or-later
"""One life of a testbed with the earlier alpy, 6.0.0: peer.py KERNEL INITRD COMMAND_LINE WHAT ...

WHAT: `network LINKS`, `life LINKS`, or `console 0 TEXT_FILE COMMANDS`. Runs in an environment of
its own, and prints what it measured as JSON.
"""

import contextlib
import json
import statistics
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import alpy.console
import alpy.container
import alpy.node
import alpy.qemu
import alpy.remote_shell
import alpy.run
import docker

IMAGE, TOOLS = "alpy-busybox:latest", "alpy-tools:latest"
PROMPT = "rabbit# "

Machine = tuple[str, str, str, int]
Monitor = Any
Parts = dict[str, float]
Spawn = Any


@contextlib.contextmanager
def testbed(
    kernel: str, initrd: str, command_line: str, links: int
) -> Iterator[tuple[Parts, Monitor]]:
    """The seconds of each part, and the monitor; `down` comes last."""
    taps = [f"bench{number}" for number in range(links)]
    arguments = ["qemu-system-x86_64", "-accel", "tcg", "-machine", "q35", "-cpu", "max"]
    arguments += ["-m", "256", "-nodefaults", "-display", "none", "-S"]
    arguments += ["-kernel", kernel, "-initrd", initrd, "-append", command_line]
    arguments += alpy.qemu.get_qmp_args() + alpy.qemu.get_serial_port_args()
    for number, tap in enumerate(taps):
        arguments += ["-netdev", f"tap,id=n{number},ifname={tap},script=no,downscript=no"]
        # Eight to a slot: there are not slots enough for 32.
        place = f"multifunction=on,addr={2 + number // 8:x}.{number % 8}"
        arguments += ["-device", f"virtio-net-pci,netdev=n{number},{place}"]
        dump = f"filter-dump,id=d{number},netdev=n{number},file=link{number}.pcap"
        arguments += ["-object", dump]
    parts = {}
    started = time.monotonic()
    skeleton = alpy.node.make_skeleton(
        busybox_image=IMAGE, docker_client=CLIENT, tap_interfaces=taps, timeout=30
    )
    with alpy.run.qemu_with_skeleton(qemu_args=arguments, skeleton=skeleton, timeout=10) as qmp:
        parts["up"] = time.monotonic() - started
        yield parts, qmp
        over = time.monotonic()
    parts["down"] = time.monotonic() - over
    parts["life"] = time.monotonic() - started


@contextlib.contextmanager
def shell(qmp: Monitor) -> Iterator[Spawn]:
    with alpy.console.connect(timeout=60) as spawn:
        alpy.qemu.start_virtual_cpu(qmp)
        for question, answer in (("login: ", "root"), ("Password: ", "rabbit")):
            spawn.expect_exact(question)
            spawn.sendline(answer)
        yield spawn


def run(spawn: Spawn, command: str) -> None:
    alpy.remote_shell.check_execute_program(spawn, PROMPT, command, 30)


def network(machine: Machine, _words: list[str]) -> Parts:
    with testbed(*machine) as (parts, _qmp):
        pass
    return parts


def life(machine: Machine, _words: list[str]) -> Parts:
    with testbed(*machine) as (parts, qmp):
        begin = time.monotonic()
        for link in (0, 1):
            alpy.container.configure_interface(
                f"node{link}",
                f"192.168.{link + 1}.1/24",
                f"192.168.{link + 1}.254",
                docker_client=CLIENT,
                image=IMAGE,
                timeout=30,
            )
        configured = time.monotonic()
        parts["configured"] = configured - begin
        with shell(qmp) as spawn:
            spawn.expect_exact(PROMPT)
            answered = time.monotonic()
            spawn.sendline("")  # for another prompt, which the next call waits for
            parts["shell"] = answered - configured
            for link in (0, 1):
                run(spawn, f"ip address add 192.168.{link + 1}.254/24 dev eth{link}")
                run(spawn, f"ip link set dev eth{link} up")
            ping()
            tested = time.monotonic()
            parts["test"] = tested - answered
        # What closes the console is a part of what takes the testbed down.
        closed = time.monotonic() - tested
    parts["down"] += closed
    return parts


def ping() -> None:
    words = ["ping", "-c", "1", "-W", "5", "192.168.2.1"]
    app = CLIENT.containers.create(TOOLS, words, network_mode="container:node0")
    try:
        app.start()
        alpy.container.close(app, 30)
    finally:
        app.remove()


def console(machine: Machine, words: list[str]) -> Parts:
    text, commands = Path(words[0]), int(words[1])
    with testbed(*machine) as (_parts, qmp), shell(qmp) as spawn:
        rounds = []
        for _ in range(commands):
            begin = time.monotonic()
            run(spawn, "true")
            rounds.append(time.monotonic() - begin)
        begin = time.monotonic()
        alpy.remote_shell.upload_text_file(spawn, PROMPT, str(text), "/root/file")
        run(spawn, "true")
        seconds = time.monotonic() - begin
    return {
        "milliseconds": statistics.median(rounds) * 1e3,
        "text": text.stat().st_size / 1e3 / seconds,
    }


CLIENT = docker.from_env()
WHAT = {"network": network, "life": life, "console": console}[sys.argv[4]]
print(json.dumps(WHAT((*sys.argv[1:4], int(sys.argv[5])), sys.argv[6:])))
