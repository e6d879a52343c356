"""The verdict names the cause, and says yes only to a proven answer."""

from __future__ import annotations

import itertools
from ipaddress import ip_address
from typing import Any

import attrs
import pytest

from portmapper.api.model import Protocol
from portmapper.probe.evidence import Cause, Evidence, Listening, OpenPort, State
from portmapper.probe.verdict import judge
from portmapper.probe.wire import Result

HOST = ip_address("192.168.88.2")
EXTERNAL = ip_address("203.0.113.7")
SERVER = (ip_address("198.51.100.7"), 40_000)
TCP = OpenPort(Protocol.TCP, 8080, 80, HOST, EXTERNAL)
UDP = attrs.evolve(TCP, protocol=Protocol.UDP)
OTHER_HOST = attrs.evolve(TCP, internal_address=ip_address("192.168.88.9"), is_ours=False)


def seen(result: Result, port: OpenPort = TCP, **facts: Any) -> Evidence:
    """Return evidence of a port behind a gateway that reports the right address."""
    return Evidence(**{"port": port, "seen_address": EXTERNAL, "result": result, "source": SERVER, **facts})


@pytest.mark.parametrize(
    ("evidence", "state", "cause"),
    [
        (seen(Result.ANSWERED, received=True), State.YES, Cause.NO_PROGRAM),
        (seen(Result.ANSWERED, UDP, received=True), State.YES, Cause.NO_PROGRAM),
        (seen(Result.CONNECTED, listening=Listening.PROGRAM, in_table=True), State.YES, Cause.ANSWERED),
        (
            seen(Result.CONNECTED, listening=Listening.PROGRAM, in_table=False, arrived=True),
            State.YES,
            Cause.ANSWERED,
        ),
        (
            seen(Result.OTHER_ANSWER, UDP, listening=Listening.PROGRAM, arrived=True),
            State.YES,
            Cause.ANSWERED,
        ),
        (
            seen(Result.ANSWERED, received=True, listens_at=(ip_address("127.0.0.1"),)),
            State.NO,
            Cause.WRONG_LISTENER,
        ),
        (
            seen(Result.CONNECTED, listening=Listening.PROGRAM, in_table=False),
            State.NO,
            Cause.ANOTHER_HOST,
        ),
        (
            seen(Result.CONNECTED, listening=Listening.PROGRAM, in_table=False, other_connection=True),
            State.UNKNOWN,
            Cause.NOT_PROVEN,
        ),
        (seen(Result.CONNECTED, listening=Listening.PROGRAM), State.UNKNOWN, Cause.NOT_PROVEN),
        (seen(Result.CONNECTED), State.NO, Cause.ANOTHER_HOST),
        (seen(Result.CONNECTED, seen_address=ip_address("192.0.2.9")), State.NO, Cause.ANOTHER_NAT),
        (seen(Result.ANSWERED), State.NO, Cause.ANOTHER_HOST),
        (
            seen(Result.CONNECTED, OTHER_HOST, listening=Listening.ELSEWHERE),
            State.UNKNOWN,
            Cause.NOT_PROVEN,
        ),
        (seen(Result.OTHER_ANSWER, UDP, listening=Listening.PROGRAM), State.UNKNOWN, Cause.NOT_PROVEN),
        (seen(Result.TIMEOUT, UDP, listening=Listening.PROGRAM), State.UNKNOWN, Cause.NOT_PROVEN),
        (
            seen(Result.TIMEOUT, UDP, listening=Listening.PROGRAM, arrived=True),
            State.UNKNOWN,
            Cause.NOT_PROVEN,
        ),
        (
            seen(Result.TIMEOUT, UDP, listening=Listening.PROGRAM, arrived=False),
            State.NO,
            Cause.NOTHING_ARRIVES,
        ),
        (seen(Result.TIMEOUT, UDP, received=True), State.NO, Cause.ANSWER_LOST),
        (seen(Result.TIMEOUT, arrived=True), State.NO, Cause.HOST_FIREWALL),
        (seen(Result.REFUSED, arrived=True), State.NO, Cause.HOST_FIREWALL),
        (seen(Result.REFUSED, arrived=True, listening=Listening.DENIED), State.NO, Cause.NO_LISTENER),
        (seen(Result.REFUSED, listening=Listening.DENIED), State.NO, Cause.NO_LISTENER),
        (seen(Result.REFUSED), State.NO, Cause.REFUSED),
        (seen(Result.REFUSED, OTHER_HOST, listening=Listening.ELSEWHERE), State.NO, Cause.REFUSED),
        (seen(Result.UNREACHABLE), State.NO, Cause.UNREACHABLE),
        (seen(Result.UNREACHABLE, OTHER_HOST, listening=Listening.ELSEWHERE), State.NO, Cause.UNREACHABLE),
        (seen(Result.TIMEOUT), State.NO, Cause.NOTHING_ARRIVES),
        (seen(Result.TIMEOUT, arrived=False), State.NO, Cause.NOTHING_ARRIVES),
        (seen(Result.TIMEOUT, OTHER_HOST, listening=Listening.ELSEWHERE), State.NO, Cause.NOTHING_ARRIVES),
        (seen(Result.TIMEOUT, hairpin=True), State.NO, Cause.OUTSIDE_FILTER),
        (seen(Result.TIMEOUT, seen_address=ip_address("192.0.2.9")), State.NO, Cause.ANOTHER_NAT),
        (seen(Result.REFUSED, seen_address=ip_address("192.0.2.9")), State.NO, Cause.ANOTHER_NAT),
        (
            seen(Result.ANSWERED, received=True, seen_address=ip_address("2001:db8::1")),
            State.UNKNOWN,
            Cause.WRONG_FAMILY,
        ),
        (seen(Result.ANSWERED, received=True, seen_address=HOST), State.UNKNOWN, Cause.INSIDE),
        (seen(Result.NOT_ORDERED, UDP), State.UNKNOWN, Cause.UDP_BLOCKED),
    ],
)
def test_each_observation_has_one_cause(evidence: Evidence, state: State, cause: Cause) -> None:
    """The facts are those that the lab produces."""
    verdict = judge(evidence)
    assert (verdict.state, verdict.cause) == (state, cause), verdict.reason
    assert verdict.reason
    assert "\n" not in verdict.reason


def test_an_address_that_differs_does_not_hide_a_proven_answer() -> None:
    """Some outer routers forward every port."""
    verdict = judge(seen(Result.ANSWERED, received=True, seen_address=ip_address("192.0.2.9")))
    assert verdict.state is State.YES
    assert str(verdict.seen_as) == "192.0.2.9"


def test_a_wrong_listener_over_ipv6_is_named() -> None:
    """The user learns that the families differ."""
    verdict = judge(seen(Result.ANSWERED, received=True, listens_at=(ip_address("::"),)))
    assert "IPv6" in verdict.reason
    assert "IPv4" in verdict.reason


def test_yes_needs_a_proof_in_every_combination() -> None:
    """Without the nonce, the table or the packet, no combination of facts is a yes."""
    ports = (TCP, UDP, OTHER_HOST)
    combinations = itertools.product(
        ports, Result, Listening, (None, False), (False, True), (None, False), (None, True), (False, True)
    )
    for port, result, listening, in_table, other, arrived, hairpin, received in combinations:
        facts = {"in_table": in_table, "other_connection": other, "arrived": arrived, "hairpin": hairpin}
        is_answer = received and result is Result.ANSWERED
        verdict = judge(seen(result, port, listening=listening, received=received, **facts))
        assert verdict.state is not State.YES or is_answer
