# SPDX-License-Identifier: GPL-3.0-or-later
"""The checker finds each kind of leftover that is planted, and nothing that is a stranger's."""

from __future__ import annotations

import os
import re
import secrets
import socket
import struct
import subprocess
import sys
import tempfile
import threading
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from pathlib import Path

import docker
import pytest
from attrs import evolve

from alpy.adapters.qemu.working_files import is_working_file
from alpy.adapters.recovery import guard_process
from alpy.adapters.recovery.run_notes import notes_folder
from alpy.adapters.tap import tap_name
from torture import checker
from torture.checker import Run, leftovers
from torture.evidence import faults_of
from torture.footprint import Footprint
from torture.notes import Blow, Note, judge_blow, judge_refusal, notes_in
from torture.one_process import Life, OneProcess
from torture.stale_world import plant_stale_world
from torture.states import faults_of_cache, processes_with

BUSYBOX = "alpy-busybox"
HEADER = struct.pack("<IHHiIII", 0xA1B2C3D4, 2, 4, 0, 0, 65536, 1)
FRAME = struct.pack("<4I", 0, 0, 60, 60) + bytes(60)

needs_docker = pytest.mark.docker
needs_root = pytest.mark.skipif(os.geteuid() != 0, reason="only root makes and enters these")


@pytest.fixture
def stack() -> Iterator[ExitStack]:
    with ExitStack() as stack:
        yield stack


@pytest.fixture
def run(tmp_path: Path) -> Run:
    directory = tmp_path / "run"
    directory.mkdir(mode=0o700)
    run = Run(f"plant{secrets.token_hex(4)}", directory)
    (directory / "debug.log").write_text(f"now run {run.id}\n")
    return run


@pytest.fixture
def other(tmp_path: Path) -> Run:
    """A run whose id and directory begin as those of the other one do."""
    return Run(f"plant{secrets.token_hex(4)}", tmp_path / "run-2")


def found(run: Run) -> list[tuple[str, str]]:
    return [(left.kind, left.name) for left in leftovers([run])]


def start(stack: ExitStack, words: Sequence[str], **variables: str) -> int:
    process = subprocess.Popen(
        words, stdin=subprocess.PIPE, stdout=subprocess.PIPE, env=os.environ | variables
    )
    stack.enter_context(process)
    stack.callback(process.kill)
    return process.pid


def container(stack: ExitStack, name: str, labels: dict[str, str]) -> str:
    client = docker.from_env()
    stack.callback(client.close)
    made = client.containers.create(BUSYBOX, ["true"], name=name, labels=labels)
    stack.callback(made.remove, force=True)
    return name


def ip(*words: str, within: int | None = None) -> None:
    enter = ["nsenter", f"--net=/proc/{within}/ns/net"] if within else []
    subprocess.run([*enter, "ip", *words], check=True, timeout=30)


@needs_docker
def test_nothing_is_found_in_a_clean_world(run: Run) -> None:
    assert found(run) == []
    assert faults_of(run.directory or Path()) == []


@needs_docker
@pytest.mark.parametrize("way", ["label", "directory", "name"])
def test_a_container_is_found(way: str, run: Run, other: Run, stack: ExitStack) -> None:
    facts = {"label": {"alpy.run": run.id}, "directory": {"alpy.dir": str(run.directory)}}
    prefix = f"alpy-{run.id}-" if way == "name" else "alpy-any-"
    name = container(stack, f"{prefix}{secrets.token_hex(4)}", facts.get(way, {}))
    container(stack, f"alpy-{other.id}-node0", {"alpy.run": other.id})
    # As one of an image that its owner has made of an app's container.
    container(stack, f"mine-{other.id}", facts["label"] | facts["directory"])
    assert found(run) == [("container", name)]


@needs_docker
@needs_root
def test_a_tap_is_found_in_the_host(run: Run, other: Run, stack: ExitStack) -> None:
    for each in (run, other):
        name = tap_name(each.id, 3)
        ip("tuntap", "add", "dev", name, "mode", "tap")
        stack.callback(ip, "link", "delete", name)
    assert found(run) == [("tap", tap_name(run.id, 3))]


@needs_docker
@needs_root
def test_a_tap_is_found_in_a_namespace_where_it_is_eth0(
    run: Run, other: Run, stack: ExitStack
) -> None:
    for each in (run, other):
        pid = start(stack, ["unshare", "--net", "sh", "-c", "echo; exec sleep 1000"])
        _wait_for_namespace(pid)
        ip("tuntap", "add", "dev", "eth0", "mode", "tap", within=pid)
        ip("link", "set", "eth0", "alias", f"alpy run={each.id} pid=1", within=pid)
    (left,) = leftovers([run])
    assert (left.kind, left.name) == ("tap", "eth0")


