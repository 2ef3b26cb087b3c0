# SPDX-License-Identifier: GPL-3.0-or-later
"""One life of a testbed with the earlier alpy, 6.0.0: peer.py KERNEL INITRD COMMAND_LINE LINKS.

Runs in an environment of its own, and prints the seconds of each step as JSON.
"""

import json
import sys
import time

import alpy.node
import alpy.qemu
import alpy.run
import docker

kernel, initrd, command_line, links = *sys.argv[1:4], int(sys.argv[4])
taps = [f"bench{number}" for number in range(links)]
arguments = ["qemu-system-x86_64", "-accel", "tcg", "-machine", "q35", "-cpu", "max", "-m", "256"]
arguments += ["-nodefaults", "-display", "none", "-S", "-kernel", kernel, "-initrd", initrd]
arguments += ["-append", command_line]
arguments += alpy.qemu.get_qmp_args() + alpy.qemu.get_serial_port_args()
for number, tap in enumerate(taps):
    arguments += ["-netdev", f"tap,id=n{number},ifname={tap},script=no,downscript=no"]
    # Eight to a slot: there are not slots enough for 32.
    place = f"multifunction=on,addr={2 + number // 8:x}.{number % 8}"
    arguments += ["-device", f"virtio-net-pci,netdev=n{number},{place}"]
    arguments += ["-object", f"filter-dump,id=d{number},netdev=n{number},file=link{number}.pcap"]

client = docker.from_env()
started = time.monotonic()
skeleton = alpy.node.make_skeleton(
    busybox_image="alpy-busybox:latest", docker_client=client, tap_interfaces=taps, timeout=30
)
with alpy.run.qemu_with_skeleton(qemu_args=arguments, skeleton=skeleton, timeout=10):
    up = time.monotonic()
down = time.monotonic()
print(json.dumps({"up": up - started, "down": down - up}))
