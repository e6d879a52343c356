"""Health checks and metrics of the controller."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import aiohttp
import pytest
from portmapper_kubernetes.controller import Controller
from portmapper_kubernetes.never_leads import NeverLeads
from portmapper_kubernetes.observer import KubernetesObserver
from portmapper_kubernetes.options import Settings

from .conftest import SERVICES, FakeApi, service


@pytest.fixture
async def running(
    api: FakeApi, kubeconfig: Path, free_port: Callable[[], int]
) -> AsyncIterator[tuple[Controller, NeverLeads, str]]:
    """A controller that listens; its guard does not lead."""
    port = free_port()
    guard = NeverLeads()
    controller = Controller(Settings(kubeconfig=kubeconfig, health=("127.0.0.1", port)))
    observer = KubernetesObserver(controller, guard, None)
    await observer.start()
    yield controller, guard, f"http://127.0.0.1:{port}"
    await observer.close()
    await controller.close()


async def _get(url: str) -> tuple[int, str]:
    async with aiohttp.ClientSession() as session, session.get(url) as response:
        return response.status, await response.text()


async def test_a_follower_is_ready_when_it_knows_the_objects(
    api: FakeApi, running: tuple[Controller, NeverLeads, str]
) -> None:
    """Before that, a rolling update must not stop the other replica."""
    controller, _, url = running
    assert await _get(f"{url}/readyz") == (503, "the objects are not known yet\n")
    assert await _get(f"{url}/healthz") == (200, "ok\n")
    api.put(SERVICES, service())
    await controller.follow()
    assert await _get(f"{url}/readyz") == (200, "ok\n")


async def test_lost_leadership_is_not_healthy(running: tuple[Controller, NeverLeads, str]) -> None:
    """If the process does not end by itself, the kubelet ends it."""
    _, guard, url = running
    guard.lost.set()
    assert await _get(f"{url}/healthz") == (503, "leadership lost\n")


async def test_metrics_tell_who_leads_and_what_is_accepted(
    api: FakeApi, running: tuple[Controller, NeverLeads, str]
) -> None:
    """In the text format of Prometheus."""
    controller, _, url = running
    api.put(SERVICES, service())
    api.put(SERVICES, service("bad", annotations={"portmapper.dev/ports": "none"}))
    await controller.follow()
    _, page = await _get(f"{url}/metrics")
    assert "portmapper_leader 0.0" in page
    assert 'portmapper_objects{accepted="true"} 1.0' in page
    assert 'portmapper_objects{accepted="false"} 1.0' in page


async def test_a_port_in_use_does_not_stop_the_controller(kubeconfig: Path) -> None:
    """Ports stay open, and the log has the reason."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        settings = Settings(kubeconfig=kubeconfig, health=("127.0.0.1", taken.getsockname()[1]))
        observer = KubernetesObserver(Controller(settings), None, None)
        await observer.start()
        await asyncio.sleep(0)
        await observer.close()
