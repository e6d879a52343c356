"""Turns labels into rows. Anyone who may start a container can set them, so they are untrusted."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping

from portmapper.api import PROTOCOLS, Row, quoted

PREFIX = "portmapper."
_PORT = "port"
# `address` and `backend` are missing on purpose: a container may open ports to its own host only, and
# the backend is the operator's choice.
_OTHERS = (
    *("internal_port", "comment", "lifetime", "duration", "family", "conflict", "remote", "enabled"),
    *("until", "schedule", "same_port"),
)
_DEFAULT_PROTOCOL = "tcp"
MAX_MAPPINGS = 256
"""Mappings of one container: a label such as `1024-65535/both` must not take the ports of the others."""
_RANGE = re.compile(r"\s*([0-9]{1,5})\s*-\s*([0-9]{1,5})\s*")
_NAME = re.compile(r"[\w-]{1,64}", re.ASCII)


def rows_of(container: str, labels: Mapping[str, str]) -> Iterator[Row]:
    """Yield a row for each port in a container's labels, and a rejected row for each invalid label.

    `container` is the container's name as shown in messages.
    """
    ours = {key.removeprefix(PREFIX): labels[key] for key in sorted(labels) if key.startswith(PREFIX)}
    count = sum(_count(text) for label, text in ours.items() if label.partition(".")[0] == _PORT)
    if count > MAX_MAPPINGS:
        reason = f"asks for {count} mappings, and one container may have {MAX_MAPPINGS}: use fewer ports"
        yield _rejected(f"container {container}", reason)
        return
    for label, text in ours.items():
        field, dot, name = label.partition(".")
        place = _place(container, label)
        if dot and not _NAME.fullmatch(name):
            yield _rejected(place, "the name after the dot may contain only letters, digits, _ and -")
        elif field == _PORT:
            yield from _port_rows(container, name, text, ours)
        elif field not in _OTHERS:
            yield _rejected(place, f"unknown label; the labels are: {', '.join((_PORT, *_OTHERS))}")
        elif f"{_PORT}{dot}{name}" not in ours:
            yield _rejected(place, f"needs {PREFIX}{_PORT}{dot}{name}, which is missing")


def _port_rows(container: str, name: str, text: str, ours: Mapping[str, str]) -> Iterator[Row]:
    suffix = f".{name}" if name else ""
    others = {field: ours[f"{field}{suffix}"] for field in _OTHERS if f"{field}{suffix}" in ours}
    for part in text.split(","):
        port, slash, protocol = part.strip().partition("/")
        place = _place(container, f"{_PORT}{suffix}")
        if (protocol if slash else _DEFAULT_PROTOCOL).upper() not in PROTOCOLS:
            yield _rejected(place, f"{quoted(part.strip())} is not PORT/PROTOCOL: tcp, udp or both")
            continue
        fields = {"comment": container, **others, "port": port, "protocol": protocol or _DEFAULT_PROTOCOL}
        yield Row(fields, place, f"container {container}, label {PREFIX}{{}}{suffix}")


def _count(text: str) -> int:
    """Return how many mappings a label asks for; what is no valid range counts as one port."""
    count = 0
    for part in text.split(","):
        ports, _, protocol = part.partition("/")
        found = _RANGE.fullmatch(ports)
        size = max(int(found[2]) - int(found[1]) + 1, 1) if found else 1
        count += size * len(PROTOCOLS.get(protocol.strip().upper(), (None,)))
    return count


def _place(container: str, label: str) -> str:
    plain = all(_NAME.fullmatch(part) for part in label.split("."))
    return f"container {container}, label {PREFIX + label if plain else quoted(PREFIX + label)}"


def _rejected(place: str, reason: str) -> Row:
    return Row({}, place, "{}", error=reason)
