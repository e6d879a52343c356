"""The source of ports in an environment variable, for templates of containers and NAS systems."""

from __future__ import annotations

import os
import re
from collections.abc import Sequence

from portmapper.api.source import Row, Source

VARIABLE = "PORTMAPPER_PORTS"

_BETWEEN = r"[,;\s]+"


class EnvironmentSource(Source):
    """The ports in `PORTMAPPER_PORTS`, such as `8080/tcp,27015/udp`."""

    name = "environment"
    is_trusted = True

    def __init__(self) -> None:
        super().__init__(VARIABLE)

    @classmethod
    def claims(cls, location: str) -> bool:
        """Return False: no location refers to this source."""
        return False

    async def fetch(self) -> Sequence[Row]:
        """Return one row per port."""
        ports = [text for text in re.split(_BETWEEN, os.environ.get(VARIABLE, "")) if text]
        return [_row(text, place) for place, text in enumerate(ports, 1)]


def is_set() -> bool:
    """Return whether the variable names any port."""
    text = os.environ.get(VARIABLE, "")
    return bool(text and re.sub(_BETWEEN, "", text))


def _row(text: str, place: int) -> Row:
    """Return the row of `PORT[:INTERNAL_PORT][/PROTOCOL]`; the default protocol is TCP."""
    ports, slash, protocol = text.partition("/")
    port, colon, internal = ports.partition(":")
    fields = {"port": port, "protocol": protocol if slash else "tcp"}
    if colon:
        fields["internal_port"] = internal or "?"
    return Row(fields, f"port {place}", f"port {place}, {{}}")
