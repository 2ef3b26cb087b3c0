# SPDX-License-Identifier: GPL-3.0-or-later
"""`python -m alpy` is the command `alpy`."""

import sys

from alpy.cli import main

sys.exit(main())
