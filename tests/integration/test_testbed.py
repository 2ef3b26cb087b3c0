# SPDX-License-Identifier: GPL-3.0-or-later
"""The testbed for real: what the parts promise together."""

from __future__ import annotations

import os
import signal
from pathlib import Path

import pytest

import alpy
from carrot import rabbit, traffic

pytestmark = [pytest.mark.docker, pytest.mark.qemu]


def qemu_pid(bed: alpy.Testbed) -> int:
    """The QEMU that writes into the run directory."""
    for process in Path("/proc").glob("[0-9]*"):
        try:
            command_line = (process / "cmdline").read_bytes()
        except OSError:
            continue
        program = command_line.partition(b"\0")[0]
        if b"qemu-system" in program and str(bed.run_dir).encode() in command_line:
            return int(process.name)
    raise AssertionError("no QEMU of this run")


def test_an_appliance_without_links_is_a_testbed_too(tmp_path: Path) -> None:
    with alpy.testbed(rabbit.appliance(), links=0, run_dir=tmp_path / "run") as bed:
        bed.dut.start()
        shell = rabbit.login(bed.console)
        assert shell.run("ls /sys/class/net").output.split() == ["lo"]
        rabbit.shut_down(bed.dut)


def test_sixty_four_links_come_up_in_order_and_go_again(tmp_path: Path) -> None:
    with alpy.testbed(rabbit.appliance(), links=64, run_dir=tmp_path / "run") as bed:
        bed.dut.start()
        shell = rabbit.login(bed.console, timeout=120)
        macs = shell.run("for n in $(seq 0 63); do cat /sys/class/net/eth$n/address; done").output
        assert macs.split() == [link.appliance_mac for link in bed.topology.links]
        bed.nodes[63].configure("192.168.63.1/24")
        shell.run("ip address add 192.168.63.254/24 dev eth63 && ip link set eth63 up")
        assert traffic.ping(bed.nodes[63], "192.168.63.254").received
    assert [capture.link for capture in bed.captures] == list(range(64))


def test_both_ip_versions_pass_with_routes_and_a_small_mtu(tmp_path: Path) -> None:
    with alpy.testbed(rabbit.appliance(), run_dir=tmp_path / "run") as bed:
        client, server = bed.nodes
        client.configure(
            "192.168.1.1/24", "fd00:1::1/64", gateway=["192.168.1.254", "fd00:1::fe"], mtu=1400
        )
        server.configure(
            "192.168.2.1/24",
            "fd00:2::1/64",
            routes=[("192.168.1.0/24", "192.168.2.254"), ("fd00:1::/64", "fd00:2::fe")],
        )
        bed.dut.start()
        shell = rabbit.login(bed.console)
        rabbit.route(
            shell, ["192.168.1.254/24", "fd00:1::fe/64"], ["192.168.2.254/24", "fd00:2::fe/64"]
        )
        for destination in ("192.168.2.1", "fd00:2::1"):
            assert set(traffic.ping(client, destination).ttls) == {63}
        big = ["ping", "-M", "do", "-c", "1", "-s", "1400", "192.168.2.1"]
        refused = client.run(big, image=rabbit.TOOLS, check=False)
        assert "mtu=1400" in refused.stdout + refused.stderr


def test_the_death_of_qemu_is_what_a_waiting_test_is_told(tmp_path: Path) -> None:
    with (
        pytest.raises(alpy.errors.MachineDiedError, match="SIGKILL") as raised,
        alpy.testbed(rabbit.appliance(), links=1, run_dir=tmp_path / "run") as bed,
    ):
        bed.dut.start()
        os.kill(qemu_pid(bed), signal.SIGKILL)
        bed.nodes[0].run(["sleep", "60"], image=rabbit.TOOLS, timeout=60)
    assert not getattr(raised.value, "__notes__", [])
    assert bed.counters, "the counters outlive QEMU"


def test_the_first_fault_is_raised_and_the_others_hang_on_it(tmp_path: Path) -> None:
    with (
        pytest.raises(ZeroDivisionError) as raised,
        alpy.testbed(rabbit.appliance(), links=1, run_dir=tmp_path / "run") as bed,
    ):
        fails = bed.nodes[0].start(["sh", "-c", "echo broken; exit 3"], image=rabbit.TOOLS)
        fails.wait(timeout=10)
        raise ZeroDivisionError
    (note,) = raised.value.__notes__
    assert "exit code 3" in note
    assert "broken" in note
    assert "The test failed: ZeroDivisionError" in (bed.run_dir / "debug.log").read_text()


def test_a_queue_that_overflows_is_reported(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    links = [alpy.Link(number=0, queue_length=10)]
    with alpy.testbed(rabbit.appliance(), links=links, run_dir=tmp_path / "run") as bed:
        (node,) = bed.nodes
        node.configure("192.168.1.1/24")
        # The virtual CPU does not run, so nobody reads the queue.
        node.run(
            ["ping", "-c", "50", "-i", "0.01", "-b", "192.168.1.255"],
            image=rabbit.TOOLS,
            check=False,
        )
    assert bed.counters[0].dropped_in > 0
    assert "dropped_in" in caplog.text


def test_two_testbeds_at_once_do_not_see_each_other(tmp_path: Path) -> None:
    with (
        alpy.testbed(rabbit.appliance(), links=1, run_dir=tmp_path / "one") as one,
        alpy.testbed(rabbit.appliance(), links=1, run_dir=tmp_path / "other") as other,
    ):
        for bed in (one, other):
            bed.nodes[0].configure("192.168.1.1/24")
            bed.dut.start()
        for bed in (one, other):
            rabbit.route(rabbit.login(bed.console), "192.168.1.254/24")
            assert traffic.ping(bed.nodes[0], "192.168.1.254").received == 3
    assert "alpy.testbed" in (other.run_dir / "debug.log").read_text()