def _wait_for_namespace(pid: int) -> None:
    ours = Path("/proc/self/ns/net").readlink()
    for _ in range(10_000):
        if Path(f"/proc/{pid}/ns/net").readlink() != ours:
            return
    raise AssertionError("unshare did not")


@needs_docker
def test_a_process_is_found_by_its_environment(run: Run, other: Run, stack: ExitStack) -> None:
    pid = start(stack, ["cat"], ALPY_RUN=run.id)
    start(stack, ["cat"], ALPY_RUN=other.id)
    start(stack, ["cat"], NOT_ALPY_RUN=run.id)
    assert found(run) == [("process", str(pid))]


@needs_docker
@pytest.mark.qemu
def test_qemu_is_found_by_the_run_directory(run: Run, other: Run, stack: ExitStack) -> None:
    words = ["qemu-system-x86_64", "-S", "-display", "none", "-nodefaults", "-accel", "tcg"]
    pid = start(stack, [*words, "-serial", f"file:{run.directory}/console.log"])
    start(stack, [*words, "-serial", f"file:{other.directory}.log"])
    assert found(run) == [("process", str(pid))]


@needs_docker
def test_a_guard_is_found(run: Run, other: Run, stack: ExitStack) -> None:
    for each in (other, run):
        words = [sys.executable, "-I", "-S", guard_process.__file__, each.id, "/", str(os.getpid())]
        pid = start(stack, words)
    assert found(run) == [("guard", str(pid))]


@needs_docker
def test_a_socket_and_files_are_found(run: Run, other: Run, stack: ExitStack) -> None:
    assert run.directory
    address = str(run.directory / "qmp.sock")
    stack.enter_context(socket.socket(socket.AF_UNIX)).bind(address)
    scratch = [stack.enter_context(_scratch(each)).name for each in (run, other)]
    expected = {address, scratch[0]}
    assert {name for _, name in found(run)} == expected
    assert "socket" in {kind for kind, _ in found(run)}


def _scratch(run: Run) -> tempfile._TemporaryFileWrapper[bytes]:
    return tempfile.NamedTemporaryFile(prefix=f"alpy-{run.id}-")


WORKING = ["disk0.qcow2", "disk12.base", "disk0.saved", "uefi-variables.fd", "data.iso"]


@needs_docker
@pytest.mark.parametrize("name", WORKING)
def test_each_file_that_qemu_works_on_is_found_also_one_that_should_not_have_been_kept(
    run: Run, name: str
) -> None:
    assert run.directory
    assert is_working_file(f"working-{name}")
    paths = [run.directory / each for each in (f"working-{name}", name)]
    for path in (*paths, run.directory / f"{name}.txt"):
        path.touch()
    assert {name for _, name in found(run)} == set(map(str, paths))


