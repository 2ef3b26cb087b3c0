# SPDX-License-Identifier: GPL-3.0-or-later
"""Settings of the documentation. Nothing is fetched from the network to build it."""

import re
import sys
from importlib.metadata import version as installed_version
from typing import Any

from sphinx.application import Sphinx

import alpy

project = "alpy"
version = release = installed_version("alpy")

extensions = ["myst_parser", "sphinx.ext.autodoc"]
exclude_patterns = ["public", "_build"]

myst_enable_extensions = ["colon_fence", "deflist"]
myst_heading_anchors = 3

html_theme = "furo"
html_title = f"alpy {version}"
html_show_sphinx = False
html_show_copyright = False

# A word between single backticks in a docstring is a name of the library where there is such a
# name, and code elsewhere.
default_role = "py:obj"
autodoc_member_order = "bysource"
autodoc_typehints_format = "short"
python_maximum_signature_line_length = 88
python_use_unqualified_type_names = True

# autodoc names a thing after its module, and this one is a name of `alpy` only.
sys.modules["alpy.errors"] = alpy.errors

# What a test is given and never makes by itself: how it is made is of no interest.
GIVEN = {"alpy.Testbed", "alpy.Dut", "alpy.Node", "alpy.RunningApp", "alpy.Shell"}
# An error and when it is raised, as a line of a "Raises:" section; its later lines are deeper in.
RAISED = re.compile(r" {4}(?P<errors>\w+(, \w+)*): (?P<when>.+)")


def _simplify_signature(
    _app: Sphinx, _what: str, name: str, obj: Any, _options: Any, signature: str | None, result: str
) -> tuple[str | None, str | None]:
    if name in GIVEN or getattr(obj, "_is_protocol", False):
        return "", None
    return signature and signature.replace("NOTHING", "..."), result


def _as_fields(
    _app: Sphinx, _what: str, _name: str, _obj: Any, _options: Any, lines: list[str]
) -> None:
    """Turn "Raises:" and what is below it into fields, and let a backslash be one."""
    raises = False
    for number, line in enumerate(lines):
        if line:
            raises = line == "Raises:" or (raises and line.startswith(" "))
        raised = RAISED.fullmatch(line) if raises else None
        text = f":raises {raised['errors']}: {raised['when']}" if raised else line
        lines[number] = "" if line == "Raises:" else text.replace("\\", "\\\\")


def setup(app: Sphinx) -> None:
    """Sphinx calls this."""
    app.connect("autodoc-process-signature", _simplify_signature)
    app.connect("autodoc-process-docstring", _as_fields)
