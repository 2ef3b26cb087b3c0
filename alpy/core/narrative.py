# SPDX-License-Identifier: GPL-3.0-or-later
"""The story of a run: one line when a step begins, one when it is done or has failed.

Loggers are structlog over the standard `logging`, so a user configures them as ever. Each line goes
to the sinks of the runs around it too, whatever the level: that is how `debug.log` is complete.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator, MutableMapping
from contextlib import contextmanager
from contextvars import ContextVar
from functools import cached_property
from typing import TYPE_CHECKING, Any, TypeAlias, cast

from alpy.core.errors import described

if TYPE_CHECKING:
    import structlog
    from structlog.typing import EventDict, WrappedLogger

Sink: TypeAlias = Callable[[str], None]
Logger: TypeAlias = "structlog.stdlib.BoundLogger"

_sinks: ContextVar[tuple[Sink, ...]] = ContextVar("alpy_run_sinks", default=())


def get_logger(name: str) -> Logger:
    """A logger whose event is a short phrase and whose facts are fields: `info("x", node=1)`."""
    return cast("Logger", _Narrator(name))


class _Narrator:
    """Stands for a logger until it is used: structlog takes longer to import than all of alpy."""

    def __init__(self, name: str) -> None:
        self._name = name

    @cached_property
    def _logger(self) -> Logger:
        import structlog  # noqa: PLC0415

        logger: Logger = structlog.wrap_logger(
            logging.getLogger(self._name),
            processors=[_to_line, _to_sinks, structlog.stdlib.filter_by_level, _to_logging],
            wrapper_class=structlog.stdlib.BoundLogger,
        )
        return logger

    def __getattr__(self, name: str) -> Any:
        return getattr(self._logger, name)


def add_sink(sink: Sink) -> None:
    """Copy each line that is logged in this context from now on to *sink*."""
    _sinks.set((*_sinks.get(), sink))


def remove_sink(sink: Sink) -> None:
    """End `add_sink`. A sink that is not there is no error."""
    _sinks.set(tuple(other for other in _sinks.get() if other != sink))


@contextmanager
def step(log: Logger, what: str, **facts: object) -> Iterator[None]:
    """Tell that *what* begins, and that it is done, or that it failed and why."""
    log.info(f"{what}...", **facts)
    try:
        yield
    except BaseException as error:
        log.error(f"{what}... failed", why=described(error))
        raise
    log.info(f"{what}... done")


def _to_line(_logger: WrappedLogger, _method: str, event: EventDict) -> EventDict:
    exc_info = event.pop("exc_info", None)
    phrase = str(event.pop("event"))
    facts = " ".join(f"{key}={value!r}" for key, value in event.items())
    return {"line": f"{phrase} {facts}" if facts else phrase, "exc_info": exc_info}


def _to_sinks(logger: WrappedLogger, method: str, event: EventDict) -> EventDict:
    level = "ERROR" if method == "exception" else method.upper()
    for sink in _sinks.get():
        sink(f"{level:8} {logger.name:15} {event['line']}")
    return event


def _to_logging(
    _logger: WrappedLogger, _method: str, event: MutableMapping[str, Any]
) -> tuple[tuple[str, ...], dict[str, Any]]:
    # The line is an argument, not the format: a % in it must stay one.
    return ("%s", event["line"]), {"exc_info": event["exc_info"]}
