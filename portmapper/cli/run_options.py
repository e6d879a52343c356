"""The options of `portmapper run` for the process: foreground or daemon, interval, exit and listener."""

from __future__ import annotations

import argparse

from portmapper.cli.options import absolute_path


def add_process_options(parser: argparse.ArgumentParser) -> None:
    """Add the options for the process: foreground or daemon, duration, interval and exit."""
    parser.add_argument(
        "-F", "--foreground", action="store_true", help="stay in the foreground (the default)"
    )
    parser.add_argument(
        "--daemon", action="store_true", help="run in the background; returns once the pid file is locked"
    )
    parser.add_argument("-1", "--oneshot", action="store_true", help="run one pass, then exit")
    parser.add_argument(
        "-n",
        "--interval",
        type=_seconds,
        metavar="TIME",
        help="how often to read the sources again and verify leases: seconds, or 90s, 15m, 1h (default 60)",
    )
    parser.add_argument(
        "--close-ports-on-exit", action="store_true", help="on exit, close the ports that this run opened"
    )
    parser.add_argument(
        "--only-close-ports", action="store_true", help="close the ports that the sources list, then exit"
    )
    parser.add_argument(
        "--http",
        type=_listen_address,
        metavar="ADDRESS:PORT",
        help="also serve the HTTP API and the web interface here, such as 127.0.0.1:8080",
    )
    parser.add_argument(
        "--pid-file",
        type=absolute_path,
        metavar="FILE",
        help="default: portmapper.pid in the state directory, which is locked in any case",
    )


def _listen_address(text: str) -> tuple[str, int]:
    from portmapper.support.listen_address import parse_listen_address

    try:
        return parse_listen_address(text)
    except ValueError as error:
        raise argparse.ArgumentTypeError(f"{text!r} {error}") from None


def _seconds(text: str) -> float:
    from portmapper.support.duration import EXAMPLES, parse_duration

    try:
        seconds = float(text) if "." in text else float(parse_duration(text))
    except ValueError:
        seconds = 0.0
    if not 1 <= seconds <= 86400 * 365:
        raise argparse.ArgumentTypeError(f"{text!r} is not a time of 1 second to 1 year: {EXAMPLES}")
    return seconds
