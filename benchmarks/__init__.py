# SPDX-License-Identifier: GPL-3.0-or-later
"""What alpy costs: beside the earlier alpy, 6.0.0, and beside what bounds it; see scripts/bench."""
