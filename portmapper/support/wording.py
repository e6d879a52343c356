"""Words that every screen and the log use in the same way: ports, protocols and events."""

from __future__ import annotations

from portmapper.support.text import endpoint

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Any

PROTOCOLS = {"pcp": "PCP", "natpmp": "NAT-PMP", "upnp": "UPnP"}
"""Names of the standard backends' protocols; a plugin's backend is shown by its own name."""

_OF_GATEWAY = ("gateway_found", "gateway_lost", "gateway_restarted")


def protocol_name(backend: str) -> str:
    """Return the name of a backend's protocol: `PCP` for `pcp`."""
    return PROTOCOLS.get(backend, backend)


def reasons_text(reasons: Mapping[str, object]) -> str:
    """Return the reasons of several backends, each once: `PCP and NAT-PMP: no route; UPnP: no answer`."""
    backends: dict[str, list[str]] = {}
    for backend, reason in reasons.items():
        backends.setdefault(str(reason), []).append(protocol_name(backend))
    return "; ".join(f"{' and '.join(names)}: {reason}" for reason, names in backends.items())


def port_text(port: object, protocol: str) -> str:
    """Return a port with its protocol: `8080/tcp`, `any/udp`."""
    return f"{port or 'any'}/{protocol.lower()}"


def event_text(event: Mapping[str, Any]) -> str:
    """Return an event as a line: `opened 8080/tcp → 192.168.1.2:80 over PCP on 192.168.1.1`."""
    if event["event"] in _OF_GATEWAY:
        words = ["gateway", event["gateway"], event["event"].removeprefix("gateway_")]
    else:
        words = [event["event"].replace("_", " "), _mapping(event), *_place(event)]
    line = " ".join(word for word in words if word)
    return f"{line}: {event['detail']}" if event["detail"] else line


def _place(event: Mapping[str, Any]) -> list[str]:
    over = [f"over {protocol_name(event['backend'])}"] if event["backend"] else []
    return [*over, f"on {event['gateway']}"] if event["gateway"] else over


def _mapping(event: Mapping[str, Any]) -> str:
    """Return port and host; a mapping that was refused has no external port, so show the internal one."""
    if not event["protocol"]:
        return ""
    port = port_text(event["external_port"] or event["internal_port"], event["protocol"])
    if event["internal_port"] is None:  # paused without a daemon, which would know the row
        return port
    return f"{port} → {endpoint(event['internal_address'], event['internal_port'], 'this host')}"
