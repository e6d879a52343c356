"""`portmapper open` of single ports in a running daemon, in the usual cases."""

from __future__ import annotations

from portmapper.cli.quick import PLACES, parse
from portmapper.cli.quick_requests import asked, is_port

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from typing import Any

    from portmapper.cli.quick import Call

    Record = dict[str, Any]

VALUES = (
    *PLACES,
    *("--to", "--lifetime", "--for", "--when", "--comment", "--conflict", "--family", "--backend"),
)
MAX_DURATION = 2**32 - 1
CHOICES = {
    "--when": ("listening", "always"),
    "--conflict": ("keep", "next", "overwrite", "fail"),
    "--family": ("ipv4", "ipv6", "both"),
}
HOSTS = ("10.", "172.", "192.168.")
"""Each IPv4 address that begins so can be a host."""


def quick_open(words: Sequence[str]) -> int | None:
    """Open ports and return the exit status, or do nothing and return None: the full command is needed.

    Raises:
        PortmapperError: the daemon does not answer, or refuses the request.
    """
    call = parse(words, ("--json",), VALUES)
    if call is None:
        return None
    document = asked("open", call, _records(call), "opening the ports")
    if document is None:
        return None
    from portmapper.cli.open_result import exit_status, show

    if "--json" in call.options:
        import json

        print(json.dumps(document, indent=2))
    else:
        show(document, by_daemon=True)
    return exit_status(document)


def _records(call: Call) -> list[Record] | None:
    """Return the records to send; None if a word or a value is unusual or invalid."""
    try:
        common = _common(call.options, call.settings)
        return [_record(word, common) for word in call.words]
    except ValueError:
        return None


def _common(options: Mapping[str, str], settings: Mapping[str, Any]) -> Record:
    """Return what the options say of every port. Raises `ValueError` if the full command is needed."""
    for name, choices in CHOICES.items():
        if options.get(name, choices[0]) not in choices:
            raise ValueError("it is an earlier name, or invalid")
    texts = {name: options[f"--{name}"] for name in ("comment", "backend", "when") if f"--{name}" in options}
    if not all(map(str.isprintable, texts.values())):
        raise ValueError("the full command replaces or refuses such a character")
    conflict = options.get("--conflict") or settings.get("conflict", "keep")
    defaults = {"comment": "portmapper", "conflict": conflict}
    return {**defaults, **texts, **_host(options, settings), **_times(options)}


def _host(options: Mapping[str, str], settings: Mapping[str, Any]) -> Record:
    """Return the host of `--to`, its port, or the family if it names no host."""
    host, colon, port = options.get("--to", "").partition(":")
    if colon and not is_port(port):
        raise ValueError("it is an IPv6 address, or invalid")
    ports = {"internal_port": port} if colon else {}
    if not host:
        return {"family": options.get("--family") or settings.get("family", "ipv4"), **ports}
    if "--family" in options or not _is_host(host):
        raise ValueError("the full command compares both")
    return {"address": host, **ports}


def _is_host(text: str) -> bool:
    """Return whether it is the usual spelling of an IPv4 address that hosts have."""
    parts = text.split(".")
    is_address = len(parts) == 4 and all(part in _BYTES for part in parts)
    return is_address and text.startswith(HOSTS)


_BYTES = tuple(map(str, range(256)))


def _times(options: Mapping[str, str]) -> Record:
    """Return the lifetime, and the end of `--for`."""
    lifetime = _duration(options.get("--lifetime", "3600"))
    if "--for" not in options:
        return {"duration": lifetime}
    from datetime import timedelta

    from portmapper.support.wall_clock import wall_now

    limit = _duration(options["--for"])
    if not limit:
        raise ValueError("the port would close at once")
    end = wall_now().replace(microsecond=0) + timedelta(seconds=limit)
    return {"until": end.isoformat(), "duration": min(lifetime or limit, limit)}


def _duration(text: str) -> int:
    if text.isascii() and text.isdigit() and len(text) <= len(str(MAX_DURATION)):
        seconds = int(text)
    else:
        from portmapper.support.duration import parse_duration

        seconds = parse_duration(text)
    if seconds > MAX_DURATION:
        raise ValueError("it is too long")
    return seconds


def _record(word: str, common: Record) -> Record:
    """Return the record of `8080`, `8080/udp`, `8080:80` or `8080:80/both`."""
    ports, slash, protocol = word.partition("/")
    external, colon, internal = ports.partition(":")
    if not is_port(external) or (colon and not is_port(internal)):
        raise ValueError("it is a range or a preset, or invalid")
    if slash and protocol not in ("tcp", "udp", "both"):
        raise ValueError("it is no protocol")
    record = {**common, "port": external, "protocol": protocol.upper() or "TCP"}
    if colon and record.setdefault("internal_port", internal) != internal:
        raise ValueError("there are two internal ports")
    return record
