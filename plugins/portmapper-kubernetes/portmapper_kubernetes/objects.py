"""What is kept of each object of the API server. Tenants wrote it, so all sizes are bounded."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import attrs

MAX_TEXT = 4096
"""Characters that are kept of an annotation. A longer one is rejected, and only its beginning is kept."""

MAX_ANNOTATIONS = 16
MAX_PORTS = 256
MAX_ADDRESSES = 16

FINALIZER = "portmapper.dev/close-ports"

STATUS = "status"
"""Name of the annotation in which the state of a Service's ports is reported."""

GROUP = "portmapper.dev"
VERSION = "v1alpha1"


@attrs.frozen(slots=True)
class Reference:
    """One object, as Events and messages name it.

    Attributes:
        kind: `Service` or `PortMapping`.
        namespace: its namespace.
        name: its name.
        uid: its unique identifier; another object of the same name has another one.
        created: when it was created, as RFC 3339 text in UTC, which sorts by time.
    """

    kind: str
    namespace: str
    name: str
    uid: str
    created: str

    @property
    def origin(self) -> str:
        """The name in `status` and in events: `service/NAMESPACE/NAME`."""
        return f"{self.kind.lower()}/{self.namespace}/{self.name}"

    @property
    def age(self) -> tuple[str, bool, str]:
        """Sort key: the oldest object first; in the same second, Services first."""
        return (self.created, self.kind != "Service", self.origin)

    @property
    def api_version(self) -> str:
        """API group and version."""
        return "v1" if self.kind == "Service" else f"{GROUP}/{VERSION}"

    @property
    def path(self) -> str:
        """Path of the object on the API server."""
        if self.kind == "Service":
            return f"api/v1/namespaces/{self.namespace}/services/{self.name}"
        return f"apis/{GROUP}/{VERSION}/namespaces/{self.namespace}/portmappings/{self.name}"


@attrs.frozen(slots=True)
class ServicePort:
    """One port of a Service."""

    name: str
    protocol: str
    port: int
    node_port: int


@attrs.frozen(slots=True)
class Service:
    """A Service.

    Attributes:
        reference: which one.
        kind: `ClusterIP`, `NodePort` or `LoadBalancer`.
        ports: its ports.
        ingress: the addresses that a load balancer gave it.
        external_ips: the addresses that its author claims.
        annotations: our annotations without the prefix; `status` is not among them.
        load_balancer_class: its load balancer's class, empty for the default.
        deleting: it is being deleted.
        reported: the current text of our status annotation. A change of it is no change of the Service.
    """

    reference: Reference
    kind: str
    ports: tuple[ServicePort, ...]
    ingress: tuple[str, ...]
    external_ips: tuple[str, ...]
    annotations: Mapping[str, str]
    load_balancer_class: str
    deleting: bool
    reported: str = attrs.field(default="", eq=False)
    reported_ingress: tuple[str, ...] = attrs.field(default=(), eq=False)


@attrs.frozen(slots=True)
class PortMapping:
    """A PortMapping object.

    Attributes:
        reference: which one.
        generation: the version of its specification.
        spec: the specification.
        deleting: it is being deleted.
        has_finalizer: it waits for us before it is deleted.
        status: the current status. A change of it is no change of the object.
    """

    reference: Reference
    generation: int
    spec: Mapping[str, Any]
    deleting: bool
    has_finalizer: bool
    status: Mapping[str, Any] = attrs.field(factory=dict, eq=False)


def read_service(found: dict[str, Any], prefix: str, own_class: str = "") -> Service:
    """Reduce a Service to what is needed. Raise `KeyError`, `TypeError` or `ValueError` if it is invalid.

    If its class is `own_class`, its load balancer is portmapper itself, so its ingress is what we reported.
    """
    spec, metadata = found.get("spec") or {}, found["metadata"]
    annotations = _annotations(metadata.get("annotations") or {}, prefix)
    reported = annotations.pop(STATUS, "")
    ingress = _texts(
        entry.get("ip")
        for entry in ((found.get("status") or {}).get("loadBalancer") or {}).get("ingress") or ()
    )
    load_balancer_class = str(spec.get("loadBalancerClass") or "")
    is_own = bool(own_class) and load_balancer_class == own_class
    return Service(
        reference=_reference("Service", metadata),
        kind=str(spec.get("type") or ""),
        ports=tuple(_port(port) for port in (spec.get("ports") or ())[:MAX_PORTS]),
        ingress=() if is_own or spec.get("type") != "LoadBalancer" else ingress,
        external_ips=_texts(spec.get("externalIPs") or ()),
        annotations=annotations,
        load_balancer_class=load_balancer_class,
        deleting="deletionTimestamp" in metadata,
        reported=reported,
        reported_ingress=ingress if is_own else (),
    )


def read_port_mapping(found: dict[str, Any]) -> PortMapping:
    """Reduce a PortMapping to what is needed. The API server has validated it against its schema."""
    metadata = found["metadata"]
    return PortMapping(
        reference=_reference("PortMapping", metadata),
        generation=int(metadata.get("generation") or 0),
        spec=dict(found["spec"]),
        deleting="deletionTimestamp" in metadata,
        has_finalizer=FINALIZER in (metadata.get("finalizers") or ()),
        status=found.get("status") or {},
    )


def read_node(found: dict[str, Any]) -> tuple[str, ...]:
    """Return the addresses of a node."""
    addresses = (found.get("status") or {}).get("addresses") or ()
    return _texts(
        entry.get("address") for entry in addresses if entry.get("type") in ("InternalIP", "ExternalIP")
    )


def _reference(kind: str, metadata: Mapping[str, Any]) -> Reference:
    return Reference(
        kind,
        str(metadata["namespace"]),
        str(metadata["name"]),
        str(metadata["uid"]),
        str(metadata.get("creationTimestamp") or ""),
    )


def _annotations(annotations: Mapping[str, str], prefix: str) -> dict[str, str]:
    start = f"{prefix}/"
    ours = [key for key in sorted(annotations) if key.startswith(start)][:MAX_ANNOTATIONS]
    return {key.removeprefix(start): str(annotations[key]).strip()[: MAX_TEXT + 1] for key in ours}


def _port(port: Mapping[str, Any]) -> ServicePort:
    return ServicePort(
        str(port.get("name") or ""),
        str(port.get("protocol") or "TCP"),
        int(port["port"]),
        int(port.get("nodePort") or 0),
    )


def _texts(values: Iterable[object]) -> tuple[str, ...]:
    return tuple(value for value in values if isinstance(value, str))[:MAX_ADDRESSES]
