"""The election, with a clock of the test's own."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import pytest
from portmapper_kubernetes.api_errors import ApiFailure
from portmapper_kubernetes.api_server import ApiServer
from portmapper_kubernetes.election import ElectionOptions, LeaseGuard

from .conftest import LEASES, FakeApi, answer, until

FAST = {"lease_duration": 0.9, "renew_deadline": 0.6, "retry_period": 0.05}


class Clock:
    """A monotonic clock that can jump, as after a pause of the process."""

    def __init__(self) -> None:
        self.offset = 0.0

    def __call__(self) -> float:
        """Return the time."""
        return asyncio.get_running_loop().time() + self.offset


class Replica:
    """A guard that runs."""

    def __init__(self, server: ApiServer, name: str, **options: float) -> None:
        self.clock = Clock()
        self.has_address = True
        self.taken_over = 0
        self.guard = LeaseGuard(
            server,
            ElectionOptions(name, **{**FAST, **options}),  # type: ignore[arg-type]
            self._take_over,
            self.clock,
            lambda: self.has_address,
        )
        self.task = asyncio.create_task(self.guard.run())

    async def _take_over(self, limit: float) -> None:
        self.taken_over += 1

    async def stop(self) -> None:
        """Stop without handing over."""
        self.task.cancel()
        await asyncio.gather(self.task, return_exceptions=True)


@pytest.fixture
async def replicas(server: ApiServer) -> AsyncIterator[list[Replica]]:
    """Replicas that the test starts."""
    started: list[Replica] = []
    yield started
    for replica in started:
        await replica.stop()


def _lease(api: FakeApi) -> dict[str, Any]:
    spec: dict[str, Any] = api.objects[LEASES]["portmapper"]["spec"]
    return spec


async def test_the_first_replica_creates_the_lease_and_leads(
    api: FakeApi, server: ApiServer, replicas: list[Replica]
) -> None:
    """Before it leads, it reads what the last leader left."""
    replicas.append(a := Replica(server, "a"))
    assert not a.guard.may_act()
    await until(a.guard.may_act)
    assert _lease(api)["holderIdentity"] == "a"
    assert a.guard.leader == "a"
    assert a.taken_over == 1


async def test_a_follower_knows_the_leader_and_does_not_act(
    api: FakeApi, server: ApiServer, replicas: list[Replica]
) -> None:
    """It sees each renewal as a change of the Lease."""
    replicas.append(a := Replica(server, "a"))
    await until(a.guard.may_act)
    replicas.append(b := Replica(server, "b"))
    await until(lambda: b.guard.leader == "a")
    await asyncio.sleep(2 * FAST["lease_duration"])
    assert a.guard.may_act()
    assert not b.guard.may_act()
    assert b.taken_over == 0


async def test_a_follower_takes_over_after_the_lease_and_not_before(
    api: FakeApi, server: ApiServer, replicas: list[Replica]
) -> None:
    """The Lease counts from the last renewal of the leader."""
    replicas.append(a := Replica(server, "a"))
    await until(a.guard.may_act)
    replicas.append(b := Replica(server, "b"))
    await until(lambda: b.guard.leader == "a")
    await a.stop()
    renewed = a.guard._renewed_at
    await until(b.guard.may_act)
    assert asyncio.get_running_loop().time() >= renewed + FAST["lease_duration"]
    assert _lease(api)["leaseTransitions"] == 2


async def test_the_clock_of_another_machine_does_not_matter(
    api: FakeApi, server: ApiServer, replicas: list[Replica]
) -> None:
    """A time far in the future does not keep the Lease alive."""
    spec = {"holderIdentity": "z", "leaseDurationSeconds": 1, "renewTime": "2031-01-01T00:00:00.000000Z"}
    api.put(LEASES, {"metadata": {"name": "portmapper"}, "spec": spec})
    replicas.append(a := Replica(server, "a"))
    await until(a.guard.may_act)


async def test_after_a_pause_a_leader_does_not_act(
    api: FakeApi, server: ApiServer, replicas: list[Replica]
) -> None:
    """The first check after the pause already sees that the term is over."""
    replicas.append(a := Replica(server, "a"))
    await until(a.guard.may_act)
    a.clock.offset = 10.0
    assert not a.guard.may_act()
    await until(a.guard.lost.is_set)
    assert not a.guard.may_act()


async def test_closing_a_port_needs_a_margin(
    api: FakeApi, server: ApiServer, replicas: list[Replica]
) -> None:
    """A late release could close what the next leader has just opened."""
    replicas.append(a := Replica(server, "a"))
    await until(a.guard.may_act)
    assert a.guard.release_margin == FAST["renew_deadline"]
    assert a.guard.may_act(0.05)
    assert not a.guard.may_act(FAST["lease_duration"])


@pytest.mark.parametrize("status", [429, 500, 503])
async def test_a_leader_that_cannot_renew_steps_down(
    api: FakeApi, server: ApiServer, replicas: list[Replica], status: int
) -> None:
    """Its process ends, and nothing is sent."""
    replicas.append(a := Replica(server, "a"))
    await until(a.guard.may_act)
    api.fail("PUT", answer(status), times=1000)
    await until(a.guard.lost.is_set)
    assert not a.guard.may_act()


async def test_a_short_outage_is_survived(api: FakeApi, server: ApiServer, replicas: list[Replica]) -> None:
    """Within the deadline, a failed renewal is repeated."""
    replicas.append(a := Replica(server, "a"))
    await until(a.guard.may_act)
    api.fail("PUT", answer(500), times=2)
    await until(lambda: not api.faults)
    await until(a.guard.may_act)
    assert not a.guard.lost.is_set()


async def test_a_server_that_hangs_does_not_delay_stepping_down(
    api: FakeApi, server: ApiServer, replicas: list[Replica]
) -> None:
    """Each request is bounded by the deadline."""

    async def hang(_: object) -> Any:
        await asyncio.sleep(60)

    replicas.append(a := Replica(server, "a"))
    await until(a.guard.may_act)
    api.fail("PUT", hang, times=1000)
    renewed = a.guard._renewed_at
    await until(a.guard.lost.is_set)
    assert asyncio.get_running_loop().time() < renewed + FAST["lease_duration"]


async def test_another_holder_ends_leadership_at_once(
    api: FakeApi, server: ApiServer, replicas: list[Replica]
) -> None:
    """The write is refused, because the version has changed."""
    replicas.append(a := Replica(server, "a"))
    await until(a.guard.may_act)
    lease = api.objects[LEASES]["portmapper"]
    api.put(LEASES, {**lease, "spec": {**lease["spec"], "holderIdentity": "b"}})
    await until(a.guard.lost.is_set)
    assert a.guard.leader == "b"


async def test_a_label_on_the_lease_does_not_end_leadership(
    api: FakeApi, server: ApiServer, replicas: list[Replica]
) -> None:
    """Only the holder and its term matter."""
    replicas.append(a := Replica(server, "a"))
    await until(a.guard.may_act)
    lease = api.objects[LEASES]["portmapper"]
    api.put(LEASES, {**lease, "metadata": {**lease["metadata"], "labels": {"x": "y"}}})
    await until(lambda: "labels" in a.guard._lease["metadata"])
    await until(a.guard.may_act)
    assert not a.guard.lost.is_set()


async def test_an_orderly_stop_hands_over_at_once(
    api: FakeApi, server: ApiServer, replicas: list[Replica], kubeconfig: Any
) -> None:
    """The Lease has no holder, so no replica waits for its end."""
    replicas.append(a := Replica(server, "a", lease_duration=30.0, renew_deadline=20.0))
    await until(a.guard.may_act)
    await a.stop()
    await a.guard.close()
    assert _lease(api)["holderIdentity"] == ""
    assert not a.guard.may_act()
    replicas.append(b := Replica(server, "b", lease_duration=30.0, renew_deadline=20.0))
    await until(b.guard.may_act, 20.0)


async def test_the_replica_with_the_virtual_address_leads(
    api: FakeApi, server: ApiServer, replicas: list[Replica]
) -> None:
    """If the address leaves, leadership is handed over at once."""
    replicas.append(a := Replica(server, "a"))
    await until(a.guard.may_act)
    replicas.append(b := Replica(server, "b"))
    a.has_address, b.has_address = False, True
    await until(a.guard.lost.is_set)
    assert not a.guard.may_act()
    await until(b.guard.may_act)
    await b.stop()
    await b.guard.close()
    replicas.append(c := Replica(server, "c"))
    c.has_address = False
    await asyncio.sleep(0.1)
    assert not c.guard.may_act()


async def test_two_replicas_that_start_together_elect_one(
    api: FakeApi, server: ApiServer, replicas: list[Replica]
) -> None:
    """The API server lets only one of them create the Lease."""
    replicas.extend(Replica(server, name) for name in "abcd")
    for _ in range(200):
        assert sum(replica.guard.may_act() for replica in replicas) <= 1
        await asyncio.sleep(0.005)
    assert sum(replica.guard.may_act() for replica in replicas) == 1


async def test_a_replica_with_the_name_of_the_leader_waits_too(
    api: FakeApi, server: ApiServer, replicas: list[Replica]
) -> None:
    """Two pods with one name are a mistake, but both must not lead."""
    replicas.append(a := Replica(server, "same"))
    await until(a.guard.may_act)
    replicas.append(b := Replica(server, "same"))
    await asyncio.sleep(2 * FAST["lease_duration"])
    assert a.guard.may_act()
    assert not b.guard.may_act()


async def test_leads_without_the_record_of_the_last_leader(api: FakeApi, server: ApiServer) -> None:
    """Open ports are more important than closing old ones."""

    async def fail(limit: float) -> None:
        raise ApiFailure("no answer")

    guard = LeaseGuard(server, ElectionOptions("a", **FAST), fail)  # type: ignore[arg-type]
    task = asyncio.create_task(guard.run())
    await until(guard.may_act)
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
