# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import pexpect
import pytest
from attrs import Factory, define, field

from alpy.core.appliance import Appliance, Kernel
from alpy.core.errors import (
    ConsoleLostError,
    ConsoleTimeoutError,
    MachineDiedError,
    RunDirectoryError,
)
from alpy.core.topology import Topology
from alpy.core.watch import Watch, unwatched
from alpy.fakes import FakeConsole, Script, World
from tests.contracts.console import ConsoleContract, ConsoleRig
from tests.contracts.lookout import Lookout

TOPOLOGY = Topology.of(Appliance(name="rabbit", kernel=Kernel(image="vmlinuz")), 0)


def _world_with_console(script: Script | None = None, watch: Watch = unwatched) -> World:
    world = World(script=script or Script())
    world.machine.launch(TOPOLOGY, [], world.run_directory)
    world.machine.connect_monitor(timeout=1, command_timeout=1)
    world.machine.open_console(watch=watch)
    return world


@define
class FakeConsoleRig:
    lookout: Lookout = field(factory=Lookout)
    world: World = field(
        default=Factory(lambda self: _world_with_console(watch=self.lookout), takes_self=True)
    )
    _told: int = field(default=0, init=False)

    @property
    def console(self) -> FakeConsole:
        return self.world.console

    def prints(self, text: str | bytes) -> None:
        self.console.appliance_prints(text)

    def prints_later(self, seconds: float, text: str | bytes) -> None:
        self.world.clock.after(seconds, lambda: self.prints(text))

    def typed(self) -> bytes:
        typed = self.world.guest.typed[self._told :]
        self._told += len(typed)
        return typed

    def ends(self) -> None:
        self.world.monitor.quit()


class TestFakeConsole(ConsoleContract):
    @pytest.fixture
    def rig(self) -> ConsoleRig:
        return FakeConsoleRig()


LOGIN = (
    Script()
    .prints("Booting\r\n", after=1)
    .prints("rabbit login: ", after=1)
    .reads("root\n")
    .prints("Password: ")
    .reads("secret\n", echo=False)
    .prints("\r\n# ")
    .answers({"uname": "Linux\r\n", "cat /etc/hostname": "rabbit\r\n"})
)


@pytest.fixture
def world() -> World:
    return _world_with_console(LOGIN)


def test_nothing_is_printed_before_the_cpu_runs(world: World) -> None:
    with pytest.raises(ConsoleTimeoutError):
        world.console.expect("Booting", timeout=100)
    world.monitor.start()
    assert world.console.expect("login: ", timeout=2).before == "Booting\r\nrabbit "


def test_a_whole_dialogue_goes_as_on_a_real_terminal(world: World) -> None:
    world.monitor.start()
    console = world.console
    console.expect("login: ", timeout=5)
    console.send("root\r")
    assert console.expect("Password: ", timeout=1).before == "root\r\n"
    console.send("secret\n")
    assert console.expect("# ", timeout=1).before == "\r\n"
    console.send("uname\n")
    assert console.expect("# ", timeout=1).before == "uname\r\nLinux\r\n"
    console.send("frobnicate now\n")
    assert console.expect("# ", timeout=1).before.endswith("sh: frobnicate: not found\r\n")
    assert console.typed == "root\rsecret\nuname\nfrobnicate now\n"


def test_the_pexpect_object_drives_the_same_dialogue(world: World) -> None:
    world.monitor.start()
    spawn = world.console.spawn
    assert isinstance(spawn, pexpect.spawnbase.SpawnBase)
    assert spawn.expect_exact("login: ", timeout=5) == 0
    assert spawn.sendline("root") == 5
    assert spawn.expect(["ssh", b"word: "]) == 1
    spawn.write(b"secret\n")
    spawn.expect("# ")
    spawn.writelines(["una", b"me\n"])
    spawn.expect("Linux")
    assert spawn.before == b"uname\r\n"
    assert spawn.isalive()


def test_pexpect_waits_on_the_fake_clock(world: World) -> None:
    world.monitor.start()
    spawn = world.console.spawn
    with pytest.raises(pexpect.TIMEOUT):
        spawn.expect("login: ", timeout=1.5)
    assert world.clock.now() == 1.5
    assert spawn.before == b"Booting\r\n"
    assert spawn.expect(["never", pexpect.TIMEOUT], timeout=100) == 1
    assert world.clock.now() == 101.5
    with pytest.raises(pexpect.TIMEOUT):
        spawn.expect("never")
    assert world.clock.now() == 131.5
    assert spawn.expect(["never", pexpect.TIMEOUT], timeout=None) == 1


