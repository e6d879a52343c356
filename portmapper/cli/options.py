"""Options that several commands share."""

from __future__ import annotations

import argparse
import os
from pathlib import Path
from typing import TYPE_CHECKING

from portmapper.api.errors import UsageError

if TYPE_CHECKING:
    import logging

    from portmapper.api.source import FormatOptions
    from portmapper.pluginhost.manager import Plugins

LOG_LEVELS = ("debug", "info", "warning", "error")


def add_gateway_options(parser: argparse.ArgumentParser) -> None:
    """Add `--gateway` and `--backend`."""
    parser.add_argument(
        "--gateway",
        action="append",
        default=[],
        metavar="ADDR[:PORT]|URL",
        help="use only this gateway and do not search: an address (PORT replaces 5351), or the URL of a "
        "UPnP description; may be repeated",
    )
    parser.add_argument(
        "--backend",
        action="append",
        default=[],
        metavar="NAME",
        help="use only these backends, in this order (pcp, natpmp, upnp, or a plugin's); may be repeated",
    )


def add_config_option(parser: argparse.ArgumentParser) -> None:
    """Add `--config`; the settings file provides the values of omitted options."""
    parser.add_argument(
        "--config",
        type=Path,
        metavar="FILE",
        help="settings in TOML; default: portmapper/portmapper.toml in your configuration directory, then "
        "in the system's",
    )


def add_source_options(parser: argparse.ArgumentParser) -> None:
    """Add the options that specify the lists and how to read them."""
    parser.add_argument(
        "source", nargs="*", metavar="SOURCE", help="a path, '-' for standard input, or a URL"
    )
    parser.add_argument(
        "-f", "--file", action="append", default=[], metavar="SOURCE", help="the same; may be repeated"
    )
    add_format_options(parser)
    parser.add_argument(
        "--family",
        choices=("ipv4", "ipv6", "both"),
        help="for rows without a family and an address: open an IPv4 mapping (the default), an IPv6 "
        "pinhole, or both",
    )


def add_format_options(parser: argparse.ArgumentParser) -> None:
    """Add `--format` and `--csv-delimiter`."""
    parser.add_argument("--format", metavar="NAME", help="auto (the default), csv, json, toml, or a plugin's")
    parser.add_argument(
        "-d",
        "--csv-delimiter",
        type=_delimiter,
        metavar="C",
        help="the column separator of CSV files (default ';'; '\\t' is a tab)",
    )


def format_options(arguments: argparse.Namespace, plugins: Plugins) -> FormatOptions:
    """Return the options for parsing documents."""
    from portmapper.api.source import FormatOptions
    from portmapper.sources.field_parsers import FAMILIES

    backends = tuple(backend.name for backend in plugins.backends)
    return FormatOptions(arguments.csv_delimiter, FAMILIES[arguments.family], backends)


CONFLICTS = ("keep", "next", "overwrite", "fail")


def conflict_name(text: str) -> str:
    """Return the current name of a conflict policy: `own` and `take` are its earlier names."""
    return {"own": "keep", "take": "overwrite"}.get(text, text)


def add_state_option(parser: argparse.ArgumentParser) -> None:
    """Add `--state-dir`."""
    parser.add_argument(
        "--state-dir", type=Path, metavar="DIR", help="the directory for leases, journal, pid file and socket"
    )


def add_plugin_option(parser: argparse.ArgumentParser) -> None:
    """Add `--disable-plugin`."""
    parser.add_argument(
        "--disable-plugin",
        action="append",
        default=[],
        metavar="NAME",
        help="do not load this plugin; may be repeated",
    )


def add_log_options(parser: argparse.ArgumentParser) -> None:
    """Add `--log-level`, `--log-format`, `--log-file`, `-v` and `-q`."""
    amount = parser.add_mutually_exclusive_group()
    amount.add_argument("-v", "--verbose", action="store_true", help="show more details and more of the log")
    amount.add_argument("-q", "--quiet", action="store_true", help="show only errors and the result")
    parser.add_argument(
        "--log-level",
        choices=LOG_LEVELS,
        help="default: the value of PORTMAPPER_LOG, or info (warning for one pass)",
    )
    parser.add_argument("--log-format", choices=("text", "json"), help="default text")
    parser.add_argument(
        "--log-file",
        type=absolute_path,
        metavar="FILE",
        help="write the log to FILE; default: standard error, or in the background the system's log",
    )


def configure_logging(
    arguments: argparse.Namespace, default: str = "info", *, detached: bool = False
) -> None:
    """Configure logging from the options and `PORTMAPPER_LOG`.

    Raises:
        UsageError: `PORTMAPPER_LOG` is not a level, or the log file cannot be opened.
    """
    import logging  # here, so that commands without a log start faster

    from portmapper.observability.logs import default_handler, start_logging

    if detached and arguments.log_file:
        return  # the launching process opened the file, and it is still open
    chosen = _level_of_flags(arguments, default) or arguments.log_level
    level = chosen or os.environ.get("PORTMAPPER_LOG", "").lower() or default
    if level not in LOG_LEVELS:
        raise UsageError(f"PORTMAPPER_LOG={level}: must be one of {', '.join(LOG_LEVELS)}")
    try:
        handler = _file_handler(arguments.log_file) if arguments.log_file else default_handler(detached)
    except OSError as error:
        raise UsageError(f"--log-file {arguments.log_file}: {error.strerror}") from error
    start_logging(handler, getattr(logging, level.upper()), arguments.log_format or "text")


def _level_of_flags(arguments: argparse.Namespace, default: str) -> str:
    """Return the level of `-v` and `-q`; both override the settings and `PORTMAPPER_LOG`."""
    if getattr(arguments, "verbose", False):
        return "debug" if default == "info" else "info"
    return "error" if getattr(arguments, "quiet", False) else ""


def _file_handler(path: Path) -> logging.Handler:
    from portmapper.observability.log_file import LogFileHandler

    return LogFileHandler(path)


def warn_of_failed_plugins(plugins: Plugins) -> None:
    """Log a warning for each plugin that failed to load."""
    import logging

    for report in plugins.reports:
        if report.state == "failed":
            logging.getLogger(__name__).warning("plugin %s failed to load: %s", report.name, report.error)


def absolute_path(text: str) -> Path:
    """Parse an absolute path: the option must not depend on the working directory."""
    path = Path(text)
    if not path.is_absolute():
        raise argparse.ArgumentTypeError(f"{text!r} is not an absolute path")
    return path


def _delimiter(text: str) -> str:
    from portmapper.sources.delimiter import csv_delimiter

    try:
        return csv_delimiter(text)
    except UsageError as error:
        raise argparse.ArgumentTypeError(str(error)) from None
