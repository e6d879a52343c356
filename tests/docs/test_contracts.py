"""The page on testing plugins lists every contract test and fixture."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

import portmapper.testing
from portmapper.pluginhost.kinds import KINDS
from portmapper.testing import plugin


def _page(root: Path) -> str:
    return (root / "docs" / "plugins" / "testing.md").read_text(encoding="utf-8")


@pytest.mark.parametrize("kind", KINDS)
def test_every_test_of_a_contract_is_listed(kind: str, root: Path) -> None:
    """The page has each test of the contract, in order, and no other."""
    section = _page(root).partition(f"## {kind.title()} contract\n")[2].partition("\n## ")[0]
    contract = getattr(portmapper.testing, f"{kind.title()}Contract")
    tests = [name for name in vars(contract) if name.startswith("test_")]
    assert re.findall(r"^\| `(test_\w+)` \|", section, re.MULTILINE) == tests
    assert f":pyobject: {kind.title()}Subject" in section


def test_every_fixture_is_listed(root: Path) -> None:
    """The page has each pytest fixture, in order, and no other."""
    documented = re.findall(r"^\| `(portmapper_\w+)` \|", _page(root), re.MULTILINE)
    assert documented == [name for name in vars(plugin) if name.startswith("portmapper_")]
