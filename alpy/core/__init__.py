# SPDX-License-Identifier: GPL-3.0-or-later
"""The domain: values, rules and ports. It knows no Docker, no QEMU and no operating system."""
