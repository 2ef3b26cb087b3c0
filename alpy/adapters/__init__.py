# SPDX-License-Identifier: GPL-3.0-or-later
"""One file per outside thing: each implements ports of `alpy.core.ports`."""
