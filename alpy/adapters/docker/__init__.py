# SPDX-License-Identifier: GPL-3.0-or-later
"""Docker: nodes, apps, and `ip`."""