@needs_docker
def test_a_note_and_half_of_one_are_found(
    run: Run, other: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ALPY_CACHE", str(tmp_path / "cache"))
    folder = notes_folder(os.environ)
    folder.mkdir(parents=True)
    names = [run.id, f"{run.id}.half"]
    for name in (*names, other.id):
        (folder / name).touch()
    assert found(run) == [("note", str(folder / name)) for name in names]
    monkeypatch.delenv("ALPY_CACHE")
    for variables in ({"XDG_CACHE_HOME": "/c"}, {"XDG_CACHE_HOME": "", "HOME": "/h"}):
        for name, value in variables.items():
            monkeypatch.setenv(name, value)
        assert notes_folder(os.environ) == checker.cache() / "runs"


@needs_docker
def test_what_a_sweep_takes_from_others_is_told(tmp_path: Path, stack: ExitStack) -> None:
    planted = plant_stale_world(tmp_path)
    stack.callback(planted.remove)
    assert planted.complaints() == []
    assert not planted.touched
    client = docker.from_env()
    stack.callback(client.close)
    for each in client.containers.list(all=True, filters={"label": f"torture={planted.run.id}"}):
        each.remove(force=True)
    told = " ".join(planted.complaints())
    kept = ("a live run", "another user", "another machine", "nobody", "an image", "a stranger")
    assert all(whose in told for whose in kept)


@needs_docker
def test_the_program_tells_what_it_finds_and_its_exit_status_too(
    run: Run, stack: ExitStack, capsys: pytest.CaptureFixture[str]
) -> None:
    assert checker.main([str(run.directory)]) == 0
    pid = start(stack, ["cat"], ALPY_RUN=run.id)
    assert checker.main([str((run.directory or Path()).parent)]) == 1
    assert f"process {pid} (cat) of run {run.id}" in capsys.readouterr().out
    assert checker.main([run.id]) == 1


@pytest.mark.parametrize("name", ["console.log", "qemu.log", "qmp.log"])
def test_missing_logs_are_a_fault_once_qemu_was_up(run: Run, name: str) -> None:
    assert run.directory
    log = run.directory / "debug.log"
    log.write_text(log.read_text() + "then Connect to QEMU's console and monitor... done\n")
    (run.directory / "link0.pcap").write_bytes(HEADER)
    for each in {"console.log", "qemu.log", "qmp.log"} - {name}:
        (run.directory / each).touch()
    (fault,) = faults_of(run.directory)
    assert name in fault


def test_a_directory_that_is_gone_open_to_others_or_without_a_log_is_a_fault(run: Run) -> None:
    assert run.directory
    assert faults_of(run.directory / "gone")
    run.directory.chmod(0o755)
    assert "others may enter it" in faults_of(run.directory)[0]
    run.directory.chmod(0o700)
    (run.directory / "debug.log").write_text("\n")
    assert "does not begin" in faults_of(run.directory)[0]
    (run.directory / "debug.log").unlink()
    assert faults_of(run.directory)


def test_a_killed_run_whose_guard_stood_by_has_to_say_so(run: Run) -> None:
    assert run.directory
    log = run.directory / "debug.log"
    assert faults_of(run.directory, killed=True) == []
    log.write_text(log.read_text() + "then Guard stands by\n")
    assert "how the run ended" in faults_of(run.directory, killed=True)[0]
    log.write_text(log.read_text() + "then This run was cut short: it died\n")
    assert faults_of(run.directory, killed=True) == []


def test_a_killed_or_whole_run_has_to_say_how_each_part_ended(run: Run) -> None:
    assert run.directory
    log = run.directory / "debug.log"
    begun = ["alpy.machine   QEMU starts", "alpy.app   App starts app='node0-1-a b'"]
    died = ["alpy.testbed   Guard stands by", *begun, "alpy.recovery   This run was cut short: ..."]
    log.write_text(f"now run {run.id}\n" + "".join(f"t DEBUG    {line}\n" for line in died))
    (fault,) = faults_of(run.directory)
    assert "node0-1-a b.log" in fault
    (run.directory / "node0-1-a b.log").touch()
    for demands in ({"killed": True}, {"whole": True}):
        faults = faults_of(run.directory, **demands)
        assert [fault.rpartition("how ")[2] for fault in faults] == [
            "QEMU ended",
            "node0-1-a b ended",
        ]
    assert faults_of(run.directory) == []
    ends = ["QEMU ended status='exit code 0'", "App ended app='node0-1-a b' status='SIGTERM'"]
    with log.open("a") as file:
        file.writelines(f"t WARNING  alpy.recovery   {line}\n" for line in ends)
    assert faults_of(run.directory, killed=True, whole=True) == []


@pytest.mark.parametrize("end", [b"", FRAME, FRAME[:-1], FRAME[:15], FRAME[:16]])
def test_the_last_record_of_a_capture_may_be_torn_if_the_run_was_cut(run: Run, end: bytes) -> None:
    assert run.directory
    (run.directory / "link0.pcap").write_bytes(HEADER + FRAME + end)
    assert faults_of(run.directory) == []
    assert bool(faults_of(run.directory, whole=True)) == (end not in {b"", FRAME})


@pytest.mark.parametrize(
    "content",
    [
        b"x" * 100,
        HEADER + struct.pack("<4I", 0, 0, 1 << 30, 60),
        HEADER + FRAME + b"x" * 40,
        b"pcap",
    ],
)
def test_a_capture_that_is_none_or_holds_nonsense_is_a_fault(run: Run, content: bytes) -> None:
    assert run.directory
    (run.directory / "link0.pcap").write_bytes(content)
    assert "link0.pcap" in faults_of(run.directory)[0]


def test_this_process_has_grown_by_what_it_has_opened_and_started(
    stack: ExitStack, tmp_path: Path
) -> None:
    before = Footprint.now()
    assert Footprint.now().beyond(before) == []
    stack.enter_context((tmp_path / "held").open("wb"))
    stack.enter_context(socket.socket())
    over = threading.Event()
    thread = threading.Thread(target=over.wait, daemon=True)
    thread.start()
    stack.callback(thread.join)
    stack.callback(over.set)
    pid = start(stack, ["cat"])
    grown = Footprint.now().beyond(before)
    assert {word for word in grown if "held" in word or "socket" in word or "process" in word} == {
        f"descriptors {re.sub(r'[0-9]+', 'N', str(tmp_path))}/held",
        "descriptors socket:[N]",
        f"children process {pid}",
    }
    assert sum(word.startswith("threads") for word in grown) == 1


def test_this_process_has_grown_by_memory_that_it_keeps() -> None:
    before = Footprint.now().resident_kib
    kept = bytearray(os.urandom(8 << 20))
    assert Footprint.now().resident_kib - before > len(kept) / 1024 / 2


@pytest.mark.parametrize(("kib_per_life", "wrong"), [(0, False), (4, False), (64, True)])
def test_memory_may_not_grow_with_the_lives_of_a_process(kib_per_life: int, wrong: bool) -> None:
    process = OneProcess(lives=60, seed=0)
    for number in range(60):
        memory = 40_000 + kib_per_life * number + 100 * (number % 3)
        grown = evolve(Footprint.now(), resident_kib=memory)
        process.lived.append(Life(name="none", told=None, footprint=grown, complaints=[]))
    assert process.went_wrong is wrong
    assert process.growth() == pytest.approx(kib_per_life, abs=5)


BEGUN = [Note(1.0, "enters", ""), Note(2.0, "begins", "")]
BLOW = Blow(since=3.0, until=3.1)


@pytest.mark.parametrize(
    ("last", "told", "complaint"),
    [
        (Note(3.5, "raises", "NodeDiedError: node 1 ended"), 0.4, ""),
        (Note(3.05, "raises", "NodeDiedError: node 1 ended"), 0.0, ""),
        (Note(9.0, "raises", "NodeDiedError: node 1 ended"), 5.9, "told only after 5.9 s"),
        (Note(3.5, "raises", "DeadlineError: no"), None, "not told of"),
        (Note(9.0, "passes", ""), None, "not told of"),
        (Note(3.5, "passes", ""), None, ""),
        (Note(2.5, "passes", ""), None, ""),
        (None, None, "never told"),
    ],
)
def test_a_test_that_was_struck_has_to_be_told_the_truth_soon(
    last: Note | None, told: float | None, complaint: str
) -> None:
    truth = judge_blow([*BEGUN, *([last] if last else [])], BLOW, "NodeDiedError: ")
    assert truth.seconds == (None if told is None else pytest.approx(told))
    assert complaint in truth.complaint
    assert bool(complaint) == bool(truth.complaint)


def test_a_blow_before_the_test_begins_or_after_its_end_is_nothing_to_be_told() -> None:
    raised = Note(5.0, "raises", "DeadlineError: no")
    for since in (1.5, 6.0):
        truth = judge_blow([*BEGUN, raised], Blow(since=since, until=since), "NodeDiedError: ")
        assert truth.complaint == ""


@pytest.mark.parametrize(
    ("last", "complaint"),
    [
        (Note(1.9, "raises", "HostError: no QEMU"), ""),
        (Note(9.9, "raises", "HostError: no QEMU"), "told only after 8.9 s"),
        (Note(1.9, "begins", ""), "not told of"),
    ],
)
def test_a_testbed_that_cannot_be_entered_has_to_say_so_soon(last: Note, complaint: str) -> None:
    truth = judge_refusal([BEGUN[0], last], "HostError: no QEMU", 1.0)
    assert complaint in truth.complaint
    assert bool(complaint) == bool(truth.complaint)


def test_notes_are_read_between_other_lines(tmp_path: Path) -> None:
    output = tmp_path / "life.txt"
    output.write_text("INFO torture 1.000 begins\ntorture 2.500 raises HostError: no\nx\n")
    assert notes_in(output) == [Note(2.5, "raises", "HostError: no")]


@pytest.fixture
def cache(tmp_path: Path) -> Path:
    """One with a whole state."""
    entry = tmp_path / "states" / ("0" * 32)
    entry.mkdir(parents=True)
    (entry / "memory").write_bytes(b"all of it")
    (entry / "manifest.json").write_text('{"files": {"memory": {"bytes": 9}}}')
    (entry.parent / "contents").mkdir()
    entry.with_suffix(".lock").touch()
    return entry.parent


def test_a_cache_with_a_whole_state_is_in_order(cache: Path) -> None:
    assert list(faults_of_cache(cache)) == []


@pytest.mark.parametrize("name", [f"{'1' * 32}.making", f"{'1' * 32}.gone-1234abcd", "core"])
def test_what_has_no_place_in_a_cache_is_found(cache: Path, name: str) -> None:
    (cache / name).mkdir()
    assert len(list(faults_of_cache(cache))) == 1


@pytest.mark.parametrize("name", ["memory", "manifest.json"])
def test_a_state_that_is_not_whole_is_found(cache: Path, name: str) -> None:
    os.truncate(cache / ("0" * 32) / name, 5)
    assert len(list(faults_of_cache(cache))) == 1


def test_a_process_that_was_started_with_a_cache_is_found(cache: Path, stack: ExitStack) -> None:
    words = ["sleep", "1000"]
    process = stack.enter_context(
        subprocess.Popen(words, env=os.environ | {"ALPY_STATES": str(cache)})
    )
    stack.callback(process.kill)
    assert [each.name for each in processes_with(cache)] == [str(process.pid)]
    assert list(processes_with(cache.parent)) == []
