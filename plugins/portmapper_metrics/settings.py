"""The table `[metrics]` of the settings file."""

from __future__ import annotations

import attrs

from portmapper.api import READ, quoted
from portmapper.support.listen_address import parse_listen_address
from portmapper.support.values import frozen


def _address(value: object) -> tuple[str, int]:
    try:
        return parse_listen_address(value)
    except ValueError as error:
        raise ValueError(f"{quoted(value)} {error}") from None


@frozen
class MetricsSettings:
    """The `[metrics]` table.

    Attributes:
        listen: address and TCP port to listen on, without authentication; None to listen on no port.
        hosts: further names under which clients reach it.
    """

    listen: tuple[str, int] | None = attrs.field(default=None, metadata={READ: _address})
    hosts: tuple[str, ...] = ()
