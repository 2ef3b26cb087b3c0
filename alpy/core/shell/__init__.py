# SPDX-License-Identifier: GPL-3.0-or-later
"""The appliance's shell over its console: log in, run programs, move files."""

from alpy.core.shell.shell import Shell, ShellResult, attach, log_in

__all__ = ["Shell", "ShellResult", "attach", "log_in"]
