"""What a mapping needs next: which gateway to ask, what to wait for, and how urgent it is. Pure."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Sequence

from portmapper.api.backend import Backend, Gateway, MapsOtherHosts, RestrictsRemoteHosts, Target
from portmapper.api.errors import GatewayTimeout, Unsupported
from portmapper.api.model import IPNetwork, remote_text
from portmapper.gateways.probe import Probe
from portmapper.gateways.workqueue import Priority
from portmapper.network.placement import Place
from portmapper.scheduler.record import Attempt, Record, Refusal
from portmapper.support.values import frozen
from portmapper.support.wording import reasons_text


@frozen
class Ask:
    """Request the mapping from this gateway, for this place."""

    gateway: Gateway
    place: Place

    @property
    def attempt(self) -> Attempt:
        """The gateway's identity and the internal address."""
        return (self.gateway.identity, self.place.internal_address)


@frozen
class Wait:
    """Wait until the search of this target has settled or ended."""

    target: Target


@frozen
class Skip:
    """Note that this gateway cannot serve the mapping."""

    attempt: Attempt
    refusal: Refusal


Step = Ask | Wait | Skip


def next_step(
    record: Record, search: Callable[[Target], Probe], allowed: Collection[str] | None
) -> Step | None:
    """Return the next step of an attempt; None if no gateway is left to ask.

    The holder of the lease is asked first, so a renewal is an attempt too. A mapping that rebinds asks the
    best place first.

    Args:
        record: during an attempt.
        search: returns the search of a target, and starts it the first time.
        allowed: names of the backends that may open ports; None is every one.
    """
    for place in _places(record):
        probe = search(place.target)
        if probe.done or (probe.settled and not _waits_for_check(record, probe)):
            step = next(_candidates(record, probe, place, allowed), None)
            if step is not None:
                return step
        if not probe.done:
            return Wait(place.target)
    return None


def priority(record: Record, *, stored: bool, prompt: Collection[str]) -> Priority:
    """Return how urgent a request is.

    Args:
        record: the mapping's.
        stored: an earlier run may have left it open.
        prompt: sources whose mappings a person waits for.
    """
    if record.lease is not None or stored:
        return Priority.RENEW
    if record.lost_at is not None or record.mapping.source in prompt:
        return Priority.REOPEN
    return Priority.OPEN


def unserved(
    record: Record, backends: Sequence[Backend], allowed: Collection[str] | None
) -> Iterator[Refusal]:
    """Yield a refusal for each backend if none of those that may open the mapping has its family."""
    family = record.mapping.family
    able = [backend for backend in backends if _may(record, backend.name, allowed)]
    if not any(family in backend.families for backend in able):
        version = family.value.replace("ip", "IP")
        yield from ((backend.name, Unsupported(f"does not support {version}")) for backend in able)


def search_errors(record: Record, search: Callable[[Target], Probe]) -> str:
    """Return what the searches reported that found no gateway, by backend; silence is no report."""
    probes = [search(place.target) for place in record.places]
    found = {
        name: error
        for probe in probes
        if not probe.gateways
        for name, error in probe.failures.items()
        if not isinstance(error, GatewayTimeout)
    }
    return reasons_text(found)


def _places(record: Record) -> Sequence[Place]:
    lease = record.lease
    if lease is None or (record.rebind and not record.suspect):
        return record.places
    return sorted(record.places, key=lambda place: place.internal_address != lease.internal_address)


def _candidates(
    record: Record, probe: Probe, place: Place, allowed: Collection[str] | None
) -> Iterator[Ask | Skip]:
    holder = record.lease.gateway if record.lease else None
    remote = record.mapping.remote
    for gateway in sorted(probe.gateways, key=lambda g: (g.identity != holder, not _checks(g, remote))):
        attempt = (gateway.identity, place.internal_address)
        may = record.is_for(gateway.address) and _may(record, gateway.backend, allowed)
        if attempt in record.tried or not may:
            continue
        if place.internal_address != gateway.local_address and not isinstance(gateway, MapsOtherHosts):
            reason = (
                f"{gateway.protocol} opens ports only for the host that sends the request: "
                f"run portmapper on {place.internal_address}"
            )
            yield Skip(attempt, (gateway.identity, Unsupported(reason)))
        elif remote is not None and not _can_restrict(gateway, remote):
            reason = f"{gateway.protocol} cannot restrict a port to {remote_text(remote)}"
            yield Skip(attempt, (gateway.identity, Unsupported(reason)))
        else:
            yield Ask(gateway, place)


def _can_restrict(gateway: Gateway, remote: IPNetwork) -> bool:
    return isinstance(gateway, RestrictsRemoteHosts) and gateway.can_restrict_to(remote)


def _checks(gateway: Gateway, remote: IPNetwork | None) -> bool:
    """Return whether the gateway's table shows that only these hosts may connect."""
    if remote is None or not isinstance(gateway, RestrictsRemoteHosts):
        return False
    return gateway.restriction_is_checked and gateway.can_restrict_to(remote)


def _waits_for_check(record: Record, probe: Probe) -> bool:
    """Return whether a gateway may still answer that shows who may connect.

    Some gateways grant a restriction over PCP, and let every host connect.
    """
    remote = record.mapping.remote
    return (
        remote is not None
        and record.lease is None
        and not any(_checks(gateway, remote) for gateway in probe.gateways)
    )


def _may(record: Record, backend: str, allowed: Collection[str] | None) -> bool:
    if record.mapping.backend is not None:
        return backend == record.mapping.backend
    return allowed is None or backend in allowed
