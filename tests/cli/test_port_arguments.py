"""The arguments of `open`."""

from __future__ import annotations

from typing import Any

import pytest

from portmapper.api.errors import UsageError
from portmapper.cli.port_arguments import port_records


@pytest.mark.parametrize(
    ("text", "record"),
    [
        ("8080", {"port": "8080", "protocol": "TCP"}),
        ("8080/udp", {"port": "8080", "protocol": "UDP"}),
        ("2722-2723/Both", {"port": "2722-2723", "protocol": "BOTH"}),
        ("any/both", {"port": "any", "protocol": "BOTH"}),
        ("any", {"port": "any", "protocol": "TCP"}),
        ("8080:80", {"port": "8080", "protocol": "TCP", "internal_port": "80"}),
        ("8080:80/udp", {"port": "8080", "protocol": "UDP", "internal_port": "80"}),
    ],
)
def test_a_port_is_a_record(text: str, record: dict[str, Any]) -> None:
    """TCP is the default, and a second port is the internal one."""
    assert list(port_records([text])) == [record]


@pytest.mark.parametrize("text", ["", "0", "8080/", "8080/sctp", "8080:", "8080:x", ":80", "1:2:3", "9-8"])
def test_an_invalid_port_is_a_usage_error(text: str) -> None:
    """The message shows the argument."""
    with pytest.raises(UsageError):
        list(port_records([text]))


def test_a_preset_has_the_ports_of_its_program() -> None:
    """Its title is the comment."""
    assert list(port_records(["Minecraft"])) == [
        {"port": "25565", "protocol": "TCP", "comment": "Minecraft Java Edition"}
    ]
    assert len(list(port_records(["7-days-to-die", "0ad", "8080"]))) == 4


def test_the_nearest_preset_is_suggested() -> None:
    """A name that is far from all presets gets the command that shows them."""
    with pytest.raises(UsageError, match="did you mean minecraft"):
        list(port_records(["minecarft"]))
    with pytest.raises(UsageError, match="'portmapper presets' shows all"):
        list(port_records(["zzzzzz"]))
