"""Options that several verbs share, and what they mean."""

from __future__ import annotations

import argparse
import os
from pathlib import Path
from typing import TYPE_CHECKING

from portmapper.api.errors import UsageError

if TYPE_CHECKING:
    from portmapper.api.source import FormatOptions
    from portmapper.pluginhost.manager import Plugins

LOG_LEVELS = ("debug", "info", "warning", "error")


def add_gateway_options(parser: argparse.ArgumentParser) -> None:
    """Declare `--gateway` and `--backend`."""
    parser.add_argument(
        "--gateway",
        action="append",
        default=[],
        metavar="ADDR[:PORT]|URL",
        help="ask this gateway and search no other: an address (PORT replaces 5351), or the URL of a "
        "UPnP description; may repeat",
    )
    parser.add_argument(
        "--backend",
        action="append",
        default=[],
        metavar="NAME",
        help="use only these protocols, in this order (pcp, natpmp, upnp, or a plugin's); may repeat",
    )


def add_config_option(parser: argparse.ArgumentParser) -> None:
    """Declare `--config`; what the settings file says fills in what other options leave open."""
    parser.add_argument(
        "--config",
        type=Path,
        metavar="FILE",
        help="settings in TOML; default: portmapper/portmapper.toml in your, then in the system's "
        "configuration directory",
    )


def add_source_options(parser: argparse.ArgumentParser) -> None:
    """Declare what says where the list is and how it is written."""
    parser.add_argument(
        "source", nargs="*", metavar="SOURCE", help="a path, '-' for standard input, or a URL"
    )
    parser.add_argument(
        "-f", "--file", action="append", default=[], metavar="SOURCE", help="the same; may repeat"
    )
    add_format_options(parser)
    parser.add_argument(
        "--family",
        choices=("ipv4", "ipv6", "both"),
        help="for rows that name neither a family nor an address: a mapping over IPv4 (the default), a "
        "pinhole over IPv6, or both",
    )


def add_format_options(parser: argparse.ArgumentParser) -> None:
    """Declare `--format` and `--csv-delimiter`."""
    parser.add_argument("--format", metavar="NAME", help="auto (the default), csv, json, toml, or a plugin's")
    parser.add_argument(
        "-d",
        "--csv-delimiter",
        type=_delimiter,
        metavar="C",
        help="what separates the columns of a CSV file (default ';'; '\\t' is a tab)",
    )


def format_options(arguments: argparse.Namespace) -> FormatOptions:
    """Return how documents are to be read."""
    from portmapper.api.source import FormatOptions
    from portmapper.sources.row_parser import FAMILIES

    return FormatOptions(arguments.csv_delimiter, FAMILIES[arguments.family])


def add_state_option(parser: argparse.ArgumentParser) -> None:
    """Declare `--state-dir`."""
    parser.add_argument(
        "--state-dir", type=Path, metavar="DIR", help="where leases, journal, pid file and socket are kept"
    )


def add_plugin_option(parser: argparse.ArgumentParser) -> None:
    """Declare `--disable-plugin`."""
    parser.add_argument(
        "--disable-plugin", action="append", default=[], metavar="NAME", help="do not load it; may repeat"
    )


def add_log_options(parser: argparse.ArgumentParser) -> None:
    """Declare how much is logged, where, and in what form."""
    parser.add_argument(
        "--log-level",
        choices=LOG_LEVELS,
        help="default info (warning for one pass), or what PORTMAPPER_LOG says",
    )
    parser.add_argument("--log-format", choices=("text", "json"), help="default text")
    parser.add_argument(
        "--log-file",
        type=absolute_path,
        metavar="FILE",
        help="log there; default: standard error, and in the background the system's log",
    )


def begin_logging(arguments: argparse.Namespace, default: str = "info", *, detached: bool = False) -> None:
    """Log as the options and `PORTMAPPER_LOG` say.

    Raises:
        UsageError: `PORTMAPPER_LOG` is no level, or the log file cannot be opened.
    """
    import logging  # not for those verbs that log nothing

    from portmapper.observability.logs import default_handler, file_handler, start_logging

    if detached and arguments.log_file:
        return  # it was opened before, and stays open
    level = arguments.log_level or os.environ.get("PORTMAPPER_LOG", "").lower() or default
    if level not in LOG_LEVELS:
        raise UsageError(f"PORTMAPPER_LOG={level}: must be one of {', '.join(LOG_LEVELS)}")
    try:
        handler = file_handler(arguments.log_file) if arguments.log_file else default_handler(detached)
    except OSError as error:
        raise UsageError(f"--log-file {arguments.log_file}: {error.strerror}") from error
    start_logging(handler, getattr(logging, level.upper()), arguments.log_format or "text")


def warn_of_broken(plugins: Plugins) -> None:
    """Log each plugin that could not be loaded."""
    import logging

    for report in plugins.reports:
        if report.state == "failed":
            logging.getLogger(__name__).warning("plugin %s is left out: %s", report.name, report.error)


def absolute_path(text: str) -> Path:
    """Read a path that must not depend on the working directory."""
    path = Path(text)
    if not path.is_absolute():
        raise argparse.ArgumentTypeError(f"{text!r} is not an absolute path")
    return path


def _delimiter(text: str) -> str:
    from portmapper.sources.reader import csv_delimiter

    try:
        return csv_delimiter(text)
    except UsageError as error:
        raise argparse.ArgumentTypeError(str(error)) from None
