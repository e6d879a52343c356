"""`portmapper discover` shows the gateways that answer."""

from __future__ import annotations

import json
from typing import Any


def test_a_gateway_is_shown(program: Any, gateway: Any) -> None:
    """The table has its backend, protocol and address."""
    finished = program.run("discover", *gateway.options)
    assert finished.status == 0, finished.errors
    assert finished.output.splitlines()[1].split()[:2] == ["pcp", "PCP"]
    assert "127.0.0.1" in finished.output


def test_json_has_every_gateway(program: Any, gateway: Any) -> None:
    """It includes the location, which the table does not show."""
    finished = program.run("discover", "--json", *gateway.options)
    (found,) = json.loads(finished.output)["gateways"]
    assert (found["backend"], found["address"]) == ("pcp", "127.0.0.1")
    assert {"model", "location", "external_address", "external_kind"} <= found.keys()


def test_without_a_gateway_the_status_is_3(program: Any, silence: tuple[str, ...]) -> None:
    """The JSON has an empty list."""
    finished = program.run("discover", "--json", *silence, "--backend", "pcp")
    assert finished.status == 3
    assert json.loads(finished.output) == {"gateways": []}
    assert "no gateway answered" in finished.errors
