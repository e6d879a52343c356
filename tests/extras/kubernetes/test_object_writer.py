"""What is written to objects, and when."""

from __future__ import annotations

from typing import Any

import pytest
from portmapper_kubernetes import object_writer as module
from portmapper_kubernetes.api_errors import ApiFailure
from portmapper_kubernetes.api_server import ApiServer
from portmapper_kubernetes.conditions import states_of
from portmapper_kubernetes.controller import Controller
from portmapper_kubernetes.object_writer import FINALIZER_LIMIT, ObjectWriter
from portmapper_kubernetes.objects import FINALIZER, read_port_mapping, read_service
from portmapper_kubernetes.open_ports import OpenPort
from portmapper_kubernetes.options import Settings

from portmapper.api import Family, Protocol

from .conftest import FakeApi, answer, port_mapping, service

PORT = OpenPort(Protocol.TCP, Family.IPV4, "192.168.88.11", 7777, 7777)


class Cluster(Controller):
    """A controller with objects of the test."""

    def __init__(self) -> None:
        super().__init__(Settings())
        self.all: list[dict[str, Any]] = []

    @property
    def services(self) -> dict[str, Any]:
        """The Services."""
        read = (read_service(o, "portmapper.dev") for o in self.all if "ports" in o["spec"])
        return {f"{s.reference.namespace}/{s.reference.name}": s for s in read}

    @property
    def mappings(self) -> dict[str, Any]:
        """The PortMappings."""
        read = (read_port_mapping(o) for o in self.all if "port" in o["spec"])
        return {f"{m.reference.namespace}/{m.reference.name}": m for m in read}


class Writing:
    """A writer with a clock of the test's own."""

    def __init__(self, api: FakeApi, server: ApiServer) -> None:
        self.time = 0.0
        self.api = api
        self.cluster = Cluster()
        self.writer = ObjectWriter(self.cluster, lambda: self.time)
        self._server = server

    def next_leader(self) -> None:
        """Continue as another replica."""
        self.writer = ObjectWriter(self.cluster, lambda: self.time)

    async def write(self, *mappings: dict[str, Any], gateways: bool = True) -> list[str]:
        """Write once; return the requests."""
        before = len(self.api.requests)
        self.cluster._verdicts = None
        status = {"gateways": ["one"] if gateways else [], "mappings": list(mappings)}
        states = states_of(self.cluster.verdicts(), status, frozenset({"192.168.88.11"}))
        await self.writer.write(self._server, states)
        return [request.partition("?")[0] for request in self.api.requests[before:]]


@pytest.fixture
def writing(api: FakeApi, server: ApiServer) -> Writing:
    """A writer."""
    return Writing(api, server)


def _open(origin: str, **changes: Any) -> dict[str, Any]:
    return {
        "origin": origin,
        "protocol": "TCP",
        "family": "ipv4",
        "internal_address": "192.168.88.11",
        "internal_port": 7777,
        "wanted_external_port": 7777,
        "external_address": "203.0.113.7",
        "external_port": 7777,
        "state": "active",
        "backend": "pcp",
        "gateway": "192.168.88.1",
        "error": None,
        **changes,
    }


MAPPING = "/apis/portmapper.dev/v1alpha1/namespaces/shop/portmappings/game"
SERVICE = "/api/v1/namespaces/shop/services/web"
EVENTS = "/apis/events.k8s.io/v1/namespaces/shop/events"


async def test_a_mapping_gets_finalizer_status_and_event(writing: Writing) -> None:
    """Then nothing more is written, also after renewals."""
    writing.cluster.all = [port_mapping()]
    port = _open("portmapping/shop/game")
    assert await writing.write(port) == [f"PATCH {MAPPING}", f"PATCH {MAPPING}/status", f"POST {EVENTS}"]
    finalizer, status, event = writing.api.bodies
    assert finalizer["metadata"]["finalizers"] == [FINALIZER]
    assert finalizer["metadata"]["uid"] == "uid-shop-game"
    assert status["status"]["externalPort"] == 7777
    assert event["reason"] == "Granted"
    writing.time = 60.0
    assert await writing.write(port) == []


async def test_a_service_gets_an_annotation(writing: Writing) -> None:
    """It is removed when the Service asks for nothing any more."""
    writing.cluster.all = [service()]
    assert await writing.write(_open("service/shop/web")) == [f"PATCH {SERVICE}", f"POST {EVENTS}"]
    body = writing.api.bodies[0]
    assert list(body["metadata"]["annotations"]) == ["portmapper.dev/status"]
    writing.time = 60.0
    writing.cluster.all = [service(annotations={"portmapper.dev/status": "{}"})]
    assert await writing.write() == [f"PATCH {SERVICE}"]
    assert "annotations" not in writing.api.bodies[-1]["metadata"]
    writing.time = 120.0
    assert await writing.write() == []


