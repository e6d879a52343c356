"""The settings file is loaded strictly, and errors contain file and line."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from platforms import ROOT

from portmapper.api.errors import SettingError, UsageError
from portmapper.api.model import ConflictPolicy, Family
from portmapper.config.loader import MAX_SIZE, line_of, read_settings
from portmapper.config.log_options import LogLevel

WHOLE = """
# everything
sources = ["ports.csv", "https://example.org/ports.json"]
format = "csv"
csv_delimiter = ","
interval = 30
conflict = "next"
family = "both"
close_ports_on_exit = true
gateway = ["192.168.1.1"]
state_dir = "ROOTvar/lib/portmapper"
pid_file = "ROOTrun/portmapper.pid"
disable_plugins = ["simulator"]

[backend]
order = ["upnp"]
forbidden = ["natpmp"]

[log]
level = "debug"
format = "json"
file = "ROOTvar/log/portmapper.log"

[[policy]]
action = "allow"
port = "1024-65535"
internal_port = 22
protocol = "tcp"
address = "192.168.1.0/24"

[[mapping]]
port = 8080
protocol = "tcp"
""".replace("ROOT", ROOT)


@pytest.fixture
def file(tmp_path: Path) -> Path:
    """The path of the settings file."""
    return tmp_path / "portmapper.toml"


def test_every_key_is_read(file: Path) -> None:
    """The values have the right types."""
    file.write_text(WHOLE)
    settings = read_settings(file).settings
    assert settings.interval == 30.0
    assert settings.conflict is ConflictPolicy.NEXT
    assert settings.family == (Family.IPV4, Family.IPV6)
    assert settings.log.level is LogLevel.DEBUG
    assert settings.log.file == Path(f"{ROOT}var/log/portmapper.log")
    assert settings.policy[0].port == range(1024, 65536)
    assert settings.policy[0].internal_port == range(22, 23)
    assert str(settings.policy[0].address) == "192.168.1.0/24"
    assert settings.mapping == ({"port": 8080, "protocol": "tcp"},)


def test_an_empty_file_has_only_defaults(file: Path) -> None:
    """No key is required."""
    file.write_text("")
    assert read_settings(file).settings.interval == 60.0


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("intervall = 5", ":1: intervall: unknown key, did you mean interval?"),
        ("\n[log]\nlevle = 'info'", ":3: log.levle: unknown key, did you mean level?"),
        ("[log]\nlevel = 'loud'", ":2: log.level: 'loud' is not one of debug, info, warning, error"),
        ("interval = 'soon'", ":1: interval: 'soon' is not a duration: write seconds or a unit"),
        ("interval = true", ":1: interval: true is not a number of seconds, 1 or more"),
        ("sources = 'a.csv'", ":1: sources: 'a.csv' is not a list"),
        ("sources = [\n'a.csv',\n3\n]", ":1: sources[1]: 3 is not text"),
        ("close_ports_on_exit = 1", ":1: close_ports_on_exit: 1 is not true or false"),
        ("conflict = 'mine'", ":1: conflict: 'mine' is not one of keep, next, overwrite, fail"),
        ("family = 'ipv5'", ":1: family: 'ipv5' is not one of ipv4, ipv6, both"),
        ("state_dir = 'here'", ":1: state_dir: 'here' is not an absolute path"),
        ("csv_delimiter = ';;'", ":1: csv_delimiter: a CSV delimiter is one character, not ';;'"),
        ("log = 3", ":1: log: 3 is not a table"),
        ("[[policy]]\nport = 80", ":1: policy[0].action: is missing"),
        (
            "[[policy]]\naction = 'deny'\n\n[[policy]]\naction = 'allow'\nport = '80-79'",
            ":6: policy[1].port: '80-79' ends before it begins",
        ),
        ("[[policy]]\naction = 'deny'\nport = 'any'", ":3: policy[0].port: 'any' is neither a port nor"),
        ("[[policy]]\naction = 'deny'\naddress = '*'", ":3: policy[0].address: "),
        (
            "[[mapping]]\nport = 80\nprotcol = 'tcp'",
            ":3: mapping[0].protcol: unknown key, did you mean protocol?",
        ),
        ("mapping = 3", ":1: mapping: is not an array of tables: write [[mapping]]"),
    ],
)
def test_an_error_contains_file_and_line(text: str, message: str, file: Path) -> None:
    """It also contains the key, and for an unknown key the nearest known one."""
    file.write_text(text)
    with pytest.raises(SettingError) as caught:
        read_settings(file).check_plugin_tables([])
    assert f"{file}{message}" in str(caught.value)


def test_the_table_of_a_plugin_is_left_to_the_plugin(file: Path) -> None:
    """A table that no plugin has is an error."""
    file.write_text("\n[[hook]]\non = 'opened'\n")
    read = read_settings(file)
    read.check_plugin_tables(["hook"])
    with pytest.raises(SettingError, match=r":2: hook: unknown key, did you mean hooks\?"):
        read.check_plugin_tables(["hooks"])


@pytest.mark.parametrize("encoding", ["utf-16", "utf-16-le", "utf-8-sig", "utf-32"])
def test_a_file_of_powershell_is_read(file: Path, encoding: str) -> None:
    """Windows PowerShell writes UTF-16, and Notepad writes byte order marks."""
    file.write_bytes('# Büro\r\nsources = ["Büro.csv"]\r\ninterval = 30\r\n'.encode(encoding))
    assert read_settings(file).settings.sources == ("Büro.csv",)


def test_a_file_of_an_old_editor_is_read_with_a_warning(file: Path, caplog: pytest.LogCaptureFixture) -> None:
    """Its letters are those of Windows-1252; the line says what to correct."""
    file.write_bytes('interval = 30\nsources = ["Büro.csv"]\n'.encode("cp1252"))
    assert read_settings(file).settings.sources == ("Büro.csv",)
    assert "portmapper.toml: not UTF-8 (line 2), read as Windows-1252" in caplog.text


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"interval =", r"not TOML: a value is missing after = \(line 1\)"),
        (b"port;protocol\n80;tcp\n", "not TOML: it looks like a list: name it without --config"),
        (b"interval = 60\n# \x81", "not UTF-8 text \\(line 2\\): save"),
        (b"\xff\xfea", "damaged UTF-16 text"),
        (b"#" * (MAX_SIZE + 1), "larger than 256 KiB"),
        (b"a = " + b"[" * 100_000, "nested too deep|not TOML"),
    ],
)
def test_an_invalid_file_is_reported_in_one_line(content: bytes, message: str, file: Path) -> None:
    """Without a traceback or a delay."""
    file.write_bytes(content)
    with pytest.raises(UsageError, match=message):
        read_settings(file)


def test_a_directory_and_a_missing_file_are_reported(tmp_path: Path) -> None:
    """Like any file that cannot be read."""
    for path in (tmp_path, tmp_path / "none.toml"):
        with pytest.raises(UsageError, match=re.escape(str(path))):
            read_settings(path)


def test_lines_are_counted_after_multiline_values() -> None:
    """Text that looks like a key inside a string or an array is not a key."""
    begin = 'a = """\n[b]\nc = 1\n"""\nd = [\n  1, # ]\n  2,\n]\n'
    text = begin + "[x.y]\nz = {p = 1}\n[[t]]\n[[t]]\nk = 1\n[t.sub]\nq = 2\n"
    expected = {
        ("a",): 1,
        ("d", 1): 5,
        ("x", "y"): 9,
        ("x", "y", "z", "p"): 10,
        ("t", 0): 11,
        ("t", 1): 12,
        ("t", 1, "k"): 13,
        ("t", 1, "sub", "q"): 15,
    }
    assert {path: line_of(text, path) for path in expected} == expected
    assert line_of(text, ("nowhere",)) == 1


@given(st.text(alphabet="ab[]{}=.'\"\n# 1,", max_size=60))
def test_any_text_is_settings_or_an_error(text: str) -> None:
    """The only error is `UsageError`."""
    import tempfile

    with tempfile.TemporaryDirectory() as directory:
        path = Path(directory) / "portmapper.toml"
        path.write_text(text)
        try:
            read = read_settings(path)
            read.check_plugin_tables([])
        except UsageError:
            pass
