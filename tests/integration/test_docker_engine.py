# SPDX-License-Identifier: GPL-3.0-or-later
"""The daemon's connection: what is told when it is not as it should be."""

from __future__ import annotations

import gc
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from alpy.core.errors import DockerError
from alpy.core.waiting import Limits
from tests.integration.docker_rigs import engine


# docker-py leaves the socket that found nobody to the garbage collector.
@pytest.mark.filterwarnings("ignore::ResourceWarning")
def test_without_a_daemon_the_error_tells_how_to_start_it(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("DOCKER_HOST", f"unix://{tmp_path}/no-socket")
    with pytest.raises(DockerError, match="systemctl start docker"):
        engine().check_images("any")
    gc.collect()


def test_a_daemon_that_does_not_answer_is_given_up(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.chdir(tmp_path)  # a socket's path must be short
    with socket.socket(socket.AF_UNIX) as silent:
        silent.bind("silent")
        silent.listen()
        monkeypatch.setenv("DOCKER_HOST", f"unix://{tmp_path}/silent")
        with pytest.raises(DockerError, match="did not answer in time"):
            engine(limits=Limits(container=1)).check_images("any")


@pytest.mark.docker
def test_a_daemon_elsewhere_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    # A relay on TCP to the real daemon, as far as docker-py's first question goes.
    with socket.create_server(("127.0.0.1", 0)) as relay:
        port = relay.getsockname()[1]
        program = """
import socket, sys
near = socket.socket(fileno=int(sys.argv[1])).accept()[0]
far = socket.socket(socket.AF_UNIX)
far.connect("/var/run/docker.sock")
far.sendall(near.recv(65536))
near.sendall(far.recv(65536))
"""
        arguments = [sys.executable, "-c", program, str(relay.fileno())]
        monkeypatch.setenv("DOCKER_HOST", f"tcp://127.0.0.1:{port}")
        with (
            subprocess.Popen(arguments, pass_fds=[relay.fileno()]),
            pytest.raises(DockerError, match="unset DOCKER_HOST"),
        ):
            engine().check_images("any")


def test_an_engine_asks_nothing_before_its_first_use(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("DOCKER_HOST", f"unix://{tmp_path}/no-socket")
    engine().close()


@pytest.mark.docker
def test_a_container_that_never_was_is_removed() -> None:
    docker = engine()
    docker.remove("nothing")
    docker.send_signal("nothing", "SIGTERM")
    docker.close()


@pytest.mark.docker
def test_a_closed_engine_connects_again() -> None:
    docker = engine()
    docker.close()
    assert isinstance(docker.security_options(), list)
    docker.close()