def test_pexpect_sees_the_end_of_the_machine(world: World) -> None:
    spawn = world.console.spawn
    world.clock.after(3, world.monitor.quit)
    assert spawn.expect(["never", pexpect.EOF], timeout=100) == 1
    assert world.clock.now() == 3
    assert not spawn.isalive()


def test_pexpect_is_told_of_the_death_of_the_machine(world: World) -> None:
    world.clock.after(3, world.machine.crash)
    with pytest.raises(MachineDiedError):
        world.console.spawn.expect(["never", pexpect.EOF], timeout=100)
    assert world.clock.now() == 3


def test_its_bytes_are_evidence(world: World) -> None:
    world.monitor.start()
    world.console.expect("login: ", timeout=5)
    log = world.run_directory.file("console.log")
    assert world.files[log] == b"Booting\r\nrabbit login: " == world.guest.printed


def test_a_paused_cpu_prints_later(world: World) -> None:
    world.monitor.start()
    world.console.expect("Booting", timeout=5)
    world.monitor.pause()
    with pytest.raises(ConsoleTimeoutError):
        world.console.expect("login: ", timeout=60)
    world.monitor.start()
    world.console.expect("login: ", timeout=0)


def test_a_reset_boots_again_and_forgets_what_the_last_boot_had_planned(world: World) -> None:
    world.monitor.start()
    world.clock.sleep(1.5)
    world.monitor.reset()
    world.clock.sleep(10)
    assert world.guest.printed == b"Booting\r\n" + b"Booting\r\nrabbit login: "


def test_what_is_typed_too_early_is_read_later(world: World) -> None:
    world.monitor.start()
    world.console.send("root\n")
    assert world.console.expect("Password: ", timeout=5).before.endswith("login: root\r\n")


def test_wrong_text_is_not_taken_for_the_right_one(world: World) -> None:
    world.monitor.start()
    world.console.send("admin\n")
    with pytest.raises(ConsoleTimeoutError):
        world.console.expect("Password: ", timeout=5)


def test_answers_may_come_from_a_function() -> None:
    script = Script().prints("> ").answers(lambda line: f"{len(line)}\r\n", prompt="> ", echo=False)
    world = _world_with_console(script)
    world.monitor.start()
    world.console.expect("> ", timeout=0)
    world.console.send("four\n")
    assert world.console.expect("> ", timeout=0).before == "4\r\n"


def test_an_appliance_can_shut_itself_down_in_its_script() -> None:
    world = _world_with_console(Script().reads("poweroff\n").waits(2).shuts_down())
    world.monitor.start()
    world.console.send("poweroff\n")
    assert not world.monitor.shut_down_seen()
    world.clock.sleep(2)
    assert world.monitor.shut_down_seen()


def test_a_crash_is_named_to_whoever_waits_for_a_prompt() -> None:
    world = _world_with_console(Script().prints("Oops").waits(1).crashes(signal=6).prints("never"))
    world.monitor.start()
    with pytest.raises(MachineDiedError, match="SIGABRT"):
        world.console.expect("login: ", timeout=60)
    with pytest.raises(MachineDiedError):
        world.console.send("root\n")
    assert world.guest.printed == b"Oops"


def test_a_script_may_call_what_it_likes() -> None:
    seen: list[str] = []
    script = Script().does(lambda _guest: seen.append("here"))
    world = _world_with_console(script)
    assert not seen
    world.monitor.start()
    assert seen == ["here"]


def test_it_is_closed_also_when_its_logs_fail(world: World) -> None:
    world.faults.fail("console.close")
    with pytest.raises(RunDirectoryError):
        world.console.close()
    assert "console" not in world.alive


def test_a_connection_that_is_reset_is_lost_though_the_machine_goes_on(world: World) -> None:
    world.clock.after(3, world.console.hang_up)
    with pytest.raises(ConsoleLostError):
        world.console.expect("never", timeout=100)
    with pytest.raises(ConsoleLostError):
        world.console.send("x")
    assert world.clock.now() == 3
    assert not world.machine.has_ended
