"""From what was seen to a verdict: a pure function.

The rules are in order, and the first that applies decides. Only `_proven` says yes: an answer counts only if
this host proves that it is its own, because behind a shared address another host may answer.
"""

from __future__ import annotations

from collections.abc import Callable
from ipaddress import IPv4Network

import attrs

from portmapper.api.model import Protocol
from portmapper.probe.evidence import Cause, Evidence, Listening, State, Verdict
from portmapper.probe.wire import Result
from portmapper.support.text import endpoint

Rule = Callable[[Evidence], Verdict | None]

PRIVATE = tuple(map(IPv4Network, ("10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "169.254.0.0/16")))
"""Networks behind a gateway."""

GOT_THROUGH = frozenset({Result.ANSWERED, Result.CONNECTED, Result.OTHER_ANSWER})


def judge(seen: Evidence) -> Verdict:
    """Return whether the port is reachable, and why not."""
    verdict = next(filter(None, (rule(seen) for rule in RULES)))
    source = seen.source[0] if seen.source and seen.result in GOT_THROUGH else None
    return attrs.evolve(verdict, seen_from=source, seen_as=seen.seen_address)


def _wrong_family(seen: Evidence) -> Verdict | None:
    internal = seen.port.internal_address
    if internal is None or internal.version == seen.seen_address.version:
        return None
    return _unknown(
        Cause.WRONG_FAMILY,
        f"the probe server was reached over IPv{seen.seen_address.version}, but the mapping is for "
        f"IPv{internal.version}; use a URL with an IPv{internal.version} address",
    )


def _inside(seen: Evidence) -> Verdict | None:
    is_private = any(seen.seen_address in network for network in PRIVATE)
    if not is_private or not seen.address_differs:
        return None
    return _unknown(
        Cause.INSIDE,
        f"the probe server is on this side of the gateway: it sees this host as {seen.seen_address}; "
        "use one on the internet",
    )


def _proven(seen: Evidence) -> Verdict | None:
    if seen.received and seen.result is Result.ANSWERED:
        return _by_our_listener(seen)
    is_program = seen.listening is not Listening.ELSEWHERE and not seen.received
    if is_program and seen.result in GOT_THROUGH and (seen.in_table or seen.arrived):
        return Verdict(State.YES, Cause.ANSWERED, f"the program on {seen.port.internal_name} answers")
    return None


def _by_our_listener(seen: Evidence) -> Verdict:
    if not seen.listens_at:
        reason = f"the port is open, but no program listens on {seen.port.internal_name}; a temporary one did"
        return Verdict(State.YES, Cause.NO_PROGRAM, reason)
    where = ", ".join(map(str, seen.listens_at))
    reason = f"the packets arrive, but the program on {seen.port.internal_name} listens only on {where}"
    families = {address.version for address in seen.listens_at}
    if families == {6} and seen.seen_address.version == 4:
        reason += " (IPv6), and the mapping is for IPv4"
    return _no(Cause.WRONG_LISTENER, reason)


def _answer_lost(seen: Evidence) -> Verdict | None:
    if not seen.received:
        return None
    reason = "the probe arrived at this host, but the answer got lost: a firewall drops what this host sends"
    return _no(Cause.ANSWER_LOST, reason)


def _not_ordered(seen: Evidence) -> Verdict | None:
    if seen.result is not Result.NOT_ORDERED:
        return None
    reason = "UDP from this host does not reach the probe server, so UDP ports cannot be tested"
    return _unknown(Cause.UDP_BLOCKED, reason)


def _not_proven(seen: Evidence) -> Verdict | None:
    """Something answered, but this host did not see it."""
    if seen.result not in GOT_THROUGH:
        return None
    at = _external(seen)
    if seen.listening is Listening.ELSEWHERE:
        who = seen.port.internal_address
        reason = f"{at} answers, but only {who} can prove that the answer is its own; run 'probe check' there"
    elif seen.port.protocol is Protocol.UDP and seen.listening is Listening.PROGRAM and seen.arrived is None:
        reason = f"{at} answers, but nothing proves that this host did; stop the program and check again"
    elif seen.in_table is None and seen.listening is Listening.PROGRAM and seen.arrived is None:
        reason = f"{at} answers, but the system does not show this host's connections; run as root"
    elif seen.other_connection:
        reason = f"{at} answers, and a connection came from another address: a relay may hide its source"
    else:
        return _another_host(seen)
    return _unknown(Cause.NOT_PROVEN, reason)


def _another_host(seen: Evidence) -> Verdict:
    answers = f"{_external(seen)} answers, but it is not this host"
    if not seen.address_differs:
        return _no(Cause.ANOTHER_HOST, f"{answers}: another device or the gateway itself has the port")
    return _no(
        Cause.ANOTHER_NAT,
        f"{answers}: the gateway's external address is {seen.port.external_address}, so another NAT (such as "
        "CGNAT) is in between, and the port belongs to another customer there",
    )


def _arrived(seen: Evidence) -> Verdict | None:
    """The packet came to this host, but no connection."""
    if not seen.arrived:
        return None
    name = seen.port.internal_name
    if seen.result is Result.REFUSED and seen.listening is Listening.DENIED:
        return _no(Cause.NO_LISTENER, f"the packet arrived at this host, but no program listens on {name}")
    if seen.port.protocol is Protocol.UDP and seen.listening is Listening.PROGRAM:
        return _unknown(
            Cause.NOT_PROVEN,
            f"the packet arrived at this host, but the program on {name} does not answer probes",
        )
    verb = "rejects" if seen.result in (Result.REFUSED, Result.UNREACHABLE) else "drops"
    reason = f"the packet arrived at this host, but the firewall of this host {verb} it; allow {name}"
    return _no(Cause.HOST_FIREWALL, reason)


def _another_nat(seen: Evidence) -> Verdict | None:
    if not seen.address_differs:
        return None
    return _no(
        Cause.ANOTHER_NAT,
        f"nothing arrives: the gateway's external address is {seen.port.external_address}, but the internet "
        f"sees {seen.seen_address}: another NAT (such as CGNAT) is in between and does not forward the port",
    )


def _silent_program(seen: Evidence) -> Verdict | None:
    """Many programs do not answer unknown datagrams, so silence says nothing."""
    is_silent = seen.result is Result.TIMEOUT and seen.arrived is None
    if not is_silent or seen.port.protocol is not Protocol.UDP or seen.listening is not Listening.PROGRAM:
        return None
    reason = (
        f"the program on {seen.port.internal_name} does not answer probes, and this host may not watch its "
        "packets; run as root, or stop the program and check again"
    )
    return _unknown(Cause.NOT_PROVEN, reason)


def _refused(seen: Evidence) -> Verdict | None:
    if seen.result is Result.UNREACHABLE:
        return _no(Cause.UNREACHABLE, _unreachable(seen))
    if seen.result is not Result.REFUSED:
        return None
    at = _external(seen)
    if seen.listening is Listening.ELSEWHERE:
        reason = f"{at} refuses: no program listens at {seen.port.internal_address}, or a firewall rejects it"
        return _no(Cause.REFUSED, reason)
    if seen.listening is Listening.DENIED and seen.arrived is None:
        return _no(Cause.NO_LISTENER, f"{at} refuses: no program listens on {seen.port.internal_name}")
    blame = "the gateway does not forward the port, or a firewall rejects it"
    return _no(Cause.REFUSED, f"{at} refuses before the packet reaches this host: {blame}")


def _unreachable(seen: Evidence) -> str:
    reason = f"a router or firewall reports that {_external(seen)} is unreachable"
    if seen.listening is Listening.ELSEWHERE:
        return f"{reason}: no host answers at {seen.port.internal_address}, or a firewall rejects the packets"
    return reason


def _silence(seen: Evidence) -> Verdict:
    if seen.hairpin:
        return _no(
            Cause.OUTSIDE_FILTER,
            f"the gateway forwards {seen.port.name} from inside (hairpin), but nothing arrives from outside: "
            "the provider or the gateway's firewall filters it",
        )
    if seen.listening is Listening.ELSEWHERE:
        host = seen.port.internal_address
        blame = f"another NAT, the provider's filter, or no program or a firewall at {host}"
    elif seen.arrived is False:
        blame = "another NAT, the provider's filter or the gateway's firewall"
    else:
        blame = "another NAT, the provider's filter or this host's firewall"
    opened = (
        "the gateway reports open, but nothing arrives" if seen.port.external_address else "nothing arrives"
    )
    return _no(Cause.NOTHING_ARRIVES, f"{opened}: {blame}")


RULES: tuple[Rule, ...] = (
    _wrong_family,
    _inside,
    _proven,
    _answer_lost,
    _not_ordered,
    _not_proven,
    _arrived,
    _another_nat,
    _silent_program,
    _refused,
    _silence,
)


def _external(seen: Evidence) -> str:
    return endpoint(seen.seen_address, seen.port.port)


def _no(cause: Cause, reason: str) -> Verdict:
    return Verdict(State.NO, cause, reason)


def _unknown(cause: Cause, reason: str) -> Verdict:
    return Verdict(State.UNKNOWN, cause, reason)
