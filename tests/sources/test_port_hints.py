"""What to write instead of a value that is no port or no protocol."""

from __future__ import annotations

import pytest

from portmapper.api.errors import RowError
from portmapper.sources.field_parsers import PARSERS


@pytest.mark.parametrize(
    ("field", "value", "hint"),
    [
        ("port", "tcp/8080", "PORT/PROTOCOL: write 8080/tcp"),
        ("port", "udp 53", ": write 53/udp"),
        ("port", "27000..27005", ": write 27000-27005"),
        ("port", "100 to 200", ": write 100-200"),
        ("port", "25,565", ": write 25565, or a row for each port"),
        ("port", "80, 443", ": write a row for each port"),
        ("port", "8080:80", ": write 8080 as port and 80 as internal_port"),
        ("port", 8080.0, ": write 8080"),
        ("port", float("inf"), "(1-65535)"),
        ("protocol", "any", ": write both"),
        ("protocol", "*", ": write both"),
        ("protocol", 6, ": write tcp"),
        ("protocol", "17", ": write udp"),
        ("protocol", "tpc", ": did you mean tcp?"),
        ("protocol", "beide", ": write both"),
        ("protocol", ["tcp", "udp"], ": write both"),
        ("protocol", "tcp # web", ": write the comment in the field comment, or on its own line"),
        ("port", "8080 # web", ": write the comment in the field comment, or on its own line"),
        ("port", "8080->80", ": write 8080 as port and 80 as internal_port"),
        ("port", "127.0.0.1:8080:80", ": write 8080 as port and 80 as internal_port"),
        ("port", "8080:80/tcp", ": write 8080 as port and 80 as internal_port"),
        ("port", "0.0.0.0:8080", ": write 8080"),
        ("port", "8080tcp", ": write 8080/tcp"),
        ("port", "8080,0", ": write 8080"),
        ("port", "8.080", ": write 8080, or a row for each port"),
        ("port", "100 bis 200", ": write 100-200"),
        ("port", "\uff18\uff10\uff18\uff10", ": write 8080"),
        ("port", "\u201c8080\u201d", ": write 8080"),
        ("port", "${PORT}", ": variables are not replaced, write the number"),
        ("port", "*", ": write a range, or any if the gateway may choose"),
        ("port", [80, 81], ": write a row for each port"),
        ("duration", 3600.0, ": write 3600"),
        ("comment", 5, ': write "5"'),
    ],
)
def test_a_value_of_another_program_has_a_hint(field: str, value: object, hint: str) -> None:
    """Spreadsheets, firewalls and routers write ports and protocols differently."""
    with pytest.raises(RowError) as caught:
        PARSERS[field](value)
    assert str(caught.value).endswith(hint)
