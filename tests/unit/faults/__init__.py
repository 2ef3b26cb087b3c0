# SPDX-License-Identifier: GPL-3.0-or-later
"""Tier a: whatever goes wrong at any call of a whole life, on the fakes."""
