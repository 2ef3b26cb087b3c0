# SPDX-License-Identifier: GPL-3.0-or-later
"""Traffic between nodes: send it, measure it. The programs are those of the tools image."""

from __future__ import annotations

import json
import re
from collections import Counter
from pathlib import Path
from typing import Final

from attrs import frozen

import alpy
from carrot.build import TOOLS_IMAGE

log = alpy.get_logger("carrot.traffic")

_IPERF3_PORT = 5201
# The Python of the host, for a node: no image of ours needs to have one.
_HOST_PYTHON: Final = {"/usr": "/usr:ro", "/usr/lib": "/lib:ro", "/usr/lib64": "/lib64:ro"}


@frozen(kw_only=True)
class PingReport:
    """What came back of so many echo requests, and the TTL (or hop limit) of each answer."""

    destination: str
    sent: int
    ttls: tuple[int, ...]

    @property
    def received(self) -> int:
        return len(self.ttls)


def ping(node: alpy.Node, destination: str, *, count: int = 3, timeout: float = 20) -> PingReport:
    """Send *count* echo requests, a fifth of a second apart; lost ones are no error."""
    words = ["ping", "-c", str(count), "-i", "0.2", "-W", "2", destination]
    # ping exits with 1 when not one answer came.
    result = node.run(words, image=TOOLS_IMAGE, timeout=timeout, exit_codes={0, 1})
    ttls = tuple(int(ttl) for ttl in re.findall(r"\bttl=(\d+)", result.stdout))
    log.info("Ping answered", destination=destination, sent=count, received=len(ttls))
    return PingReport(destination=destination, sent=count, ttls=ttls)


def tcp_rate(
    client: alpy.Node, server: alpy.Node, address: str, *, seconds: int = 5, timeout: float = 60
) -> float:
    """The rate of one TCP stream from *client* to *server* at *address*, in Mbit/s of payload."""
    listener = server.start(["iperf3", "--server", "--one-off"], image=TOOLS_IMAGE)
    listener.wait_for_port(_IPERF3_PORT, timeout=timeout)
    result = client.run(
        ["iperf3", "--client", address, "--time", str(seconds), "--json"],
        image=TOOLS_IMAGE,
        timeout=seconds + timeout,
    )
    received = json.loads(result.stdout)["end"]["sum_received"]
    rate = float(received["bits_per_second"]) / 1e6
    log.info("TCP rate measured", mbit_per_s=round(rate, 3), seconds=seconds)
    return rate


def http_server(node: alpy.Node, name: str) -> alpy.RunningApp:
    """Start nginx on port 80 of *node*; it answers each request with *name* and a line end."""
    config = f"""
        worker_processes 1;
        error_log stderr;
        events {{}}
        http {{
            access_log /dev/stdout;
            server {{
                listen 80;
                listen [::]:80;
                location / {{ return 200 "{name}\\n"; }}
            }}
        }}
    """
    app = node.start(
        ["nginx", "-e", "stderr", "-c", "/etc/nginx/alpy.conf", "-g", "daemon off;"],
        image=TOOLS_IMAGE,
        files={"/etc/nginx/alpy.conf": config.encode()},
    )
    app.wait_for_port(80)
    return app


def http_answers(node: alpy.Node, url: str, *, times: int, timeout: float = 30) -> Counter[str]:
    """Get *url* so many times, and count the lines that came back."""
    result = node.run(
        ["curl", "--silent", "--show-error", "--fail", "--max-time", "10", f"{url}?[1-{times}]"],
        image=TOOLS_IMAGE,
        timeout=timeout,
    )
    answers = Counter(result.stdout.split())
    log.info("HTTP answered", url=url, **answers)
    return answers


def send_frames(node: alpy.Node, what: int | str, *, timeout: float = 60) -> None:
    """Send frames as fast as *node* can: so many numbered ones, or the "peculiar" ones.

    Both are those of `carrot.frames`. Needs the host's /usr/bin/python3.
    """
    node.run(
        ["/usr/bin/python3", "-B", "/frames.py", str(what)],
        image=TOOLS_IMAGE,
        timeout=timeout,
        volumes=_HOST_PYTHON,
        options={"init": False},  # Docker would put its init into the read-only /usr
        files={"/frames.py": Path(__file__).with_name("frames.py")},
    )
