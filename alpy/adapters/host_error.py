# SPDX-License-Identifier: GPL-3.0-or-later
"""What the kernel refused, in alpy's words."""

from __future__ import annotations

import os

from alpy.core.errors import HostError


def host_error(asked: str, error: OSError, *, remedy: str) -> HostError:
    """That *asked* was refused by the host, for the reason that *error* tells."""
    return HostError(asked=asked, found=os.strerror(error.errno or 0), remedy=remedy)
