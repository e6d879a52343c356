"""Reporting of a replica that needs no election."""

from __future__ import annotations

import ipaddress
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from portmapper_kubernetes import observer as module
from portmapper_kubernetes.api_server import ApiServer
from portmapper_kubernetes.controller import Controller
from portmapper_kubernetes.observer import KubernetesObserver
from portmapper_kubernetes.options import Settings
from portmapper_kubernetes.shared_secret import NAME, SharedSecret

from portmapper.api import Event, EventKind, Family, Protocol

from .conftest import SECRETS, SERVICES, FakeApi, service, until

OPENED = Event(
    at=datetime.now(UTC),
    kind=EventKind.OPENED,
    protocol=Protocol.TCP,
    family=Family.IPV4,
    internal_address=ipaddress.ip_address("192.168.88.11"),
    internal_port=30080,
    external_port=8443,
    origin="service/shop/web",
)


@pytest.fixture
async def observing(
    api: FakeApi, server: ApiServer, kubeconfig: Path, monkeypatch: pytest.MonkeyPatch
) -> AsyncIterator[tuple[KubernetesObserver, Controller, SharedSecret]]:
    """An observer that reports at once; the daemon's table is empty."""
    for name in ("MIN_PAUSE", "OUTAGE_PAUSE"):
        monkeypatch.setattr(module, name, 0.01)
    api.put(SERVICES, service())
    controller = Controller(Settings(kubeconfig=kubeconfig))
    await controller.follow()
    secret = SharedSecret(server, "portmapper")
    await secret.load(1.0)
    observer = KubernetesObserver(controller, None, secret)
    status: dict[str, Any] = {"gateways": [], "mappings": []}
    observer.attach_status(lambda: status)
    await observer.start()
    yield observer, controller, secret
    await observer.close()
    await controller.close()


async def test_an_open_port_is_recorded_for_the_next_leader(
    observing: tuple[KubernetesObserver, Controller, SharedSecret],
) -> None:
    """The event arrives before the next look at the table."""
    observer, controller, secret = observing
    await observer.observe(OPENED)
    await until(lambda: secret.record and secret.record == controller.open_ports.pack())
    assert len(controller.open_ports.items()) == 1


async def test_a_change_of_the_secret_by_somebody_else_is_read(
    api: FakeApi, observing: tuple[KubernetesObserver, Controller, SharedSecret]
) -> None:
    """Then the record is written to the new version."""
    observer, controller, secret = observing
    await until(lambda: api.count("PUT") == 1)
    found = api.objects[SECRETS][NAME]
    api.put(SECRETS, {**found, "metadata": {**found["metadata"], "labels": {"by": "hand"}}})
    await observer.observe(OPENED)
    await until(
        lambda: len(controller.open_ports.items()) == 1 and secret.record == controller.open_ports.pack()
    )
    assert api.objects[SECRETS][NAME]["metadata"]["labels"] == {"by": "hand"}
