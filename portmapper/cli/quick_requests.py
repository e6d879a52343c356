"""`portmapper open`, `close`, `pause` and `resume` of single ports in a running daemon."""

from __future__ import annotations

import os

from portmapper.cli.progress import progress
from portmapper.cli.quick import default_directory, parse
from portmapper.control.client import NotRunning, call_daemon

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import Any

    Record = dict[str, Any]

LARGEST_PORT = 65535


def quick_open(words: Sequence[str]) -> int | None:
    """Open ports and return the exit status, or do nothing and return None: the full command is needed.

    Raises:
        PortmapperError: the daemon does not answer, or refuses the request.
    """
    parsed = parse(words)
    if parsed is None:
        return None
    directory, as_json, ports = parsed
    document = _asked("open", directory, [_open_record(port) for port in ports], "opening the ports")
    if document is None:
        return None
    from portmapper.cli.open_result import exit_status, show

    if as_json:
        import json

        print(json.dumps(document, indent=2))
    else:
        show(document, by_daemon=True)
    return exit_status(document)


def quick_close(words: Sequence[str]) -> int | None:
    """Close a port as `quick_open` opens ports; the full command looks at the gateways, too."""
    parsed = parse(words)
    if parsed is None or parsed[1] or len(parsed[2]) != 1:
        return None
    directory, _, ports = parsed
    answer = _asked("close", directory, [_port_record(ports[0])], "closing the ports")
    if answer is None or answer["ports"][0]["result"] == "unknown":
        return None
    from portmapper.cli.close_result import report, report_other_protocol

    status = report(answer["ports"])
    if "/" not in ports[0]:
        mappings = call_daemon(directory, "status")["mappings"]
        port = int(ports[0])
        options = [] if directory == default_directory() else ["--state-dir", directory]
        report_other_protocol(mappings, {("TCP", port)}, {port}, options)
    return status


def quick_pause(words: Sequence[str]) -> int | None:
    """Pause rows as `quick_open` opens ports."""
    return _change("pause", words, "closing the ports")


def quick_resume(words: Sequence[str]) -> int | None:
    """Resume rows as `quick_open` opens ports."""
    return _change("resume", words, "opening the ports")


def _change(verb: str, words: Sequence[str], step: str) -> int | None:
    parsed = parse(words)
    if parsed is None or parsed[1]:
        return None
    directory, _, ports = parsed
    records = [_port_record(port) for port in dict.fromkeys(ports)]
    answer = _asked(verb, directory, records, step)
    if answer is None:
        return None
    from portmapper.cli.pause_result import report

    return report(answer["ports"])


def _asked(verb: str, directory: str, records: Sequence[Record | None], step: str) -> Any:
    """Return the daemon's answer; None if no daemon runs, or if there is no record for a word."""
    if not records or None in records or any(name.startswith("PORTMAPPER_") for name in os.environ):
        return None
    with progress(step):
        try:
            return call_daemon(directory, verb, "POST", {"mappings": records})
        except NotRunning:
            return None


def _open_record(word: str) -> Record | None:
    """Return the record of `8080`, `8080/udp`, `8080:80` or `8080:80/both`."""
    ports, slash, protocol = word.partition("/")
    external, colon, internal = ports.partition(":")
    if not _is_port(external) or (colon and not _is_port(internal)):
        return None
    if slash and protocol not in ("tcp", "udp", "both"):
        return None
    common = {"comment": "portmapper", "duration": 3600, "conflict": "keep", "family": "ipv4"}
    record = {"port": external, "protocol": protocol.upper() or "TCP", **common}
    return {**record, "internal_port": internal} if colon else record


def _port_record(word: str) -> Record | None:
    """Return the record of `8080` or `8080/udp`."""
    port, slash, protocol = word.partition("/")
    if not _is_port(port) or (slash and protocol not in ("tcp", "udp")):
        return None
    return {"port": int(port), "protocol": protocol.upper() or "TCP"}


def _is_port(text: str) -> bool:
    is_number = text.isascii() and text.isdigit() and not text.startswith("0")
    return is_number and len(text) <= len(str(LARGEST_PORT)) and int(text) <= LARGEST_PORT
