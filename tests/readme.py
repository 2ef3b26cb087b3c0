# SPDX-License-Identifier: GPL-3.0-or-later
"""The example of the README, as code."""

from __future__ import annotations

import re
from pathlib import Path
from types import CodeType

README = Path(__file__).parents[1] / "README.md"


def readme_example() -> CodeType:
    blocks = re.findall(r"^```python\n(.*?)^```", README.read_text(), re.DOTALL | re.MULTILINE)
    assert len(blocks) == 1
    return compile(blocks[0], str(README), "exec")
