# SPDX-License-Identifier: GPL-3.0-or-later
"""The serial port: a pexpect object that reads what a thread has recorded."""
