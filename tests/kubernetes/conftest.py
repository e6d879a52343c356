"""Fixtures of the tests against a real API server. `nox -s kubernetes` builds it and runs them."""

from __future__ import annotations

import os
from collections.abc import Iterator
from importlib.util import find_spec

import pytest
from netlab.gateway import IGD2_AND_PCP
from netlab.lab import running_lab
from netlab.namespaces import sweep
from netlab.requirements import missing_requirement

from .kubelab import KubeLab, missing_programs, programs_directory

KILLS, OUTAGE, WITHIN = 2, 8.0, 15.0


def pytest_addoption(parser: pytest.Parser) -> None:
    """Declare how thorough the tests are. CI runs the short version, and its load does not matter."""
    group = parser.getgroup("kubernetes")
    group.addoption("--kills", type=int, default=KILLS, help="how often the leader is killed")
    group.addoption("--outage", type=float, default=OUTAGE, help="seconds without the API server")
    group.addoption("--within", type=float, default=WITHIN, help="seconds until old ports must answer")


@pytest.fixture
def kills(pytestconfig: pytest.Config) -> int:
    """How often the leader is killed."""
    return int(pytestconfig.getoption("kills", KILLS))


@pytest.fixture
def outage(pytestconfig: pytest.Config) -> float:
    """Seconds without the API server: several times the duration of the Lease."""
    return float(pytestconfig.getoption("outage", OUTAGE))


@pytest.fixture
def within(pytestconfig: pytest.Config) -> float:
    """Seconds until old ports must answer after a kill; a new one has a second more."""
    return float(pytestconfig.getoption("within", WITHIN))


def pytest_itemcollected(item: pytest.Item) -> None:
    """Mark each test of this directory."""
    item.add_marker(pytest.mark.kubernetes)


def _why_not() -> str | None:
    if find_spec("portmapper_kubernetes") is None:
        return "the extra portmapper-kubernetes is not installed"
    return missing_requirement() or missing_programs()


@pytest.fixture(scope="session")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Iterator[KubeLab]:
    """One lab for all tests, because starting the API server takes longer than a test."""
    if reason := _why_not():
        if os.environ.get("CI") == "true":
            pytest.fail(reason)
        pytest.skip(reason)
    sweep()
    directory = tmp_path_factory.mktemp("kubernetes")
    with running_lab(directory) as lab:
        shared = KubeLab(lab, programs_directory(), directory)
        try:
            shared.prepare()
            yield shared
        finally:
            shared.close()


@pytest.fixture
def kube(shared: KubeLab) -> Iterator[KubeLab]:
    """The lab, with an empty gateway and no objects."""
    shared.lab.gateway.reset(IGD2_AND_PCP)
    for name in shared.hosts:
        shared.set_link(name, up=True)
    shared.move_address("a")
    yield shared
    shared.api.clean()
    shared.lab.gateway.kill()
