# SPDX-License-Identifier: GPL-3.0-or-later
"""The monitor, by the package `qmp` over a transport of ours."""
