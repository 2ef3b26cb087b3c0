# SPDX-License-Identifier: GPL-3.0-or-later
"""What is done about runs that died: the guard of this run, and the sweep of earlier ones."""
