"""Structured logs: lines for people at a terminal, JSON for machines, both with the turn they belong to."""

import logging
import os
import sys
from collections.abc import Mapping
from typing import TextIO

import structlog
from structlog.contextvars import merge_contextvars
from structlog.typing import Processor

FORMATS = ("console", "json")


def configure(environment: Mapping[str, str] = os.environ, out: TextIO = sys.stdout) -> None:
    """Log to `out` as EQUIPOISE_LOG says (`console` or `json`; by default JSON unless it is a terminal), from
    EQUIPOISE_LOG_LEVEL (default `info`) up.

    Raises ValueError for a format or level that does not exist.
    """
    form = environment.get("EQUIPOISE_LOG") or ("console" if out.isatty() else "json")
    level = environment.get("EQUIPOISE_LOG_LEVEL", "info").upper()
    if form not in FORMATS:
        raise ValueError(f"EQUIPOISE_LOG={form}: it is {' or '.join(FORMATS)}")
    if level not in logging.getLevelNamesMapping():
        raise ValueError(f"EQUIPOISE_LOG_LEVEL={level.lower()}: it is debug, info, warning, error or critical")
    colors = out.isatty() and "NO_COLOR" not in environment
    last: list[Processor] = (
        [structlog.processors.dict_tracebacks, structlog.processors.JSONRenderer()]
        if form == "json"
        else [structlog.dev.ConsoleRenderer(colors=colors)]
    )
    structlog.configure(
        processors=[
            merge_contextvars,
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            *last,
        ],
        wrapper_class=structlog.make_filtering_bound_logger(logging.getLevelNamesMapping()[level]),
        logger_factory=structlog.PrintLoggerFactory(out),
        cache_logger_on_first_use=False,
    )


def about_turn(number: int) -> None:
    """Say in every line from now on which turn is under way."""
    structlog.contextvars.bind_contextvars(turn=number)
