# SPDX-License-Identifier: GPL-3.0-or-later
"""Everything that alpy raises on purpose; see `alpy.core.errors`."""

from alpy.core.errors import *  # noqa: F403
