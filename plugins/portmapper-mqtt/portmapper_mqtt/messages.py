"""Topics and payloads for the broker and for Home Assistant."""

from __future__ import annotations

import json
import re

from portmapper.api import Event, EventKind

_STATES = {
    EventKind.OPENED: "open",
    EventKind.RENEWED: "open",
    EventKind.EXTERNAL_PORT_CHANGED: "open",
    EventKind.EXTERNAL_ADDRESS_CHANGED: "open",
    EventKind.FAILED: "failed",
    EventKind.CONFLICT: "conflict",
    EventKind.LOST: "lost",
}
_SENSORS = {"state": "State", "external_address": "External address", "external_port": "External port"}

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
        configs = {sensor: self._config_topic(mapping_id, sensor) for sensor in _SENSORS}
        if event.kind is EventKind.CLOSED:
            return dict.fromkeys([state_topic, *configs.values()], "")
        if event.kind not in _STATES:
            return {}
        messages = {
            topic: self._config(event, mapping_id, sensor, state_topic) for sensor, topic in configs.items()
        }
        return {**messages, state_topic: _state(event)}

    def _config_topic(self, mapping_id: str, sensor: str) -> str:
        return f"{self._discovery}/sensor/portmapper_{self.host}/{mapping_id}_{sensor}/config"

    def _config(self, event: Event, mapping_id: str, sensor: str, state_topic: str) -> str:
        port = event.wanted_external_port or event.internal_port
        title = event.comment or "port"
        return json.dumps(
            {
                "name": f"{title} {port}/{event.protocol}: {_SENSORS[sensor]}",
                "unique_id": f"portmapper_{self.host}_{mapping_id}_{sensor}",
                "state_topic": state_topic,
                "value_template": f"{{{{ value_json.{sensor} }}}}",
                "availability_topic": self.status,
                "device": {
                    "identifiers": [f"portmapper_{self.host}"],
                    "name": f"portmapper on {self.host}",
                    "manufacturer": "portmapper",
                },
            }
        )


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
