"""`portmapper close`, `pause` and `resume` of single ports in a running daemon, in the usual cases."""

from __future__ import annotations

import os

from portmapper.cli.progress import progress
from portmapper.cli.quick import absolute, normal, parse
from portmapper.control.client import NotRunning, call_daemon

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import Any

    from portmapper.cli.quick import Call

    Record = dict[str, Any]

LARGEST_PORT = 65535


def quick_close(words: Sequence[str]) -> int | None:
    """Close a port and return the exit status, or return None: the full command is needed.

    The full command looks at the gateways, too.

    Raises:
        PortmapperError: the daemon does not answer, or refuses the request.
    """
    call = parse(words)
    if call is None or len(call.words) != 1:
        return None
    answer = asked("close", call, _records(call), "closing the ports")
    if answer is None or answer["ports"][0]["result"] == "unknown":
        return None
    from portmapper.cli.close_result import report, report_other_protocol

    status = report(answer["ports"])
    if "/" not in call.words[0]:
        port = int(call.words[0])
        mappings = call_daemon(call.directory, "status")["mappings"]
        report_other_protocol(mappings, {("TCP", port)}, {port}, _options_of_close(call))
    return status


def _options_of_close(call: Call) -> list[str]:
    """Return the options that the next `close` needs, as `farewell.options_of_close` does."""
    config, directory = (call.options.get(name, "") for name in ("--config", "--state-dir"))
    named = {"--config": config and absolute(config), "--state-dir": directory and normal(directory)}
    return [word for name, value in named.items() if value for word in (name, value)]


def quick_pause(words: Sequence[str]) -> int | None:
    """Pause rows as `quick_close` closes ports."""
    return _change("pause", words, "closing the ports")


def quick_resume(words: Sequence[str]) -> int | None:
    """Resume rows as `quick_close` closes ports."""
    return _change("resume", words, "opening the ports")


def _change(verb: str, words: Sequence[str], step: str) -> int | None:
    call = parse(words)
    if call is None:
        return None
    answer = asked(verb, call, _records(call), step)
    if answer is None:
        return None
    from portmapper.cli.pause_result import report

    return report(answer["ports"])


def asked(verb: str, call: Call, records: list[Record] | None, step: str) -> Any:
    """Return the daemon's answer; None if no daemon runs, or if there are no records to send."""
    if not records or any(name.startswith("PORTMAPPER_") for name in os.environ):
        return None
    with progress(step):
        try:
            return call_daemon(call.directory, verb, "POST", {"mappings": records})
        except NotRunning:
            return None


def _records(call: Call) -> list[Record] | None:
    """Return the records of words such as `8080` or `8080/udp`; None if there is another word."""
    records = []
    for word in dict.fromkeys(call.words):
        port, slash, protocol = word.partition("/")
        if not is_port(port) or (slash and protocol not in ("tcp", "udp")):
            return None
        records.append({"port": int(port), "protocol": protocol.upper() or "TCP"})
    return records


def is_port(text: str) -> bool:
    """Return whether a text is a port in its usual spelling."""
    is_number = text.isascii() and text.isdigit() and not text.startswith("0")
    return is_number and len(text) <= len(str(LARGEST_PORT)) and int(text) <= LARGEST_PORT
