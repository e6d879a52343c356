"""What is written to objects: status, annotations, finalizers and Events."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from portmapper.support.wall_clock import wall_now
from portmapper_kubernetes.conditions import HELD_BACK, Condition, Document, State, reachable_state
from portmapper_kubernetes.objects import FINALIZER, PortMapping, Reference

MANAGER = {"fieldManager": "portmapper", "force": "true"}
"""Query of server-side apply."""

MAX_REPORTED = 64
"""Ports that the annotation of a Service lists."""


def mapping_status(state: State, before: Mapping[str, Any]) -> dict[str, Any]:
    """Return the status of a PortMapping; equal to `before` if nothing changed."""
    first = next(iter(state.open_ports), None)
    status: dict[str, Any] = {
        "observedGeneration": state.verdict.generation,
        "conditions": _with_times(state, before.get("conditions")),
    }
    if first is not None:
        status |= {
            "externalPort": first["external_port"],
            "internalAddress": first["internal_address"],
            "gateway": first["gateway"],
            "protocolUsed": first["backend"],
        }
        if first["external_address"]:
            status["externalAddress"] = first["external_address"]
    return status


def _with_times(state: State, before: object) -> list[dict[str, Any]]:
    """Add the times: a condition keeps its time while its status stays the same."""
    earlier = {
        entry.get("type"): entry
        for entry in (before if isinstance(before, list) else ())
        if isinstance(entry, dict)
    }
    now = wall_now().strftime("%Y-%m-%dT%H:%M:%SZ")
    return [
        {
            "type": condition.kind,
            "status": condition.status,
            "observedGeneration": state.verdict.generation,
            "lastTransitionTime": _since(condition, earlier.get(condition.kind), now),
            "reason": condition.reason,
            "message": condition.message,
        }
        for condition in state.conditions
    ]


def _since(condition: Condition, before: Mapping[str, Any] | None, now: str) -> str:
    if before is not None and before.get("status") == condition.status:
        return str(before.get("lastTransitionTime") or now)
    return now


def service_report(state: State) -> str:
    """Return the text of a Service's annotation `status`."""
    accepted, opened, reachable = state.conditions
    document: dict[str, Any] = {"ports": [_port(port) for port in state.ports[:MAX_REPORTED]]}
    for condition in (accepted, opened, reachable):
        document[condition.kind] = condition.status
        if condition.message and condition.status == "False" and "reason" not in document:
            document |= {"reason": condition.reason, "message": condition.message}
    return json.dumps(document, separators=(",", ":"), sort_keys=True)


def _port(port: Document) -> dict[str, Any]:
    host, number = port["external_address"], port["external_port"]
    described = {
        "port": port["wanted_external_port"] or "any",
        "protocol": port["protocol"],
        "state": "open" if port["state"] == "active" else port["state"],
    }
    if reachable := reachable_state(port):
        described["reachable"] = reachable
    if number:
        described["external"] = f"[{host}]:{number}" if ":" in str(host) else f"{host or ''}:{number}"
    return described


def load_balancer_ingress(state: State) -> list[str]:
    """Return the external addresses of a Service whose load balancer is portmapper."""
    return list(
        dict.fromkeys(port["external_address"] for port in state.open_ports if port["external_address"])
    )


# Bodies of server-side apply. The uid prevents that a deleted object is created again.


def applied_status(reference: Reference, status: Mapping[str, Any]) -> dict[str, Any]:
    """Return the body that sets the status of a PortMapping."""
    return {**_head(reference), "status": dict(status)}


def applied_annotation(reference: Reference, prefix: str, report: str) -> dict[str, Any]:
    """Return the body that sets the annotation of a Service; empty text removes it."""
    body = _head(reference)
    if report:
        body["metadata"]["annotations"] = {f"{prefix}/status": report}
    return body


def applied_ingress(reference: Reference, addresses: Iterable[str]) -> dict[str, Any]:
    """Return the body that sets the load balancer's addresses of a Service."""
    ingress = [{"ip": address} for address in addresses]
    return {**_head(reference), "status": {"loadBalancer": {"ingress": ingress} if ingress else {}}}


def applied_finalizer(mapping: PortMapping, *, wanted: bool) -> dict[str, Any]:
    """Return the body that adds or removes our finalizer."""
    body = _head(mapping.reference)
    if wanted:
        body["metadata"]["finalizers"] = [FINALIZER]
    return body


def _head(reference: Reference) -> dict[str, Any]:
    return {
        "apiVersion": reference.api_version,
        "kind": reference.kind,
        "metadata": {"name": reference.name, "namespace": reference.namespace, "uid": reference.uid},
    }


def event_of(state: State, condition: Condition, identity: str) -> dict[str, Any]:
    """Return an Event about a condition that changed."""
    reference = state.verdict.reference
    now = wall_now()
    return {
        "apiVersion": "events.k8s.io/v1",
        "kind": "Event",
        "metadata": {
            "name": f"{reference.name[:200]}.{int(now.timestamp() * 1e6):x}",
            "namespace": reference.namespace,
        },
        "eventTime": now.isoformat(timespec="microseconds").replace("+00:00", "Z"),
        "reportingController": "portmapper.dev/controller",
        "reportingInstance": identity[:128],
        "action": condition.kind,
        "reason": condition.reason,
        "note": (condition.message or _note(state.open_ports))[:1000],
        "type": "Warning" if condition.status == "False" and condition.reason not in HELD_BACK else "Normal",
        "regarding": {
            "apiVersion": reference.api_version,
            "kind": reference.kind,
            "namespace": reference.namespace,
            "name": reference.name,
            "uid": reference.uid,
        },
    }


def _note(ports: Sequence[Document]) -> str:
    opened = ", ".join(f"{port['external_port']}/{port['protocol'].lower()}" for port in ports[:20])
    return f"open: {opened}" if opened else "accepted"
