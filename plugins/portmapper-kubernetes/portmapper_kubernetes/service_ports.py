"""From a Service with annotations to the ports that it wants open."""

from __future__ import annotations

import attrs

from portmapper.api import DEFAULT_DURATION, MAX_DURATION, Protocol, quoted
from portmapper.support.duration import EXAMPLES, parse_duration
from portmapper_kubernetes.cluster import Cluster
from portmapper_kubernetes.limits import Limits
from portmapper_kubernetes.objects import MAX_TEXT, Service
from portmapper_kubernetes.port_wishes import ALL, Wish, read_wishes
from portmapper_kubernetes.rejections import InvalidSpec
from portmapper_kubernetes.targets import Target, targets_of
from portmapper_kubernetes.times import FIELDS, read_times
from portmapper_kubernetes.wanted import Wanted

ANNOTATIONS = ("ports", "address", "lifetime", "family", "conflict", "class", *FIELDS)
CONFLICTS = ("keep", "next", "overwrite", "fail", "own", "take")


def is_served(service: Service, cluster: Cluster) -> bool:
    """Return whether this controller opens ports for the Service."""
    if service.deleting:
        return False
    selection = cluster.selection
    if selection.load_balancer_class and service.load_balancer_class == selection.load_balancer_class:
        return True
    return "ports" in service.annotations and service.annotations.get("class", "") == selection.name


def wanted_of_service(service: Service, cluster: Cluster) -> list[Wanted]:
    """Return the ports that a Service wants open.

    Raises:
        Rejection: an annotation is invalid, or the operator does not allow it.
    """
    given = service.annotations
    for name, text in given.items():
        if name not in ANNOTATIONS:
            raise InvalidSpec(
                f"unknown annotation {quoted(name)}; the annotations are: {', '.join(ANNOTATIONS)}"
            )
        if len(text) > MAX_TEXT or not text.isprintable():
            raise InvalidSpec(f"the annotation {name} is too long or contains control characters")
    lifetime = read_lifetime(given.get("lifetime", ""))
    conflict = read_conflict(given.get("conflict", ""), cluster.limits)
    times = read_times(given)
    wishes = read_wishes(given.get("ports", ALL), service.ports)
    targets = targets_of(service, given.get("address", ""), given.get("family", ""), cluster)
    plain = [_wanted(service, wish, target, cluster) for wish in wishes for target in targets]
    return [attrs.evolve(port, lifetime=lifetime, conflict=conflict, times=times) for port in plain]


def _wanted(service: Service, wish: Wish, target: Target, cluster: Cluster) -> Wanted:
    internal_port, reference = target.internal_port(wish.port), service.reference
    # IPv6 has no port translation, so a pinhole opens the internal port.
    external = internal_port if target.family.version == 6 else wish.external
    if isinstance(external, int):
        cluster.limits.check_external(external)
    return Wanted(
        reference=reference,
        label=wish.port.name or str(wish.port.port),
        protocol=Protocol(wish.port.protocol),
        family=target.family,
        external=external,
        internal_port=internal_port,
        address=target.address,
        comment=f"{reference.namespace}/{reference.name}:{wish.port.port}",
    )


def read_lifetime(text: str) -> int:
    """Return a lifetime in seconds. Raise `InvalidSpec` if the text is none."""
    if not text:
        return DEFAULT_DURATION
    try:
        seconds = parse_duration(text)
    except ValueError:
        seconds = -1
    if not 0 <= seconds <= MAX_DURATION:
        raise InvalidSpec(f"lifetime {quoted(text)} is not a time: {EXAMPLES}")
    return seconds


def read_conflict(text: str, limits: Limits) -> str:
    """Return a conflict policy as a row names it. Raise a `Rejection` if it is invalid or not allowed."""
    if text and text.lower() not in CONFLICTS:
        raise InvalidSpec(f"conflict {quoted(text)} is not one of {', '.join(CONFLICTS[:4])}")
    limits.check_conflict(text)
    return text.lower()
