"""Topics and payloads for the broker and for Home Assistant."""

from __future__ import annotations

import json
import re
from typing import Any

from portmapper import __version__
from portmapper.api import Event, EventKind, external_kind

_STATES = {
    EventKind.OPENED: "open",
    EventKind.RENEWED: "open",
    EventKind.EXTERNAL_PORT_CHANGED: "open",
    EventKind.EXTERNAL_ADDRESS_CHANGED: "open",
    EventKind.FAILED: "failed",
    EventKind.CONFLICT: "conflict",
    EventKind.LOST: "lost",
}
_ADDRESS = "external_address"

Messages = dict[str, str]
"""Payload by topic, all retained; an empty payload deletes the topic."""


class Topics:
    """The topics of one host."""

    def __init__(self, host: str, discovery: str) -> None:
        self.host = re.sub(r"[^A-Za-z0-9_-]", "_", host)[:64] or "host"
        self.status = f"portmapper/{self.host}/status"
        self._discovery = discovery

    def messages(self, event: Event) -> Messages:
        """Return the messages for an event; none for an event without a mapping."""
        if event.protocol is None or event.internal_port is None:
            return {}
        mapping_id = _mapping_id(event)
        state_topic = f"portmapper/{self.host}/{mapping_id}/state"
        config_topic = self._config_topic(mapping_id)
        if event.kind is EventKind.CLOSED:
            return dict.fromkeys([state_topic, config_topic], "")
        if event.kind not in _STATES:
            return {}
        config = self._mapping_config(event, mapping_id, state_topic)
        return {**self._address(event), config_topic: config, state_topic: _state(event)}

    def _address(self, event: Event) -> Messages:
        """Return the messages for the sensor of the external address; over IPv6, each host has its own."""
        address = event.external_address if _STATES[event.kind] == "open" else None
        if address is None or address.version == 6:
            return {}
        topic = f"portmapper/{self.host}/{_ADDRESS}"
        config = self._config("External address", _ADDRESS, topic, f"value_json.{_ADDRESS}", "mdi:wan")
        payload = json.dumps({_ADDRESS: str(address), "kind": external_kind(address).value})
        return {self._config_topic(_ADDRESS): config, topic: payload}

    def _mapping_config(self, event: Event, mapping_id: str, topic: str) -> str:
        port = event.wanted_external_port or event.internal_port
        name = f"{event.comment or 'port'} {port}/{str(event.protocol).lower()}"
        return self._config(name, mapping_id, topic, "value_json.state", "mdi:lan-connect")

    def _config_topic(self, sensor: str) -> str:
        return f"{self._discovery}/sensor/portmapper_{self.host}/{sensor}/config"

    def _config(self, name: str, sensor: str, topic: str, value: str, icon: str) -> str:
        """Return the discovery message of a sensor: its state and its attributes are one JSON document."""
        config: dict[str, Any] = {
            "name": name,
            "unique_id": f"portmapper_{self.host}_{sensor}",
            "state_topic": topic,
            "value_template": f"{{{{ {value} }}}}",
            "json_attributes_topic": topic,
            "availability_topic": self.status,
            "icon": icon,
            "device": {
                "identifiers": [f"portmapper_{self.host}"],
                "name": f"portmapper on {self.host}",
                "manufacturer": "portmapper",
                "sw_version": __version__,
            },
            "origin": {"name": "portmapper", "sw_version": __version__},
        }
        return json.dumps(config)


def _mapping_id(event: Event) -> str:
    """Return an id of the mapping that stays the same when its lease changes."""
    return f"{event.protocol}_{event.family}_{event.wanted_external_port}_{event.internal_port}".lower()


def _state(event: Event) -> str:
    is_open = _STATES[event.kind] == "open"
    address = event.external_address if is_open else None
    return json.dumps(
        {
            "state": _STATES[event.kind],
            "external_address": None if address is None else str(address),
            "external_port": event.external_port if is_open else None,
            "internal_address": None if event.internal_address is None else str(event.internal_address),
            "internal_port": event.internal_port,
            "backend": event.backend,
            "detail": event.detail,
        }
    )
