"""The gateway in software, for tests."""

from __future__ import annotations

import importlib
from typing import Any


def embedded_gateway(**settings: Any) -> Any:
    """Return an embedded gateway, to be used with `async with`; every port is a free one of loopback.

    `settings` are those of `portmapper simulate`: `igd_version=1`, `protocols=frozenset({"pcp"})`,
    `quirks=frozenset({"M1"})`, `external_address="…"`. Within the block its attributes `pcp_port`,
    `ssdp_port`, `location`, `table` and `requests` tell where it is and what it has, `mute(protocol)`
    makes it silent and `restart()` loses its table.

    Raises:
        PortmapperError: on entering, when it cannot listen or knows no such quirk or protocol.
    """
    # The core imports no plugin; this one is looked up by name, when a test asks for it.
    simulator = importlib.import_module("portmapper_simulator.gateway")
    kinds = importlib.import_module("portmapper_simulator.settings")
    return simulator.EmbeddedGateway(kinds.Settings(**settings))
