# SPDX-License-Identifier: GPL-3.0-or-later
"""Nodes and taps on the real daemon: what is true of Docker and of the kernel only."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import attrs
import pytest

from alpy.adapters import tap
from alpy.adapters.docker import ip_batch
from alpy.adapters.docker.apps import DockerApps
from alpy.adapters.docker.ip import ContainerIp
from alpy.core.app import AppSpec
from alpy.core.errors import DockerError, HostError, InvalidValueError
from alpy.core.link import Link
from alpy.core.ports import Tap
from alpy.core.waiting import wait_until
from tests.contracts.skeleton import ADDRESSES, bring_up, links
from tests.integration.docker_rigs import (
    BUSYBOX,
    IPROUTE2,
    TOOLS,
    DockerSkeletonRig,
    container_names,
)

pytestmark = pytest.mark.docker

PATIENCE = 30.0
# From a made-up station to the node's own address, to everybody, and to the LLDP group address.
DESTINATIONS = (Link(number=0).node_mac, "ff:ff:ff:ff:ff:ff", "01:80:c2:00:00:0e")


@pytest.fixture
def rig() -> Iterator[DockerSkeletonRig]:
    rig = DockerSkeletonRig()
    yield rig
    rig.close()


def frame(destination: str, ethertype: int = 0x88CC) -> bytes:
    addresses = bytes.fromhex(destination.replace(":", "")) + bytes.fromhex("02aa00000001")
    return addresses + ethertype.to_bytes(2) + bytes(46)


def run_in_node(
    rig: DockerSkeletonRig, *command: str, image: str = IPROUTE2, net_admin: bool = False
) -> str:
    apps = DockerApps(engine=rig.engine)
    capabilities = ["NET_ADMIN"] if net_admin else []
    spec = AppSpec(image=image, command=command, capabilities=capabilities)
    apps.create(spec, name="app", node=0, log=Path(os.devnull))
    try:
        apps.start("app")
        status = apps.wait("app", timeout=PATIENCE)
        output = apps.output("app")
        assert status is not None, output
        assert status.ok, output
        return output.stdout.decode()
    finally:
        apps.remove("app")


def read_frame(wire: Tap) -> bytes:
    return os.read(wire.fileno(), 1 << 16)


def test_the_interface_is_what_the_link_says(rig: DockerSkeletonRig) -> None:
    (link,) = links(1)
    rig.skeleton.create_taps([attrs.evolve(link, mtu=9000, queue_length=77)])
    rig.skeleton.create_nodes([link])
    rig.skeleton.connect([attrs.evolve(link, mtu=9000, queue_length=77)])
    shown = run_in_node(rig, "ip", "link", "show", "dev", "eth0")
    for fact in ("mtu 9000", "qlen 77", link.node_mac, ",UP"):
        assert fact in shown


def test_what_the_link_says_is_there_once_it_is_connected(rig: DockerSkeletonRig) -> None:
    config = attrs.asdict(ADDRESSES, recurse=False)
    link = Link(number=0, **config)
    rig.skeleton.create_taps([link])
    rig.skeleton.create_nodes([link])
    rig.skeleton.connect([link])
    shown = run_in_node(rig, "ip", "address", "show", "dev", "eth0")
    assert all(f" {address} " in shown for address in ADDRESSES.addresses)
    assert "mtu 1400" in shown
    assert "default via 192.0.2.254" in run_in_node(rig, "ip", "-4", "route")


def test_addresses_are_usable_at_once(rig: DockerSkeletonRig) -> None:
    bring_up(rig, 1)
    rig.skeleton.configure({0: ADDRESSES})
    shown = run_in_node(rig, "ip", "address", "show", "dev", "eth0")
    for address in ADDRESSES.addresses:
        assert f" {address} " in shown
    assert "tentative" not in shown
    assert "mtu 1400" in shown


def test_routes_of_both_ip_versions_are_set(rig: DockerSkeletonRig) -> None:
    bring_up(rig, 1)
    rig.skeleton.configure({0: ADDRESSES})
    ipv4 = run_in_node(rig, "ip", "-4", "route")
    ipv6 = run_in_node(rig, "ip", "-6", "route")
    assert "default via 192.0.2.254" in ipv4
    assert "203.0.113.0/24 via 198.51.100.2" in ipv4
    assert "default via 2001:db8::ff" in ipv6
    assert "2001:db8:1::/48 via 2001:db8::2" in ipv6


def test_a_second_configuration_adds_to_the_first(rig: DockerSkeletonRig) -> None:
    bring_up(rig, 1)
    rig.skeleton.configure({0: ADDRESSES})
    rig.skeleton.configure({0: attrs.evolve(ADDRESSES, addresses=("192.0.2.9/24",), routes=(),
                                            gateways=("192.0.2.254",))})  # fmt: skip
    shown = run_in_node(rig, "ip", "address", "show", "dev", "eth0")
    assert "192.0.2.1/24" in shown
    assert "192.0.2.9/24" in shown


def test_what_ip_said_is_in_the_error(rig: DockerSkeletonRig) -> None:
    with pytest.raises(DockerError, match=r"ip link set dev nosuch up: Cannot find device"):
        rig.ip.run(["link show dev lo", "link set dev nosuch up"])


def test_what_ip_said_in_a_node_is_in_the_error_with_the_node(rig: DockerSkeletonRig) -> None:
    bring_up(rig, 2)
    run_in_node(rig, "ip", "link", "set", "dev", "eth0", "down", net_admin=True)
    refused = r"ip route replace 0\.0\.0\.0/0 .* in node0: .*invalid gateway"
    with pytest.raises(DockerError, match=refused):
        rig.skeleton.configure({1: ADDRESSES, 0: ADDRESSES})
    # The lines before were done, and the node takes more.
    assert "192.0.2.1/24" in run_in_node(rig, "ip", "address", "show", "dev", "eth0")
    run_in_node(rig, "ip", "link", "set", "dev", "eth0", "up", net_admin=True)
    rig.skeleton.configure({0: ADDRESSES})


def test_an_ip_that_cannot_do_it_is_told(rig: DockerSkeletonRig) -> None:
    # The `ip` of busybox knows no batch.
    ip = ContainerIp(engine=rig.engine, image=BUSYBOX)
    try:
        with pytest.raises(DockerError, match="container ip0"):
            ip.run(["link show dev lo"])
    finally:
        ip.remove()


def test_an_ip_that_rests_holds_no_container_and_works_again(rig: DockerSkeletonRig) -> None:
    ip = ContainerIp(engine=rig.engine, image=IPROUTE2)
    try:
        for _ in range(2):
            ip.run(["link show dev lo"])
            assert container_names(rig.engine)
            ip.rest()
            wait_until(
                lambda: not container_names(rig.engine),
                awaited="the end of ip",
                timeout=PATIENCE,
                clock=rig.engine.clock,
            )
    finally:
        ip.remove()


@pytest.mark.skipif(os.geteuid() != 0, reason="only root may do without a container")
def test_root_needs_no_container_for_taps(rig: DockerSkeletonRig) -> None:
    rig.skeleton.create_taps(links(1))
    assert not container_names(rig.engine)


def test_frames_cross_the_link_unchanged_both_ways(rig: DockerSkeletonRig) -> None:
    (wire,) = bring_up(rig, 1)
    rig.skeleton.configure({0: ADDRESSES})
    (before,) = rig.skeleton.counters(links(1))
    for destination in DESTINATIONS:
        os.write(wire.fileno(), frame(destination))
    (after,) = rig.skeleton.counters(links(1))
    assert after.frames_out - before.frames_out == len(DESTINATIONS)
    # The node has spoken since it was raised: IPv6 looks for routers.
    assert read_frame(wire)[6:12].hex(":") == Link(number=0).node_mac


def test_frames_that_no_program_wants_are_not_lost_frames(rig: DockerSkeletonRig) -> None:
    (wire,) = bring_up(rig, 1)
    for destination in DESTINATIONS:
        os.write(wire.fileno(), frame(destination))
    (counters,) = rig.skeleton.counters(links(1))
    assert counters.lossless


def test_a_full_queue_drops_and_is_counted(rig: DockerSkeletonRig) -> None:
    bring_up(rig, 1)
    rig.skeleton.configure({0: ADDRESSES})
    # A neighbour that is known without asking, and 3000 pings to it, though nobody reads the tap.
    neighbour = "neighbour replace 192.0.2.7 lladdr 02:00:00:00:00:07 dev eth0"
    run_in_node(rig, "ip", *neighbour.split(), net_admin=True)
    pings = "ping -q -l 3000 -c 3000 -W 1 192.0.2.7 || true"
    run_in_node(rig, "sh", "-c", pings, image=TOOLS)
    (counters,) = rig.skeleton.counters(links(1))
    # The queue takes 1000, of which a few are what IPv6 says to find routers and neighbours.
    assert 1990 < counters.dropped_in < 2050
    assert not counters.lossless


def test_a_listening_port_is_seen_without_a_packet(rig: DockerSkeletonRig) -> None:
    bring_up(rig, 1)
    apps = DockerApps(engine=rig.engine)
    addresses = {"four": "127.0.0.1:80", "six": "[::1]:81"}
    for name, address in addresses.items():
        spec = AppSpec(image=BUSYBOX, command=("httpd", "-f", "-p", address))
        apps.create(spec, name=name, node=0, log=Path(os.devnull))
        apps.start(name)
    try:
        wait_until(
            lambda: rig.skeleton.listening_ports(0) == {80, 81},
            awaited="both ports",
            timeout=PATIENCE,
            clock=rig.engine.clock,
        )
    finally:
        for name in addresses:
            apps.remove(name)


def test_the_counters_of_a_link_whose_tap_has_vanished_are_refused(rig: DockerSkeletonRig) -> None:
    (wire,) = bring_up(rig, 1)
    wire.close()
    with pytest.raises(HostError, match="has no eth0"):
        rig.skeleton.counters(links(1))


def test_a_tap_name_in_use_is_refused_and_left_alone(rig: DockerSkeletonRig) -> None:
    name = tap.tap_name(rig.engine.run_id, 0)
    batch = ip_batch.make_tap(name, owner=os.geteuid(), alias=rig.engine.owner.alias())
    rig.ip.run(batch)
    try:
        with pytest.raises(DockerError, match="there already"):
            rig.skeleton.create_taps(links(1))
        rig.skeleton.remove_taps()
        assert rig.leftovers() == [name]
        with pytest.raises(DockerError, match="ip link delete removes it"):
            rig.ip.run(batch)
    finally:
        rig.ip.run([ip_batch.delete(name)])


def test_taps_that_were_made_and_never_opened_are_removed(
    rig: DockerSkeletonRig, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tap, "TUN_DEVICE", Path("/dev/net/no-such-tun"))
    with pytest.raises(HostError, match="sudo modprobe tun"):
        rig.skeleton.create_taps(links(2))
    assert len(rig.leftovers()) == 2
    rig.skeleton.remove_taps()
    assert not rig.leftovers()


def test_a_check_looks_for_the_tap_device(
    rig: DockerSkeletonRig, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tap, "TUN_DEVICE", Path("/dev/net/no-such-tun"))
    with pytest.raises(HostError, match="sudo modprobe tun"):
        rig.skeleton.check()


def test_a_node_that_was_never_made_is_refused(rig: DockerSkeletonRig) -> None:
    with pytest.raises(InvalidValueError, match="no node 3"):
        rig.skeleton.listening_ports(3)


def test_a_node_has_one_capability_and_no_network_but_its_link(rig: DockerSkeletonRig) -> None:
    bring_up(rig, 1)
    node = rig.engine.client.containers.get(rig.engine.full_name("node0"))
    pid = node.attrs["State"]["Pid"]
    status = Path(f"/proc/{pid}/status").read_text()
    assert "CapBnd:\t0000000000001000" in status  # NET_ADMIN
    ours = {"alpy.run": rig.engine.run_id, "alpy.role": "node"}
    assert ours.items() <= node.labels.items()
    devices = Path(f"/proc/{pid}/net/dev").read_text()
    assert devices.count(":") == 2
    assert rig.engine.owner.labels().items() <= node.labels.items()
    assert "eth0:" in devices


def test_after_sigkill_nodes_and_taps_are_gone(rig: DockerSkeletonRig) -> None:
    program = f"""
import sys, time
from tests.contracts.skeleton import bring_up
from tests.integration.docker_rigs import DockerSkeletonRig
rig = DockerSkeletonRig()
rig.engine.run_id = {rig.engine.run_id!r}
bring_up(rig, 2)
print("up", flush=True)
sys.stdin.read()
"""
    with subprocess.Popen(
        [sys.executable, "-c", program], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as child:
        assert child.stdout is not None
        assert child.stdout.readline() == "up\n"
        assert len(rig.leftovers()) == 2
        child.send_signal(signal.SIGKILL)
    wait_until(
        lambda: not rig.leftovers(),
        awaited="the end of all nodes",
        timeout=PATIENCE,
        clock=rig.engine.clock,
    )


def test_two_runs_do_not_touch_each_other(rig: DockerSkeletonRig) -> None:
    other = DockerSkeletonRig()
    try:
        bring_up(rig, 1)
        bring_up(other, 1)
        other.skeleton.remove_nodes()
        other.skeleton.remove_taps()
        assert rig.leftovers() == ["node0"]
        assert rig.skeleton.listening_ports(0) == frozenset()
    finally:
        other.close()
