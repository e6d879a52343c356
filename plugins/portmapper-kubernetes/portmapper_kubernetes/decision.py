"""Decides which objects are accepted. For one port, the oldest object wins."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

import attrs

from portmapper_kubernetes.cluster import Cluster
from portmapper_kubernetes.mapping_ports import wanted_of_mapping
from portmapper_kubernetes.objects import PortMapping, Reference, Service
from portmapper_kubernetes.rejections import DeniedByPolicy, InvalidSpec, PortTaken, Rejection
from portmapper_kubernetes.service_ports import is_served, wanted_of_service
from portmapper_kubernetes.wanted import Wanted


@attrs.frozen
class Verdict:
    """What was decided for one object.

    Attributes:
        reference: the object.
        generation: the version of its specification; 0 for a Service.
        wanted: the ports that portmapper keeps open for it.
        rejection: why it is not accepted, or not all of it; None if it is.
    """

    reference: Reference
    generation: int
    wanted: tuple[Wanted, ...] = ()
    rejection: Rejection | None = None


def decide(cluster: Cluster, mappings: Iterable[PortMapping]) -> list[Verdict]:
    """Return a verdict for each object that asks for a port, the oldest first."""
    asking = [
        *_judge_services(cluster),
        *(_judge_mapping(mapping, cluster) for mapping in mappings if not mapping.deleting),
    ]
    holders: dict[object, Reference] = {}
    return [_settle(verdict, holders) for verdict in sorted(asking, key=lambda v: v.reference.age)]


def _judge_services(cluster: Cluster) -> Iterator[Verdict]:
    for service in cluster.services.values():
        if is_served(service, cluster):
            yield _judge_service(service, cluster)


def _judge_service(service: Service, cluster: Cluster) -> Verdict:
    try:
        _check_namespace(service.reference, cluster)
        return Verdict(service.reference, 0, tuple(wanted_of_service(service, cluster)))
    except Rejection as rejection:
        return Verdict(service.reference, 0, rejection=rejection)


def _judge_mapping(mapping: PortMapping, cluster: Cluster) -> Verdict:
    try:
        _check_namespace(mapping.reference, cluster)
        wanted = wanted_of_mapping(mapping, cluster)
        return Verdict(mapping.reference, mapping.generation, tuple(wanted))
    except Rejection as rejection:
        return Verdict(mapping.reference, mapping.generation, rejection=rejection)
    except (KeyError, TypeError, ValueError):  # the installed CRD is not ours
        invalid = InvalidSpec("the specification does not match the schema: apply deploy/crd.yaml")
        return Verdict(mapping.reference, mapping.generation, rejection=invalid)


def _check_namespace(reference: Reference, cluster: Cluster) -> None:
    allowed = cluster.limits.namespaces
    if allowed and reference.namespace not in allowed:
        raise DeniedByPolicy(f"the operator does not serve the namespace {reference.namespace}")


def _settle(verdict: Verdict, holders: dict[object, Reference]) -> Verdict:
    """Drop the ports that an older object has."""
    kept, rejection = [], verdict.rejection
    for wanted in verdict.wanted:
        holder = holders.setdefault(wanted.claim, verdict.reference)
        if holder is verdict.reference and wanted not in kept:
            kept.append(wanted)
        else:
            rejection = rejection or _taken(wanted, holder)
    return attrs.evolve(verdict, wanted=tuple(kept), rejection=rejection)


def _taken(wanted: Wanted, holder: Reference) -> PortTaken:
    port = f"port {wanted.external}/{wanted.protocol.lower()}"
    return PortTaken(
        f"{port} belongs to the older {holder.kind} {holder.namespace}/{holder.name}: use another port"
    )
