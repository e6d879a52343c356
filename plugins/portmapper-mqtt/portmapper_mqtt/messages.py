"""Topics and payloads: what a mapping's events mean to the broker and to Home Assistant."""

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
"""Topic to payload, all retained; an empty payload takes the topic away."""


class Topics:
    """The topics of one host."""

    def __init__(self, host: str, discovery: str) -> None:
        self.host = re.sub(r"[^A-Za-z0-9_-]", "_", host)[:64] or "host"
        self.status = f"portmapper/{self.host}/status"
        self._discovery = discovery

    def messages(self, event: Event) -> Messages:
        """Return what an event changes; nothing for one that is about no mapping."""
        if event.protocol is None or event.internal_port is None:
            return {}
        slot = _slot(event)
        state_topic = f"portmapper/{self.host}/{slot}/state"
        configs = {sensor: self._config_topic(slot, sensor) for sensor in _SENSORS}
        if event.kind is EventKind.CLOSED:
            return dict.fromkeys([state_topic, *configs.values()], "")
        if event.kind not in _STATES:
            return {}
        found = {topic: self._config(event, slot, sensor, state_topic) for sensor, topic in configs.items()}
        return {**found, state_topic: _state(event)}

    def _config_topic(self, slot: str, sensor: str) -> str:
        return f"{self._discovery}/sensor/portmapper_{self.host}/{slot}_{sensor}/config"

    def _config(self, event: Event, slot: str, sensor: str, state_topic: str) -> str:
        port = event.wanted_external_port or event.internal_port
        title = event.comment or "port"
        return json.dumps(
            {
                "name": f"{title} {port}/{event.protocol}: {_SENSORS[sensor]}",
                "unique_id": f"portmapper_{self.host}_{slot}_{sensor}",
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


def _slot(event: Event) -> str:
    """Name the mapping by what stays the same while its lease changes."""
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
