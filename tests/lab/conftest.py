"""Fixtures of the real-gateway lab."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from netlab.dual_stack import DUAL_STACK, DualStack
from netlab.gateway import IGD2_AND_PCP, Gateway
from netlab.lab import Lab, running_lab
from netlab.namespaces import sweep
from netlab.program import Program
from netlab.requirements import missing_requirement
from netlab.traces import assert_as_before, state_of


def pytest_itemcollected(item: pytest.Item) -> None:
    """Mark each test of this directory."""
    item.add_marker(pytest.mark.lab)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Start with the soak, which takes longest."""
    items.sort(key=lambda item: item.path.name != "test_soak.py")


@pytest.fixture(scope="session")
def lab_can_run() -> None:
    """Skip if the lab cannot run; in CI, fail instead, so that the gap is noticed."""
    if reason := missing_requirement():
        if os.environ.get("CI") == "true":
            pytest.fail(reason)
        pytest.skip(reason)
    sweep()


@pytest.fixture(scope="session")
def shared_lab(lab_can_run: None, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Lab]:
    """A lab for all tests that restore its state, because building it takes longer than a test."""
    with running_lab(tmp_path_factory.mktemp("lab")) as lab:
        lab.gateway.reset(IGD2_AND_PCP)
        lab.gateway.kill()
        yield lab


@pytest.fixture
def lab(shared_lab: Lab) -> Iterator[Lab]:
    """The shared lab, with a restarted gateway, all protocols and an empty table.

    A test that leaves something behind fails, and not the one that stumbles over it much later.
    """
    before = state_of(shared_lab)
    shared_lab.gateway.reset(IGD2_AND_PCP)
    yield shared_lab
    shared_lab.gateway.kill()
    assert_as_before(shared_lab, before)


@pytest.fixture
def gateway(lab: Lab) -> Gateway:
    """The real gateway; call `reset` for another variant."""
    return lab.gateway


@pytest.fixture(scope="session")
def shared_dual_stack(lab_can_run: None, tmp_path_factory: pytest.TempPathFactory) -> Iterator[DualStack]:
    """A separate lab for tests over IPv6, because other labs have no IPv6 addresses."""
    with running_lab(tmp_path_factory.mktemp("dual-stack")) as lab:
        yield DualStack(lab)


@pytest.fixture
def dual_stack(shared_dual_stack: DualStack) -> Iterator[DualStack]:
    """The dual-stack lab, with the initial addresses and a restarted gateway."""
    shared_dual_stack.reset()
    shared_dual_stack.lab.gateway.reset(DUAL_STACK)
    yield shared_dual_stack
    shared_dual_stack.lab.gateway.kill()


@pytest.fixture
def own_lab(lab_can_run: None, tmp_path: Path) -> Iterator[Lab]:
    """A separate lab that the test may break; its gateway is not started."""
    with running_lab(tmp_path) as lab:
        yield lab


@pytest.fixture
def program(lab: Lab, tmp_path: Path) -> Program:
    """portmapper on the LAN host of the shared lab."""
    return Program(lab.lan, tmp_path)
