"""The choices for the log in the settings file."""

from __future__ import annotations

import enum


class LogLevel(enum.StrEnum):
    """Minimum level of log messages."""

    DEBUG = "debug"
    INFO = "info"
    WARNING = "warning"
    ERROR = "error"


class LogFormat(enum.StrEnum):
    """Format of a log line."""

    TEXT = "text"
    JSON = "json"
