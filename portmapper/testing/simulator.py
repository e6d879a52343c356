"""The software gateway for tests."""

from __future__ import annotations

import importlib
from typing import Any


def embedded_gateway(**settings: Any) -> Any:
    """Return a software gateway for `async with`; it listens on free ports of the loopback interface.

    `settings` are those of `portmapper simulate`, such as `igd_version=1`, `protocols=frozenset({"pcp"})`,
    `quirks=frozenset({"M1"})` and `external_address="…"`. Within the block, the attributes `pcp_port`,
    `ssdp_port` and `location` are its addresses, and `table` and `requests` its state. `mute(protocol)` makes
    it silent, and `restart()` clears its table.

    Raises:
        PortmapperError: on entering, if it cannot listen, or a quirk or protocol is unknown.
    """
    # The core must not import a plugin statically, so this one is imported by name when a test needs it.
    simulator = importlib.import_module("portmapper_simulator.gateway")
    kinds = importlib.import_module("portmapper_simulator.settings")
    return simulator.EmbeddedGateway(kinds.Settings(**settings))
