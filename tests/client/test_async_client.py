"""`portmapper.Client` and `portmapper.SyncClient` against the embedded gateway, and their page."""

from __future__ import annotations

import ipaddress
import re
from pathlib import Path
from typing import Any

import pytest

import portmapper
from portmapper.api.errors import NoGateway, UsageError
from portmapper.api.model import MappingState

PAGE = Path(__file__).parents[2] / "docs" / "python.md"


@pytest.fixture
def reached(gateway: Any) -> dict[str, Any]:
    """Return what makes a client ask the embedded gateway and nobody else."""
    return {"gateway": [gateway.options[1]], "backend": ["pcp"]}


async def test_a_port_is_open_inside_the_block(gateway: Any, reached: dict[str, Any]) -> None:
    """Each can be closed before, once or twice; leaving closes the rest."""
    async with portmapper.Client(**reached) as client:
        first = await client.open(8080, "tcp")
        second = await client.open(8081, "UDP", internal_port=81)
        assert gateway.ports() == {8080, 8081}
        assert (first.state, first.external_port, first.backend) == (MappingState.ACTIVE, 8080, "pcp")
        assert str(first.external_address) == "11.22.33.44"
        await second.close()
        await second.close()
        assert gateway.ports() == {8080}
        assert (second.external_port, first.error) == (None, None)
    assert gateway.ports() == set()


def test_without_an_event_loop_it_is_the_same(gateway: Any, reached: dict[str, Any]) -> None:
    """The loop runs in a thread that ends with the block."""
    with portmapper.SyncClient(**reached) as client:
        lease = client.open(8080)
        assert (gateway.ports(), lease.external_port, lease.state) == ({8080}, 8080, MappingState.ACTIVE)
        lease.close()
        assert gateway.ports() == set()
        client.open(8082)
    assert gateway.ports() == set()


async def test_without_a_gateway_it_says_so(silence: Any) -> None:
    """Nothing stays wanted."""
    async with portmapper.Client(gateway=[silence[1]], backend=["pcp"]) as client:
        with pytest.raises(NoGateway):
            await client.open(8080)


async def test_what_makes_no_sense_is_a_usage_error(reached: dict[str, Any]) -> None:
    """Before anything is sent."""
    with pytest.raises(UsageError):
        portmapper.Client(conflict="perhaps")
    with pytest.raises(UsageError, match="inside"):
        await portmapper.Client().open(80)
    with pytest.raises(UsageError, match="inside"):
        portmapper.SyncClient().open(80)
    async with portmapper.Client(**reached) as client:
        for words in ((70000, "tcp"), (0, "tcp"), (80, "sctp")):
            with pytest.raises(UsageError):
                await client.open(*words)


def test_the_package_has_no_other_names() -> None:
    """The API is imported when it is first used, and what is not there is not there."""
    with pytest.raises(AttributeError):
        _ = portmapper.Server  # type: ignore[attr-defined]


@pytest.mark.skipif(not PAGE.exists(), reason="the wheel carries no documentation")
def test_every_example_of_the_page_runs(
    gateway: Any, reached: dict[str, Any], capsys: pytest.CaptureFixture[str]
) -> None:
    """With the embedded gateway in place of the reader's."""
    options = ", ".join(f"{name}={value!r}" for name, value in reached.items())
    examples = re.findall(r"^```python\n(.*?)^```$", PAGE.read_text(), re.MULTILINE | re.DOTALL)
    assert len(examples) == 2
    for example in examples:
        code = re.sub(r"(portmapper\.(?:Sync)?Client)\(\)", rf"\1({options})", example)
        exec(compile(code, str(PAGE), "exec"), {"__name__": "__main__"})
        assert "8080" in capsys.readouterr().out
        assert gateway.ports() == set()


async def test_a_family_is_that_of_the_address(reached: dict[str, Any]) -> None:
    """And one of two; the named gateway opens none over IPv6, and says so."""
    async with portmapper.Client(**reached) as client:
        for family in ("ipv5", "ipv6"):
            with pytest.raises(UsageError):
                await client.open(8080, family=family, address=ipaddress.ip_address("192.168.1.1"))
        with pytest.raises(NoGateway, match="no IPv6 gateway is named"):
            await client.open(8080, family="ipv6")
