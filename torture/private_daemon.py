# SPDX-License-Identifier: GPL-3.0-or-later
"""A Docker daemon of our own, which may be stopped and killed. Only root can have one."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import tempfile
import time
from contextlib import suppress
from pathlib import Path
from typing import Final

import docker
import requests

from torture.parts import kill

_IMAGES: Final = ("alpy-busybox:latest", "alpy-iproute2:latest")
# One that was killed returns only when its old containerd has gone: 26 s have been seen.
_START_SECONDS: Final = 90.0
_STOP_SECONDS: Final = 30.0


class PrivateDaemon:
    """A daemon with a folder, a socket and images of its own, and no network at all."""

    def __init__(self) -> None:
        # A socket's path may have no more than 107 bytes, so it is not in the campaign's folder.
        self._folder = Path(tempfile.mkdtemp(prefix="alpy-dockerd-"))
        self.host = f"unix://{self._folder}/sock"
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Start it, again after it was killed, and wait until it answers.

        Raises:
            RuntimeError: it does not.
        """
        deadline = time.monotonic() + _START_SECONDS
        while not self._answers():
            if time.monotonic() > deadline:
                said = (self._folder / "log").read_text(errors="replace")[-2000:]
                raise RuntimeError(f"the private dockerd does not answer: {said}")
            # While what a killed one left is going away, the next one may give up.
            if self._process is None or self._process.poll() is not None:
                self._process = self._spawn()
            time.sleep(0.1)

    def _spawn(self) -> subprocess.Popen[bytes]:
        folders = {"data-root": "data", "exec-root": "exec", "pidfile": "pid"}
        with (self._folder / "log").open("ab") as log:
            return subprocess.Popen(
                [
                    "dockerd",
                    *(f"--{option}={self._folder / name}" for option, name in folders.items()),
                    f"--host={self.host}",
                    *("--bridge=none", "--iptables=false", "--ip-forward=false", "--ip-masq=false"),
                ],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )

    def _answers(self) -> bool:
        try:
            client = docker.DockerClient(self.host, timeout=2)
        except docker.errors.DockerException:
            return False
        try:
            return bool(client.ping())
        except (docker.errors.DockerException, requests.RequestException):
            return False
        finally:
            client.close()

    def load_images(self) -> None:
        """Copy alpy's own images from the host's daemon."""
        ours, theirs = docker.DockerClient(self.host, timeout=60), docker.from_env()
        try:
            for image in _IMAGES:
                ours.images.load(b"".join(theirs.images.get(image).save(named=True)))
        finally:
            ours.close()
            theirs.close()

    def send(self, number: signal.Signals) -> None:
        if self._process:
            self._process.send_signal(number)

    def wait(self, seconds: float = _STOP_SECONDS) -> None:
        """Wait for its end."""
        if self._process:
            self._process.wait(seconds)

    def close(self) -> None:
        """End it, with all that it started, and remove its folder."""
        self.send(signal.SIGTERM)
        with suppress(subprocess.TimeoutExpired):
            self.wait()
        self.send(signal.SIGKILL)
        self.wait()
        self._kill_rest()
        for mount in self._mounts():
            subprocess.run(["umount", "--lazy", mount], check=False, timeout=30)
        shutil.rmtree(self._folder, ignore_errors=True)

    def _kill_rest(self) -> None:
        """Its containerd and the shims, which all have our folder in their command line."""
        for path in Path("/proc").glob("[0-9]*/cmdline"):
            with suppress(OSError):
                words = path.read_bytes().decode(errors="replace").split("\0")
                mine = any(word.startswith(f"{self._folder}/") for word in words)
                if mine and "containerd" in words[0] and int(path.parent.name) != os.getpid():
                    kill(int(path.parent.name))

    def _mounts(self) -> list[str]:
        lines = Path("/proc/self/mountinfo").read_text().splitlines()
        mounts = (line.split()[4] for line in lines)
        return sorted(
            (each for each in mounts if each.startswith(f"{self._folder}/")), reverse=True
        )
