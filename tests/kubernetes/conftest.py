"""Fixtures of the tests against a real API server. `nox -s kubernetes` builds it and runs them."""

from __future__ import annotations

import os
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path

import pytest
from netlab.gateway import IGD2_AND_PCP
from netlab.lab import running_lab
from netlab.namespaces import sweep
from netlab.requirements import missing_requirement

from .kubelab import KubeLab, missing_programs, programs_directory


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark all tests in this directory."""
    here = Path(__file__).parent
    for item in items:
        if here in item.path.parents:
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