async def test_an_object_is_written_at_most_once_a_second(writing: Writing) -> None:
    """What changed meanwhile is written later."""
    writing.cluster.all = [service()]
    await writing.write(_open("service/shop/web"))
    assert await writing.write(_open("service/shop/web", state="conflict")) == []
    assert writing.writer.waiting
    writing.time = 1.1
    assert f"PATCH {SERVICE}" in await writing.write(_open("service/shop/web", state="conflict"))


async def test_many_objects_are_written_slowly(writing: Writing) -> None:
    """A thousand new objects must not flood the API server."""
    writing.cluster.all = [service(f"s{number}") for number in range(200)]
    first = await writing.write()
    assert len(first) <= module.BURST
    assert writing.writer.waiting


async def test_a_new_leader_writes_nothing_that_is_reported_already(writing: Writing) -> None:
    """With a thousand objects, a takeover is quick."""
    port = _open("service/shop/web")
    writing.cluster.all = [service()]
    await writing.write(port)
    report = writing.api.bodies[0]["metadata"]["annotations"]["portmapper.dev/status"]
    annotations = {"portmapper.dev/ports": "http:8443", "portmapper.dev/status": report}
    writing.cluster.all = [service(annotations=annotations)]
    writing.next_leader()
    assert await writing.write(port) == []


async def test_an_outage_is_raised_and_written_later(writing: Writing) -> None:
    """Nothing is lost."""
    writing.cluster.all = [service()]
    writing.api.fail("PATCH", answer(500))
    with pytest.raises(ApiFailure):
        await writing.write()
    assert f"PATCH {SERVICE}" in await writing.write()


@pytest.mark.parametrize("status", [403, 422])
async def test_a_refused_write_does_not_stop_the_others(writing: Writing, status: int) -> None:
    """It is tried again later, and logged once."""
    writing.cluster.all = [service(), port_mapping()]
    writing.api.fail("PATCH", answer(status), times=1)
    writing.api.fail("/services/", answer(status), times=1)
    assert f"PATCH {MAPPING}/status" in await writing.write()
    assert await writing.write() == []
    writing.time = module.REFUSAL_PAUSE + 1
    assert f"PATCH {SERVICE}" in await writing.write()


async def test_a_deleted_object_waits_until_its_port_is_closed(writing: Writing) -> None:
    """Then the finalizer is removed."""
    deleted = port_mapping(metadata={"finalizers": [FINALIZER], "deletionTimestamp": "now"})
    writing.cluster.all = [deleted]
    writing.cluster.open_ports.add(PORT, "portmapping/shop/game")
    assert await writing.write() == []
    assert writing.writer.waiting
    writing.cluster.open_ports.discard(PORT)
    assert await writing.write() == [f"PATCH {MAPPING}"]
    assert "finalizers" not in writing.api.bodies[-1]["metadata"]


async def test_a_dead_gateway_does_not_keep_an_object_forever(writing: Writing) -> None:
    """The port ends with its lifetime."""
    writing.cluster.all = [port_mapping(metadata={"finalizers": [FINALIZER], "deletionTimestamp": "now"})]
    writing.cluster.open_ports.add(PORT, "portmapping/shop/game")
    await writing.write()
    writing.time = FINALIZER_LIMIT + 1
    assert await writing.write() == [f"PATCH {MAPPING}"]
    assert writing.cluster.open_ports.items() == []


async def test_upsert_only_needs_no_finalizer(writing: Writing) -> None:
    """The port of a deleted object stays open, so nothing has to be waited for."""
    writing.cluster.settings = Settings(keeps=True)
    writing.cluster.open_ports.add(PORT, "portmapping/shop/game")
    writing.cluster.all = [port_mapping()]
    assert await writing.write() == [f"PATCH {MAPPING}/status"]
    writing.cluster.all = [port_mapping(metadata={"finalizers": [FINALIZER], "deletionTimestamp": "now"})]
    assert await writing.write() == [f"PATCH {MAPPING}"]
    assert "finalizers" not in writing.api.bodies[-1]["metadata"]
    assert len(writing.cluster.open_ports.items()) == 1


async def test_a_deleted_object_without_our_finalizer_is_left_alone(writing: Writing) -> None:
    """Another controller keeps it."""
    writing.cluster.all = [port_mapping(metadata={"finalizers": ["other"], "deletionTimestamp": "now"})]
    assert await writing.write() == []
