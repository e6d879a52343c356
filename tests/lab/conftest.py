"""Fixtures of the real-gateway lab."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from netlab.dual_stack import DUAL_STACK, DualStack
from netlab.gateway import IGD2_AND_PCP, Gateway
from netlab.lab import Lab, standing_lab
from netlab.namespaces import sweep
from netlab.needs import obstacle
from netlab.program import Program


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark everything in this directory as lab, and begin with the soak: all others run beside it."""
    here = Path(__file__).parent
    for item in items:
        if here in item.path.parents:
            item.add_marker(pytest.mark.lab)
    items.sort(key=lambda item: item.path.name != "test_soak.py")


@pytest.fixture(scope="session")
def lab_can_run() -> None:
    """Skip where a lab cannot stand; in CI that is a failure, or nobody would notice."""
    if reason := obstacle():
        if os.environ.get("CI") == "true":
            pytest.fail(reason)
        pytest.skip(reason)
    sweep()


@pytest.fixture(scope="session")
def standing(lab_can_run: None, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Lab]:
    """One lab for all tests that put everything back; building it costs more than a test."""
    with standing_lab(tmp_path_factory.mktemp("lab")) as lab:
        yield lab


@pytest.fixture
def lab(standing: Lab) -> Iterator[Lab]:
    """The shared lab, its gateway freshly started with everything on and an empty table."""
    standing.gateway.reset(IGD2_AND_PCP)
    yield standing
    standing.gateway.kill()


@pytest.fixture
def gateway(lab: Lab) -> Gateway:
    """The real gateway; `reset` it for another variant."""
    return lab.gateway


@pytest.fixture(scope="session")
def standing_dual_stack(lab_can_run: None, tmp_path_factory: pytest.TempPathFactory) -> Iterator[DualStack]:
    """A lab of its own for the tests over IPv6: the others' hosts have no such address."""
    with standing_lab(tmp_path_factory.mktemp("dual-stack")) as lab:
        yield DualStack(lab)


@pytest.fixture
def dual_stack(standing_dual_stack: DualStack) -> Iterator[DualStack]:
    """The dual-stack lab, its host's addresses as they were and its gateway freshly started."""
    standing_dual_stack.reset()
    standing_dual_stack.lab.gateway.reset(DUAL_STACK)
    yield standing_dual_stack
    standing_dual_stack.lab.gateway.kill()


@pytest.fixture
def own_lab(lab_can_run: None, tmp_path: Path) -> Iterator[Lab]:
    """A lab that the test may break; its gateway is not started."""
    with standing_lab(tmp_path) as lab:
        yield lab


@pytest.fixture
def program(lab: Lab, tmp_path: Path) -> Program:
    """portmapper on the LAN host of the shared lab."""
    return Program(lab.lan, tmp_path)
