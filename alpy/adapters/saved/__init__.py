# SPDX-License-Identifier: GPL-3.0-or-later
"""Saved states: machines that were paused, kept in a cache on disk for those that start later."""
