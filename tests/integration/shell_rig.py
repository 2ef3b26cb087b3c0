# SPDX-License-Identifier: GPL-3.0-or-later
"""A real shell on a pseudoterminal, on the far end of a console: an appliance without a VM."""

from __future__ import annotations

import fcntl
import os
import pty
import select
import socket
import struct
import subprocess
import termios
import threading
from collections.abc import Callable, Sequence
from pathlib import Path

from attrs import define, field

from alpy.adapters.clock import SystemClock
from alpy.adapters.console.pexpect_console import PexpectConsole

SHELLS = {
    "busybox": ("busybox", "sh", "-i"),
    "dash": ("dash", "-i"),
    "bash": ("bash", "--norc", "-i"),
}
PROMPT = "\x1b[01;32mroot@rabbit\x1b[00m:\x1b[01;34m~\x1b[00m# "


@define(eq=False, slots=False)
class ShellRig:
    """Relays between the console and the pseudoterminal; *noise* changes what is printed."""

    folder: Path
    command: Sequence[str]
    noise: Callable[[bytes], bytes] = lambda data: data
    loses: Callable[[bytes], bytes] = lambda data: data
    environment: dict[str, str] = field(factory=dict)
    console: PexpectConsole = field(init=False)
    printed: int = field(default=0, init=False)

    def __attrs_post_init__(self) -> None:
        near, self._far = socket.socketpair()
        self._master, slave = pty.openpty()
        fcntl.ioctl(slave, termios.TIOCSWINSZ, struct.pack("4H", 24, 80, 0, 0))
        home = self.folder / "home"
        home.mkdir(exist_ok=True)
        environment = {
            "PATH": os.environ["PATH"],
            "HOME": str(home),
            "TERM": "xterm",
            "LANG": "C.UTF-8",
            "PS1": PROMPT,
        }
        self._process = subprocess.Popen(
            ["/usr/bin/setsid", "--ctty", *self.command],
            stdin=slave,
            stdout=slave,
            stderr=slave,
            cwd=home,
            env=environment | self.environment,
        )
        os.close(slave)
        self.console = PexpectConsole(
            connection=near,
            raw_log=self.folder / "console.log",
            text_log=self.folder / "console.txt",
            clock=SystemClock(),
            on_lost=lambda: None,
        )
        self._relay = threading.Thread(target=self._relay_all)
        self._relay.start()

    def release(self) -> None:
        self._process.kill()
        self._process.wait()
        self._far.shutdown(socket.SHUT_RDWR)
        self._relay.join()
        self._far.close()
        os.close(self._master)
        self.console.close()

    def settings(self) -> list[object]:
        """The terminal's settings."""
        return termios.tcgetattr(self._master)

    def _relay_all(self) -> None:
        while True:
            ready, _, _ = select.select([self._master, self._far.fileno()], [], [])
            try:
                if self._master in ready:
                    data = os.read(self._master, 4096)
                    self.printed += len(data)
                    self._far.sendall(self.noise(data))
                if self._far.fileno() in ready:
                    typed = self._far.recv(1024)
                    if not typed:
                        return
                    typed = self.loses(typed)
                    while typed:
                        typed = typed[os.write(self._master, typed) :]
            except OSError:  # one end is gone
                return
