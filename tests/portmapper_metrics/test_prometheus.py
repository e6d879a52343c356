"""Metrics on the control socket and on a TCP port."""

from __future__ import annotations

import asyncio
import contextlib
import http.client
import socket
import sys
import urllib.request
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import pytest
from prometheus_client import REGISTRY
from running_program import until

from portmapper.api.errors import SettingError
from portmapper.api.events import Event, EventKind
from portmapper.api.metrics import Metrics
from portmapper.api.model import MappingState
from portmapper_metrics.prometheus import PrometheusObserver

Samples = Callable[[bytes], dict[tuple[str, ...], float]]

NUMBERS = Metrics(
    mappings={MappingState.ACTIVE: 2, MappingState.FAILED: 0},
    renewals={"pcp": 7},
    failures={"Conflict": 1},
    latencies={("pcp", "192.168.1.1"): 0.002},
    since_success=3.5,
    dropped={"command": 4},
)


async def test_the_page_has_every_metric(samples: Samples) -> None:
    """Metric names contain the unit, and the library's default registry is not changed."""
    before = set(REGISTRY._names_to_collectors)
    observer = PrometheusObserver.from_table(None)
    observer.attach(lambda: NUMBERS)
    await observer.observe(Event(datetime(2026, 1, 1, tzinfo=UTC), EventKind.OPENED))
    page = await observer.page()
    assert page.content_type.startswith("text/plain")
    shown = samples(page.body)
    assert shown["portmapper_mappings", "active"] == 2
    assert shown["portmapper_mappings", "failed"] == 0
    assert shown["portmapper_renewals_total", "pcp"] == 7
    assert shown["portmapper_failures_total", "Conflict"] == 1
    assert shown["portmapper_gateway_latency_seconds", "pcp", "192.168.1.1"] == 0.002
    assert shown["portmapper_last_success_seconds",] == 3.5
    assert shown["portmapper_events_total", "opened"] == 1
    assert shown["portmapper_events_dropped_total", "command"] == 4
    assert set(REGISTRY._names_to_collectors) == before


@pytest.mark.parametrize(
    ("part", "reason"),
    [
        ({"listen": "9464"}, "metrics.listen: '9464' is not ADDRESS:PORT"),
        ({"listen": "example.org:9464"}, "is not ADDRESS:PORT"),
        ({"listen": "127.0.0.1:99999"}, "is not ADDRESS:PORT"),
        ({"lisen": "127.0.0.1:9464"}, "metrics.lisen: unknown key, did you mean listen?"),
        ([], "metrics: [] is not a table"),
    ],
)
def test_an_invalid_table_is_rejected(part: object, reason: str) -> None:
    """The error contains the path of the key."""
    with pytest.raises(SettingError) as caught:
        PrometheusObserver.from_table(part)
    assert reason in str(caught.value)


async def test_a_port_in_use_is_logged(
    free_port: Callable[[], int], caplog: pytest.LogCaptureFixture
) -> None:
    """Starting continues, because the control socket serves the page as well."""
    listen = f"127.0.0.1:{free_port()}"
    first, second = (PrometheusObserver.from_table({"listen": listen}) for _ in range(2))
    await first.start()
    await second.start()
    assert f"cannot serve metrics at {listen.replace(':', ' port ')}" in caplog.text
    await second.close()
    await first.close()


def test_a_daemon_serves_its_metrics(
    daemon_with: Callable[[str], Any], free_port: Callable[[], int], samples: Samples
) -> None:
    """The control socket has them under both paths, and the configured address under one."""
    port = free_port()
    with daemon_with(f'[metrics]\nlisten = "127.0.0.1:{port}"\n') as daemon:
        for path in ("/metrics", "/v1/metrics"):
            assert samples(daemon.fetch(path))["portmapper_mappings", "active"] == 1
        until(lambda: _listens(port), "listening")  # its HTTP library takes longer to load
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics", timeout=60) as answer:
            shown = samples(answer.read())
        assert shown["portmapper_mappings", "active"] == 1
        assert ("portmapper_gateway_latency_seconds", "pcp", "127.0.0.1") in shown
        assert ("portmapper_last_success_seconds",) in shown
        with pytest.raises(urllib.error.HTTPError) as refused:
            urllib.request.urlopen(f"http://127.0.0.1:{port}/v1/status", timeout=60)
        refused.value.close()


def test_without_the_plugin_the_page_does_not_exist(daemon_with: Callable[[str], Any]) -> None:
    """The control socket answers with an error status."""
    with daemon_with('disable_plugins = ["metrics"]\n') as daemon, pytest.raises(http.client.HTTPException):
        daemon.fetch("/metrics")


def _listens(port: int) -> bool:
    with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), 1):
        return True
    return False


async def _status_for(port: int, host: str) -> int:
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(f"GET /metrics HTTP/1.1\r\n{host}Connection: close\r\n\r\n".encode())
    answer = await reader.read()
    writer.close()
    return int(answer.split(b" ")[1])


async def test_a_page_of_the_internet_cannot_read_the_metrics(free_port: Callable[[], int]) -> None:
    """Its name may point to this host (DNS rebinding), but its name is in the Host header."""
    port = free_port()
    observer = PrometheusObserver.from_table({"listen": f"127.0.0.1:{port}", "hosts": ["ports.example.net"]})
    observer.attach(lambda: NUMBERS)
    await observer.start()
    allowed = (
        *("127.0.0.1", f"localhost:{port}", "[::1]:1", "192.0.2.7", "nas", "nas.local", "nas.home.arpa."),
        *("ports.example.net:80", "PORTS.example.net", socket.gethostname()),
    )
    for host in allowed:
        assert await _status_for(port, f"Host: {host}\r\n") == 200, host
    for host in ("attacker.example", "localhost.attacker.example", "127.0.0.1.nip.io", "a b", "x" * 999):
        assert await _status_for(port, f"Host: {host}\r\n") == 421, host
    assert await _status_for(port, "Host: localhost\r\nHost: attacker.example\r\n") in (400, 421)
    await observer.close()


@pytest.mark.skipif(sys.platform != "linux", reason="uses the whole loopback network")
async def test_idle_connections_of_one_host_do_not_keep_another_out(
    free_port: Callable[[], int],
) -> None:
    """The host itself is refused at once, instead of using every descriptor."""
    port = free_port()
    observer = PrometheusObserver.from_table({"listen": f"127.0.0.1:{port}"})
    observer.attach(lambda: NUMBERS)
    await observer.start()
    idle = [await asyncio.open_connection("127.0.0.1", port) for _ in range(200)]
    reader, writer = await asyncio.open_connection("127.0.0.1", port, local_addr=("127.0.0.2", 0))
    writer.write(b"GET /metrics HTTP/1.0\r\n\r\n")
    assert b"portmapper_mappings" in await reader.read()
    for _, connection in [*idle, (reader, writer)]:
        connection.close()
    await observer.close()
