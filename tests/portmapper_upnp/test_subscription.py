"""The subscription to a service's events."""

from __future__ import annotations

import asyncio
import ipaddress
from collections.abc import AsyncIterator, Mapping
from typing import Any

import pytest

from portmapper.api.errors import NetworkFailure, Unsupported
from portmapper.testing.calls import until
from portmapper_upnp import subscription as module
from portmapper_upnp.subscription import Subscription

LOOPBACK = ipaddress.ip_address("127.0.0.1")
FIRST = {"ExternalIPAddress": "203.0.113.7", "PortMappingNumberOfEntries": "1"}


class Service:
    """A service with events.

    Attributes:
        requests: method and headers of each request.
        answers: the answers in order; the last one repeats.
    """

    event_url = "http://127.0.0.1/evt"

    def __init__(self) -> None:
        self.requests: list[tuple[str, Mapping[str, str]]] = []
        self.answers: list[Mapping[str, str] | Exception] = [{"SID": "uuid:1", "TIMEOUT": "Second-1800"}]

    async def event_request(self, method: str, headers: Mapping[str, str]) -> Mapping[str, str]:
        """Answer a request."""
        self.requests.append((method, headers))
        answer = self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]
        if isinstance(answer, Exception):
            raise answer
        return answer


class Subscribed:
    """A subscription and what it reported."""

    def __init__(self) -> None:
        self.changes: list[Mapping[str, str]] = []
        self.service: Any = Service()
        self.began = 0
        self.subscription = Subscription(LOOPBACK, LOOPBACK, self._begin, self._change)

    def _begin(self) -> None:
        self.began += 1

    def _change(self, _: Mapping[str, str], changed: Mapping[str, str]) -> None:
        self.changes.append(changed)

    async def start(self) -> None:
        """Subscribe, and wait for the answer."""
        self.subscription.start(self.service)
        await until(lambda: bool(self.service.requests), "it never happened")
        await asyncio.sleep(0)

    def event(self, values: Mapping[str, str], sid: str = "uuid:1") -> bool:
        """Receive an event."""
        return self.subscription._received(sid, values)


@pytest.fixture
async def subscribed() -> AsyncIterator[Subscribed]:
    """A subscription that is not started."""
    subscribed = Subscribed()
    yield subscribed
    await subscribed.subscription.close()


async def test_it_is_active_after_its_first_event(subscribed: Subscribed) -> None:
    """A firewall may drop the events, although the gateway accepts the subscription."""
    await subscribed.start()
    assert not subscribed.subscription.is_active
    assert subscribed.event(FIRST)
    assert subscribed.subscription.is_active
    assert (subscribed.began, subscribed.changes) == (1, [])
    (method, headers), *_ = subscribed.service.requests
    assert (method, headers["NT"], headers["TIMEOUT"]) == ("SUBSCRIBE", "upnp:event", "Second-1800")
    assert headers["CALLBACK"].startswith("<http://127.0.0.1:")


async def test_only_changed_variables_are_reported(subscribed: Subscribed) -> None:
    """Some gateways repeat all of them."""
    await subscribed.start()
    subscribed.event(FIRST)
    subscribed.event({**FIRST, "ExternalIPAddress": "203.0.113.9"})
    assert (subscribed.began, subscribed.changes) == (1, [{"ExternalIPAddress": "203.0.113.9"}])


async def test_the_first_event_may_overtake_the_answer(subscribed: Subscribed) -> None:
    """Some gateways send it first."""
    subscribed.subscription.start(subscribed.service)
    assert subscribed.event(FIRST)
    await until(lambda: subscribed.subscription.is_active, "it never happened")
    assert subscribed.subscription.values == FIRST


async def test_events_of_another_subscription_are_refused(subscribed: Subscribed) -> None:
    """Of an earlier run, or forged ones."""
    assert not subscribed.event(FIRST)
    await subscribed.start()
    assert not subscribed.event(FIRST, "uuid:2")
    assert not subscribed.subscription.is_active


async def test_it_is_renewed_at_half_of_its_time(subscribed: Subscribed, monkeypatch: Any) -> None:
    """Under its id. When the gateway refuses that, polling takes over, and a later use subscribes again."""
    slept: list[float] = []

    async def sleep(seconds: float) -> None:
        slept.append(seconds)

    monkeypatch.setattr(module, "_pause", sleep)
    subscribed.service.answers += [{"SID": "uuid:1", "TIMEOUT": "Second-600"}, Unsupported("412")]
    subscribed.subscription.start(subscribed.service)
    await until(lambda: len(subscribed.service.requests) == 3, "it never happened")
    assert slept[:2] == [900, 300]
    assert subscribed.service.requests[1][1]["SID"] == "uuid:1"
    await until(lambda: not subscribed.subscription.is_active, "it never happened")


@pytest.mark.parametrize("error", [Unsupported("404"), NetworkFailure("no answer")])
async def test_a_gateway_without_events_is_not_asked_again_soon(
    subscribed: Subscribed, error: Exception
) -> None:
    """Each port that opens would cost a request."""
    subscribed.service.answers = [error]
    for _ in range(3):
        subscribed.subscription.start(subscribed.service)
        await asyncio.sleep(0.01)
    assert len(subscribed.service.requests) == 1


async def test_after_a_restart_of_the_gateway_the_next_use_subscribes_again(subscribed: Subscribed) -> None:
    """It has forgotten the subscription."""
    await subscribed.start()
    subscribed.event(FIRST)
    subscribed.subscription.forget()
    assert not subscribed.subscription.is_active
    subscribed.subscription.start(subscribed.service)
    await until(lambda: len(subscribed.service.requests) == 2, "it never happened")


async def test_closing_unsubscribes(subscribed: Subscribed) -> None:
    """So that the gateway sends no events to a closed port."""
    await subscribed.start()
    await subscribed.subscription.close()
    assert subscribed.service.requests[-1] == ("UNSUBSCRIBE", {"SID": "uuid:1"})


async def test_a_very_short_subscription_is_not_kept(subscribed: Subscribed) -> None:
    """Its renewals would cost more than polling."""
    subscribed.service.answers = [{"SID": "uuid:1", "TIMEOUT": "Second-5"}]
    await subscribed.start()
    await until(lambda: subscribed.subscription._task is None, "it never happened")
    assert not subscribed.subscription.is_active
