# SPDX-License-Identifier: GPL-3.0-or-later
"""Faults inflicted on real runs, and a checker that knows nothing of how alpy clears up."""
