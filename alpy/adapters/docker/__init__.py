# SPDX-License-Identifier: GPL-3.0-or-later
"""Docker: nodes, apps, and `ip` in one-off containers."""
