"""What to write instead of a value that is not valid."""

from __future__ import annotations

from datetime import time

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
        ("port", "8.08E+03", ": write 8080"),
        ("port", "8,081E+03", ": write 8081"),
        ("port", "0x1F90", ": write 8080"),
        ("port", "port 8080", ": write 8080"),
        ("port", "*:8080", ": write 8080"),
        ("port", "8080!", ": write 8080"),
        ("port", "99999!", "such as 2722-2723"),
        ("port", "0", ": write any if the gateway may choose"),
        ("port", 0, ": write any if the gateway may choose"),
        ("port", "8090-8080", ": write 8080-8090"),
        ("port", "[::1]:8080:80", ": write 8080 as port and 80 as internal_port"),
        ("port", "8000-8010:9000-9010", ": write 8000-8010 as port and 9000-9010 as internal_port"),
        ("port", "//8080", ": a comment begins with #"),
        (
            "port",
            "\udcff8080",
            "'\u00ff8080' is neither a port (1-65535) nor a range such as 2722-2723: write 8080",
        ),
        ("protocol", "TCP and UDP", ": write both"),
        ("internal_port", "8080/tcp", ": write 8080"),
        ("internal_port", "same", "or omit it for the same as port"),
        ("internal_port", 0, "or omit it for the same as port"),
        ("duration", 3600.0, ": write 3600"),
        ("duration", "PT1H30M", ": write 1h30m"),
        ("duration", "P1D", ": write 1d"),
        ("duration", "01:00:00", ": write 1h"),
        ("duration", time(1, 30), ": write 1h30m"),
        ("duration", "1.5h", ": write 90m"),
        ("duration", "1,5 hours", ": write 90m"),
        ("duration", "PT0S", "such as 90, 90s, 15m, 1h or 7d"),
        ("duration", "10ms", "such as 90, 90s, 15m, 1h or 7d"),
        ("duration", "-1", ": write 0 for as long as the gateway allows"),
        ("duration", "\u221e", ": write 0 for as long as the gateway allows"),
        ("duration", "9" * 20, ": write 0 for as long as the gateway allows"),
        ("address", "None", ": omit the address to map to this host"),
        ("address", "*", ": omit the address to map to this host"),
        ("address", "this host", ": omit the address to map to this host"),
        ("address", "192.168.0.10 (NAS)", ": it contains a space: write only the address"),
        ("address", "fe80::1%eth0", ": it is link-local, and cannot be reached from outside"),
        ("address", "192.168.0.256", ": each number is at most 255"),
        ("address", "192,168,0,10", ": write 192.168.0.10"),
        ("address", "192.168.0.10/33", ": the number after / is 0 to 32"),
        ("address", "192.168.0.", ": an IPv4 address has four numbers, such as 192.168.0.10"),
        ("remote", "0.0.0.0", "is every host: omit it to let every host connect"),
        ("comment", 5, ': write "5"'),
    ],
)
def test_a_value_of_another_program_has_a_hint(field: str, value: object, hint: str) -> None:
    """Spreadsheets, firewalls and routers write ports, lifetimes and addresses differently."""
    with pytest.raises(RowError) as caught:
        PARSERS[field](value)
    assert str(caught.value).endswith(hint)
