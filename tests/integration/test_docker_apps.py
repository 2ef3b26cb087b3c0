# SPDX-License-Identifier: GPL-3.0-or-later
"""Apps on the real daemon: what is true of containers only."""

from __future__ import annotations

import logging
import resource
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from alpy.adapters.docker import apps
from alpy.core.app import OUTPUT_LIMIT, AppSpec
from alpy.core.errors import DockerError, InvalidValueError, RunDirectoryError
from alpy.core.exit_status import ExitStatus
from alpy.core.waiting import wait_until
from tests.contracts.apps import PATIENCE, run, start
from tests.integration.docker_rigs import BUSYBOX, DockerAppsRig

pytestmark = pytest.mark.docker


@pytest.fixture
def rig(tmp_path: Path) -> Iterator[DockerAppsRig]:
    rig = DockerAppsRig(tmp_path)
    yield rig
    rig.close()


def spec(*command: str, **facts: Any) -> AppSpec:
    return AppSpec(image=BUSYBOX, command=command, **facts)


def script(text: str, **facts: Any) -> AppSpec:
    return spec("sh", "-c", text, **facts)


def printed(rig: DockerAppsRig, app: AppSpec) -> str:
    status = run(rig, app)
    output = rig.apps.output("app")
    assert status == ExitStatus(code=0), output
    return output.stdout.decode()


def test_files_are_there_with_their_folders_and_a_script_runs(rig: DockerAppsRig) -> None:
    files = {"/opt/deep down/run": b"#!/bin/sh\ncat /opt/data\n", "/opt/data": b"42\n"}
    assert printed(rig, spec("/opt/deep down/run", files=files)) == "42\n"


def test_files_and_folders_of_the_host_are_copied(rig: DockerAppsRig, tmp_path: Path) -> None:
    folder = tmp_path / "with a space"
    folder.mkdir()
    (folder / "one").write_text("1\n")
    (tmp_path / "two").write_text("2\n")
    (tmp_path / "link").symlink_to(tmp_path / "two")
    files = {"/srv": folder, "/etc/two": tmp_path / "link"}
    assert printed(rig, spec("cat", "/srv/one", "/etc/two", files=files)) == "1\n2\n"


def test_localhost_has_its_addresses_and_no_name_server_is_asked(rig: DockerAppsRig) -> None:
    said = printed(rig, script("cat /etc/resolv.conf /etc/hosts; ping -c 1 localhost"))
    assert "\n127.0.0.1\tlocalhost\n::1\tlocalhost" in said
    assert "nameserver" not in said
    assert "(127.0.0.1)" in said


def test_a_host_file_of_the_tests_own_takes_the_place_of_ours(
    rig: DockerAppsRig, tmp_path: Path
) -> None:
    own = tmp_path / "own"
    own.write_text("192.0.2.1 server\n")
    for facts in (
        {"files": {"/etc/hosts": own}},
        {"volumes": {str(own): "/etc/hosts"}},
        {"options": {"volumes": {str(own): {"bind": "/etc/hosts", "mode": "ro"}}}},
    ):
        assert printed(rig, spec("cat", "/etc/hosts", **facts)) == own.read_text()
        rig.apps.remove("app")


def test_a_daemon_that_sees_other_files_than_we_do_takes_a_copy(
    rig: DockerAppsRig, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "our-hosts").write_text("127.0.0.1 localhost\n")
    monkeypatch.chdir(tmp_path)
    # This is another path for each process that asks.
    monkeypatch.setattr(apps, "_OUR_HOSTS", Path("/proc/self/cwd/our-hosts"))
    assert printed(rig, spec("cat", "/etc/hosts")) == "127.0.0.1 localhost\n"


def test_a_file_with_a_relative_path_is_refused(rig: DockerAppsRig) -> None:
    with pytest.raises(InvalidValueError, match="must be absolute"):
        run(rig, spec("true", files={"etc/it": b""}))
    assert not rig.leftovers()


def test_environment_user_and_capabilities_are_given(rig: DockerAppsRig) -> None:
    text = "echo $WORD; id -u; grep CapBnd /proc/self/status"
    app = script(text, environment={"WORD": "two words"}, user="1000", capabilities=("NET_ADMIN",))
    word, user, bounding = printed(rig, app).splitlines()
    assert (word, user) == ("two words", "1000")
    net_admin = 12
    assert int(bounding.split()[1], 16) >> net_admin & 1


def test_a_volume_is_seen_and_can_forbid_writes(rig: DockerAppsRig, tmp_path: Path) -> None:
    (tmp_path / "seen").write_text("yes\n")
    app = script("cat /v/seen; touch /v/x && echo written", volumes={str(tmp_path): "/v:ro"})
    run(rig, app)
    assert rig.apps.output("app").stdout == b"yes\n"


def test_a_volume_that_is_not_on_the_host_is_named(rig: DockerAppsRig, tmp_path: Path) -> None:
    missing = tmp_path / "missing"
    with pytest.raises(DockerError, match=str(missing)):
        run(rig, spec("true", volumes={str(missing): "/v"}))
    assert not missing.exists()


def test_a_volume_with_an_unknown_mode_is_refused(rig: DockerAppsRig, tmp_path: Path) -> None:
    with pytest.raises(InvalidValueError, match=":ro or :rw"):
        run(rig, spec("true", volumes={str(tmp_path): "/v:wo"}))


def test_options_of_docker_run_pass_through(rig: DockerAppsRig) -> None:
    app = script("pwd; tty", options={"working_dir": "/etc", "tty": True})
    assert printed(rig, app).splitlines() == ["/etc", "/dev/pts/0"]


# In its node's process namespace, or in one of its own with Docker's init, or without.
PLACES: list[dict[str, Any]] = [{}, {"pid_mode": ""}, {"pid_mode": "", "init": False}]


