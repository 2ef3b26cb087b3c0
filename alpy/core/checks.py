# SPDX-License-Identifier: GPL-3.0-or-later
"""Checks that several values share."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TypeVar

from alpy.core.errors import InvalidValueError

T = TypeVar("T")


def many(values: object, kind: type[T], what: str) -> tuple[T, ...]:
    """*values* as a tuple of *kind*. One alone is refused: of a text it would make characters.

    Raises:
        InvalidValueError: they are not several, or one of them is something else.
    """
    if isinstance(values, kind | str | bytes) or not isinstance(values, Iterable):
        raise InvalidValueError(f"{what} {values!r}: a list is wanted")
    found = tuple(values)
    for value in found:
        if not isinstance(value, kind):
            raise InvalidValueError(f"{what} {value!r}: {kind.__name__} is wanted")
    return found
