"""Turns labels into rows. Anyone who may start a container can set them, so they are untrusted."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping

from portmapper.api import PROTOCOLS, Row, quoted

PREFIX = "portmapper."
_PORT = "port"
# `address` and `backend` are missing on purpose: a container may open ports to its own host only, and
# the backend is the operator's choice.
OTHERS = (
    *("internal_port", "comment", "lifetime", "duration", "family", "conflict", "remote", "enabled"),
    *("when", "until", "schedule", "same_port"),
)
_DEFAULT_PROTOCOL = "tcp"
MAX_MAPPINGS = 256
"""Mappings of one container: a label such as `1024-65535/both` must not take the ports of the others."""
_RANGE = re.compile(r"\s*([0-9]{1,5})\s*-\s*([0-9]{1,5})\s*")
_NAME = re.compile(r"[\w-]{1,64}", re.ASCII)


def rows_of(name: str, labels: Mapping[str, str], kind: str = "container") -> Iterator[Row]:
    """Yield a row for each port in the labels, and a rejected row for each invalid label.

    `name` and `kind` are what has the labels, as shown in messages: a container or a service.
    """
    owner = f"{kind} {name}"
    ours = {key.removeprefix(PREFIX): labels[key] for key in sorted(labels) if key.startswith(PREFIX)}
    count = sum(_count(text) for label, text in ours.items() if label.partition(".")[0] == _PORT)
    if count > MAX_MAPPINGS:
        reason = f"asks for {count} mappings, and one {kind} may have {MAX_MAPPINGS}: use fewer ports"
        yield rejected(owner, reason)
        return
    for label, text in ours.items():
        field, dot, group = label.partition(".")
        place = _place(owner, label)
        if dot and not _NAME.fullmatch(group):
            yield rejected(place, "the name after the dot may contain only letters, digits, _ and -")
        elif field == _PORT:
            yield from _port_rows(owner, group, text, ours, comment_of(name, labels))
        elif field not in OTHERS:
            yield rejected(place, f"unknown label; the labels are: {', '.join((_PORT, *OTHERS))}")
        elif f"{_PORT}{dot}{group}" not in ours:
            yield rejected(place, f"needs {PREFIX}{_PORT}{dot}{group}, which is missing")


def has_ports(labels: Mapping[str, str]) -> bool:
    """Return whether labels of portmapper name ports."""
    return any(key == PREFIX + _PORT or key.startswith(f"{PREFIX}{_PORT}.") for key in labels)


def comment_of(name: str, labels: Mapping[str, str]) -> str:
    """Return the default comment: project and service of Compose, or the name of the container."""
    project, service = (labels.get(f"com.docker.compose.{key}", "") for key in ("project", "service"))
    if _NAME.fullmatch(project) and _NAME.fullmatch(service):
        return f"{project}/{service}"
    return name


def _port_rows(owner: str, group: str, text: str, ours: Mapping[str, str], comment: str) -> Iterator[Row]:
    suffix = f".{group}" if group else ""
    name = owner.partition(" ")[2]
    others = {field: ours[f"{field}{suffix}"] for field in OTHERS if f"{field}{suffix}" in ours}
    for part in text.split(","):
        port, slash, protocol = part.strip().partition("/")
        place = _place(owner, f"{_PORT}{suffix}")
        if (protocol if slash else _DEFAULT_PROTOCOL).upper() not in PROTOCOLS:
            yield rejected(place, f"{quoted(part.strip())} is not PORT/PROTOCOL: tcp, udp or both")
            continue
        fields = {"comment": comment, **others, "port": port, "protocol": protocol or _DEFAULT_PROTOCOL}
        yield Row(fields, place, f"{owner}, label {PREFIX}{{}}{suffix}", origin=name)


def _count(text: str) -> int:
    """Return how many mappings a label asks for; what is no valid range counts as one port."""
    count = 0
    for part in text.split(","):
        ports, _, protocol = part.partition("/")
        found = _RANGE.fullmatch(ports)
        size = max(int(found[2]) - int(found[1]) + 1, 1) if found else 1
        count += size * len(PROTOCOLS.get(protocol.strip().upper(), (None,)))
    return count


def _place(owner: str, label: str) -> str:
    plain = all(_NAME.fullmatch(part) for part in label.split("."))
    return f"{owner}, label {PREFIX + label if plain else quoted(PREFIX + label)}"


def rejected(place: str, reason: str) -> Row:
    """Return a row that is rejected for this reason."""
    return Row({}, place, "{}", error=reason)