@pytest.mark.parametrize("place", PLACES, ids=str)
@pytest.mark.parametrize(("command", "code"), [("no-such-command", 127), ("/etc", 126)])
def test_a_command_that_cannot_run_ends_as_in_a_shell(
    rig: DockerAppsRig, command: str, code: int, place: dict[str, Any]
) -> None:
    app = spec(command, options=place)
    assert run(rig, app) == ExitStatus(code=code)
    assert command in rig.apps.output("app").stderr.decode()
    rig.apps.remove("app")
    assert command in rig.log.read_text()


@pytest.mark.parametrize("place", PLACES[:2], ids=str)
def test_a_program_without_a_handler_ends_by_a_signal(
    rig: DockerAppsRig, place: dict[str, Any]
) -> None:
    start(rig, spec("sleep", "1000", options=place))
    rig.apps.send_signal("app", "SIGTERM")
    assert rig.apps.wait("app", timeout=PATIENCE) == ExitStatus(signal=15)


def test_a_program_that_asks_for_it_is_the_first_process_of_its_namespace(
    rig: DockerAppsRig,
) -> None:
    app = script("exec cut -d' ' -f1 /proc/self/stat", options=PLACES[2])
    assert printed(rig, app) == "1\n"


def test_apps_die_with_their_node(rig: DockerAppsRig) -> None:
    start(rig, script("trap '' TERM HUP; sleep 1000; sleep 1000"))
    rig.remove_behind_our_back("node0")
    assert rig.apps.wait("app", timeout=5) == ExitStatus(signal=9)


def test_orphans_of_an_app_are_collected_and_end_with_it(rig: DockerAppsRig) -> None:
    # The subshell's child outlives it: one ends at once, one would stay.
    printed(rig, script("(sleep 0 &); (sleep 1000 &); sleep 0.2"))
    node = rig.engine.client.containers.get(rig.engine.full_name("node0"))
    wait_until(
        lambda: len(node.top(ps_args="-o pid,args")["Processes"]) == 2,
        awaited="the end of all processes but the node's own",
        timeout=PATIENCE,
        clock=rig.clock,
    )


def test_an_app_in_a_dead_node_is_refused(rig: DockerAppsRig) -> None:
    rig.apps.create(spec("true"), name="app", node=0, log=rig.log)
    rig.skeleton.remove_nodes()
    with pytest.raises(DockerError):
        rig.apps.start("app")


def test_one_that_closes_its_streams_and_runs_on_is_waited_for(rig: DockerAppsRig) -> None:
    app = script("exec >&- 2>&-; sleep 0.5; exit 5")
    assert run(rig, app) == ExitStatus(code=5)


def test_its_first_bytes_are_kept_and_its_log_has_all(rig: DockerAppsRig) -> None:
    octets = 2 * OUTPUT_LIMIT + 1
    run(rig, spec("head", "-c", str(octets), "/dev/zero"))
    output = rig.apps.output("app")
    assert len(output.stdout) == OUTPUT_LIMIT
    assert output.truncated
    rig.apps.remove("app")
    assert rig.log.stat().st_size == octets


def test_a_hundred_megabytes_are_logged_whole_in_little_memory(rig: DockerAppsRig) -> None:
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    status = run(rig, script("head -c 100000000 /dev/zero"))
    assert status == ExitStatus(code=0)
    assert rig.log.stat().st_size == 100_000_000
    assert rig.apps.output("app").truncated
    grown_kib = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before
    assert grown_kib < 40_000


def test_a_log_on_a_full_disk_is_told_at_the_end_and_stops_nothing(rig: DockerAppsRig) -> None:
    rig.apps.create(script("echo hello; sleep 0.1; echo again"), name="app", node=0,
                    log=Path("/dev/full"))  # fmt: skip
    rig.apps.start("app")
    assert rig.apps.wait("app", timeout=PATIENCE) == ExitStatus(code=0)
    assert rig.apps.output("app").stdout == b"hello\nagain\n"
    with pytest.raises(RunDirectoryError, match="No space left"):
        rig.apps.remove("app")
    rig.apps.remove("app")
    assert not rig.leftovers()


def test_a_log_that_cannot_be_made_is_told_at_once(rig: DockerAppsRig) -> None:
    with pytest.raises(RunDirectoryError, match="no folder"):
        rig.apps.create(spec("true"), name="app", node=0, log=rig.log / "no folder")
    assert not rig.leftovers()


def test_its_lines_are_in_the_debug_log(
    rig: DockerAppsRig, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.DEBUG, logger="alpy.app"):
        run(rig, script("echo one; echo two >&2; printf three"))
    lines = {record.getMessage() for record in caplog.records if record.name == "alpy.app"}
    assert lines == {"app stdout line='one'", "app stderr line='two'", "app stdout line='three'"}


def test_a_name_is_given_once(rig: DockerAppsRig) -> None:
    rig.apps.create(spec("true"), name="app", node=0, log=rig.log)
    with pytest.raises(InvalidValueError, match="one of this name"):
        rig.apps.create(spec("true"), name="app", node=0, log=rig.log)


def test_an_app_that_was_never_made_is_refused(rig: DockerAppsRig) -> None:
    with pytest.raises(InvalidValueError, match="no app"):
        rig.apps.output("other")


def test_an_app_has_its_labels(rig: DockerAppsRig) -> None:
    app = spec("true", options={"labels": {"mine": "yes"}})
    rig.apps.create(app, name="app", node=0, log=rig.log)
    labels = rig.engine.client.containers.get(rig.engine.full_name("app")).labels
    ours = {"alpy.run": rig.engine.run_id, "alpy.role": "app", "mine": "yes"}
    assert ours.items() <= labels.items()
