"""The entry point, the command and the source."""

from __future__ import annotations

import argparse
import asyncio
import subprocess
import sys
from pathlib import Path

import pytest
from portmapper_kubernetes.command import KubernetesCommand
from portmapper_kubernetes.controller import Controller
from portmapper_kubernetes.never_leads import NeverLeads
from portmapper_kubernetes.open_ports import OpenPort, OpenPorts
from portmapper_kubernetes.options import Settings
from portmapper_kubernetes.source import KubernetesSource

from portmapper.api import DaemonParts, Family, Protocol, SourceError, UsageError

from .conftest import SERVICES, FakeApi, answer, port_mapping, service, until


def test_nothing_heavy_is_imported_before_it_is_needed() -> None:
    """An installed extra must not slow down other commands."""
    code = (
        "import sys, portmapper_kubernetes.plugin, portmapper_kubernetes.source;"
        "import portmapper_kubernetes.command;"
        "heavy = ('lightkube', 'httpx2', 'aiohttp', 'prometheus_client');"
        "print([name for name in heavy if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def _parts(*words: str) -> DaemonParts:
    command = KubernetesCommand()
    parser = argparse.ArgumentParser()
    command.add_arguments(parser)
    return command.parts(parser.parse_args(words))


def test_the_command_has_a_guard_a_source_an_observer_and_tokens(kubeconfig: Path) -> None:
    """All of them belong to one controller."""
    parts = _parts("--kubeconfig", str(kubeconfig), "--identity", "a")
    assert parts.guard is not None
    assert parts.guard.name == "kubernetes"
    assert parts.tokens is not None
    assert [source.location for source in parts.sources] == ["kubernetes:"]
    assert len(parts.observers) == 1


def test_without_election_there_is_no_guard(kubeconfig: Path) -> None:
    """One replica needs none."""
    assert _parts("--kubeconfig", str(kubeconfig), "--leader-elect=false").guard is None


def test_a_dry_run_never_acts(kubeconfig: Path) -> None:
    """Its guard never leads."""
    guard = _parts("--kubeconfig", str(kubeconfig), "--dry-run").guard
    assert isinstance(guard, NeverLeads)
    assert not guard.may_act()


def test_a_secret_file_replaces_the_shared_key(kubeconfig: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The operator's own key is preferred."""
    monkeypatch.setenv("PORTMAPPER_CLUSTER_SECRET_FILE", "/secret")
    assert _parts("--kubeconfig", str(kubeconfig)).tokens is None


def test_a_missing_kubeconfig_is_a_usage_error(tmp_path: Path) -> None:
    """The message names the file."""
    with pytest.raises(UsageError, match="none"):
        _parts("--kubeconfig", str(tmp_path / "none"))


async def test_the_source_has_a_row_for_each_port(
    api: FakeApi, kubeconfig: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A change is reported, and then read from the copy."""
    monkeypatch.setenv("KUBECONFIG", str(kubeconfig))
    api.put(SERVICES, service())
    source = KubernetesSource("kubernetes:")
    (row,) = await source.fetch()
    assert row.origin == "service/shop/web"
    assert row.fields["port"] == 8443
    changes: list[int] = []
    await source.watch(lambda: changes.append(1))
    api.put(SERVICES, service("dns", annotations={"portmapper.dev/ports": "http:8444"}))
    await until(lambda: len(changes) == 2)
    assert len(await source.fetch()) == 2
    await source.close()


async def test_a_virtual_address_may_come_and_go(
    api: FakeApi, kubeconfig: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is accepted when it arrives, and its ports are not closed when it leaves."""
    here: list[str] = []
    monkeypatch.setenv("KUBECONFIG", str(kubeconfig))
    monkeypatch.setattr("portmapper_kubernetes.controller.own_addresses", lambda: here)
    monkeypatch.setattr("portmapper_kubernetes.controller.ADDRESS_INTERVAL", 0.01)
    api.put(SERVICES, service(spec={"externalIPs": ["192.168.88.50"]}))
    source = KubernetesSource("kubernetes:")
    assert await source.fetch() == []
    changes: list[int] = []
    await source.watch(lambda: changes.append(1))
    here.append("192.168.88.50")
    await until(lambda: len(changes) > 1)
    assert len(await source.fetch()) == 1
    here.clear()
    assert len(await source.fetch()) == 1
    await source.close()


async def test_an_outage_keeps_the_last_rows(
    api: FakeApi, kubeconfig: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """No port is closed because the API server does not answer."""
    monkeypatch.setenv("KUBECONFIG", str(kubeconfig))
    api.put(SERVICES, service())
    source = KubernetesSource("kubernetes:")
    await source.fetch()
    for status in (401, 403, 404, 500):
        api.fail("services", answer(status), times=3)
    for _ in range(3):
        await asyncio.sleep(0.05)
        assert len(await source.fetch()) == 1
    await source.close()


async def test_a_record_closes_nothing_before_the_objects_are_known(
    api: FakeApi, kubeconfig: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A replica may lead before it has read the Services."""
    monkeypatch.setattr("portmapper_kubernetes.controller.FIRST_LIST_LIMIT", 0.2)
    port = OpenPort(Protocol.TCP, Family.IPV4, "192.168.88.50", 80, 18080)
    record = OpenPorts()
    record.add(port, "service/shop/gone")
    api.fail("services", answer(403, "not yet"), times=1)
    api.put(SERVICES, service())
    controller = Controller(Settings(kubeconfig=kubeconfig))
    with pytest.raises(SourceError):
        await controller.follow()
    controller.take_over(record.pack())
    assert len(controller.closing) == 0
    await until(lambda: controller.is_settled)
    await controller.follow()
    assert [row.fields["port"] for row in controller.rows()] == [8443, 18080]
    await controller.close()


async def test_upsert_only_keeps_what_no_object_wants(api: FakeApi, kubeconfig: Path) -> None:
    """Ports of this run and of the record, unless another object asks for them."""
    gone = OpenPort(Protocol.TCP, Family.IPV4, "192.168.88.50", 80, 18080)
    moved = OpenPort(Protocol.TCP, Family.IPV4, "192.168.88.50", 80, 8443)
    record = OpenPorts()
    record.add(gone, "service/shop/gone")
    record.add(moved, "service/shop/old")
    api.put(SERVICES, service())
    controller = Controller(Settings(kubeconfig=kubeconfig, keeps=True))
    controller.take_over(record.pack())
    await controller.follow()
    assert [(row.fields["port"], row.origin) for row in controller.rows()] == [
        (8443, "service/shop/web"),
        (18080, "service/shop/gone"),
    ]
    api.delete(SERVICES, "web")
    await until(lambda: len(controller.rows()) == 2 and not controller.services)
    assert len(controller.closing) == 0
    await controller.close()


async def test_an_incomplete_list_is_no_list(
    api: FakeApi, kubeconfig: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A server that has just started refuses for a moment; the ports of PortMappings must not be closed."""
    monkeypatch.setattr("portmapper_kubernetes.controller.FIRST_LIST_LIMIT", 0.2)
    api.fail("portmappings", answer(403, "rbac is not ready"), times=1)
    api.put(SERVICES, service())
    controller = Controller(Settings(kubeconfig=kubeconfig))
    with pytest.raises(SourceError):
        await controller.follow()
    await until(lambda: controller.is_settled)
    await controller.follow()
    assert len(controller.rows()) == 1
    await controller.close()


async def test_a_mapping_waits_for_its_finalizer(api: FakeApi, kubeconfig: Path) -> None:
    """Unless it cannot get it, or its port is open already."""
    api.put("apis/portmapper.dev/v1alpha1/portmappings", port_mapping())
    controller = Controller(Settings(kubeconfig=kubeconfig))
    await controller.follow()
    assert len(controller.rows()) == 1
    controller.must_hold_back = lambda mapping: True
    assert controller.rows() == []
    controller.open_ports.add(
        OpenPort(Protocol.TCP, Family.IPV4, "192.168.88.11", 7777, 7777), "portmapping/shop/game"
    )
    assert len(controller.rows()) == 1
    await controller.close()


async def test_before_the_first_answer_there_is_no_list(
    api: FakeApi, kubeconfig: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An empty list would close every port."""
    monkeypatch.setenv("KUBECONFIG", str(kubeconfig))
    monkeypatch.setattr("portmapper_kubernetes.controller.FIRST_LIST_LIMIT", 1.0)
    api.fail("services", answer(503, "not ready"), times=100)
    source = KubernetesSource("kubernetes:")
    with pytest.raises(SourceError, match="not ready"):
        await source.fetch()
    await source.close()
