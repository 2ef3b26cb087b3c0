# SPDX-License-Identifier: GPL-3.0-or-later
"""QEMU: its command line, its process, and what both need of the host."""
