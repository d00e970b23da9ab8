"""How both sides log: to standard error, for people or as JSON lines. Secrets never reach a log call."""

from __future__ import annotations

import logging
import sys

import structlog


def set_up_log(*, as_json: bool = False, level: int = logging.WARNING) -> None:
    """Send the log of this program from ``level`` on, and warnings of its libraries, to standard error.

    Standard output belongs to what a command was asked for.
    """
    logging.basicConfig(stream=sys.stderr, level=logging.WARNING, format="%(name)s: %(message)s")
    renderer: structlog.types.Processor = (
        structlog.processors.JSONRenderer() if as_json else structlog.dev.ConsoleRenderer(colors=sys.stderr.isatty())
    )
    structlog.configure(
        processors=[
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            structlog.processors.format_exc_info if as_json else structlog.processors.StackInfoRenderer(),
            renderer,
        ],
        wrapper_class=structlog.make_filtering_bound_logger(level),
        logger_factory=structlog.PrintLoggerFactory(sys.stderr),
    )
