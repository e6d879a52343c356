"""Names of directories in paths are replaced, and everything else stays."""

from __future__ import annotations

import string

import pytest
from hypothesis import given
from hypothesis import strategies as st

from portmapper.support.directory_names import COMMON, without_directories

CHOSEN = (
    st.text(string.ascii_letters, min_size=1, max_size=20)
    .map(lambda name: f"q{name}")
    .filter(lambda name: name.lower() not in COMMON)
)
PATHS = (
    "/srv/NAME/ports.csv",
    "/etc/portmapper/NAME/ca.pem",
    "/NAME/ports.csv",
    "/mnt/lists/NAME",
    "~/NAME/ports.csv",
    "~user/NAME/ports.csv",
    "file:///srv/NAME/ports.csv",
    "--file=/srv/NAME/ports.csv",
    '"/srv/NAME NAME/x y/ports.csv"',
    "C:\\NAME\\ports.csv",
    "C:\\Program Files\\NAME NAME\\ports.csv",
    "C:\\\\NAME\\\\ports.csv",
    "\\\\nas\\NAME\\ports.csv",
)


def replaced(text: str) -> str:
    """Return the text with `<directory>` for each chosen name."""
    return without_directories(text, lambda _: "<directory>")


@given(st.lists(st.sampled_from(PATHS), min_size=1), CHOSEN, st.sampled_from([" ", ": ", "; ", ", "]))
def test_a_chosen_name_is_in_no_path(paths: list[str], name: str, between: str) -> None:
    """In every notation of a path, and with any text between paths."""
    assert name not in replaced(between.join(path.replace("NAME", name) for path in paths))


@given(st.text("/\\~C:. \"'ab"))
def test_any_text_is_accepted(text: str) -> None:
    """Also one that is almost a path."""
    assert isinstance(replaced(text), str)


@pytest.mark.parametrize(
    "text",
    [
        "/etc/portmapper/ports.csv",
        "/var/lib/portmapper/leases.sqlite3 and /run/user/1000/portmapper.sock",
        "/usr/lib/python3.11/site-packages/main.py",
        "C:\\Users\\user\\AppData\\Local\\portmapper\\leases.sqlite3",
        "8080/tcp 192.168.1.0/24 TCP/UDP application/json a/b/c",
        "http://192.168.1.1:5000/ctl/IPConn /upnp/control/WANIPConn1 /v1/reload",
        "/dev/null",
    ],
)
def test_what_many_hosts_have_stays(text: str) -> None:
    """Readers need it, and it identifies no one."""
    assert replaced(text) == text


def test_the_file_keeps_its_name() -> None:
    """Only the text before it is replaced."""
    assert replaced("/srv/smith/lists/home.csv") == "/srv/<directory>/lists/home.csv"
