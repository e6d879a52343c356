"""A settings file that quick commands use is valid, and means what it means to the full command."""

from __future__ import annotations

import itertools
import os
from pathlib import Path
from typing import Any

import pytest
import tomli_w

from portmapper.api.errors import PortmapperError
from portmapper.cli.init import TEMPLATE, default_places
from portmapper.cli.quick_settings import MAX_SIZE, plain_settings
from portmapper.config.loader import KEYS, read_settings
from portmapper.pluginhost.manager import load_plugins

pytestmark = pytest.mark.skipif(os.name != "posix", reason="other systems use the full command")

VALUES: tuple[Any, ...] = (
    *(
        "",
        "auto",
        "keep",
        "own",
        "Next",
        "both",
        "ipv4",
        "info",
        "debug",
        "json",
        "pcp",
        "15m",
        "0",
        ";",
        ";;",
    ),
    *("/srv/state", "~/state", "relative", "//srv", "127.0.0.1:8080", "[::1]:8080", "127.0.0.1", "deny"),
    *(0, 1, -1, 60, 86_400, 86_400 * 366, 1.5, True, False),
    *([], [""], ["pcp"], ["pcp", "natpmp", "upnp"], ["x"], [1], [{}], [[]], {}),
)
TABLES = {
    "source": ("location", "format", "trust", "max_mappings", "x"),
    "mapping": ("port", "protocol", "x"),
    "log": ("level", "format", "file", "x"),
    "http": ("listen", "hosts", "trusted_proxies", "certificate", "x"),
    "backend": ("order", "forbidden", "x"),
    "guard": ("address",),
    "policy": ("action",),
    "preset": ("x",),
    "hook": ("on",),
    "plugin": ("x",),
    "unknown": ("x",),
}
ARRAYS = ("source", "mapping", "policy", "hook")


def documents() -> list[dict[str, Any]]:
    """Return settings with one key, and with one key in one table, for many values."""
    single = [{key: value} for key in (*KEYS, "hook", "unknown") for value in VALUES]
    nested = [
        {key: [{name: value}] if key in ARRAYS else {name: value}}
        for key, names in TABLES.items()
        for name in names
        for value in VALUES
    ]
    return [*single, *nested]


def written(path: Path, document: dict[str, Any]) -> Path:
    """Write a settings file."""
    path.write_text(tomli_w.dumps(document))
    return path


def is_valid(path: Path) -> bool:
    """Return whether the full command accepts the file."""
    try:
        read_settings(path).check_plugin_tables(["plugin", *load_plugins().tables])
    except PortmapperError:
        return False
    return True


def test_no_invalid_file_is_used(tmp_path: Path) -> None:
    """Its error is reported by the full command."""
    used = []
    for number, document in enumerate(documents()):
        path = written(tmp_path / f"{number}.toml", document)
        if plain_settings(str(path)) is not None:
            used.append(document)
            assert is_valid(path), document
    assert {key for document in used for key in document} == {
        *("sources", "source", "format", "csv_delimiter", "mapping", "interval", "conflict", "family"),
        *("close_ports_on_exit", "gateway", "state_dir", "pid_file", "disable_plugins", "log"),
        "http",
    }


def test_values_are_those_of_the_full_command(tmp_path: Path) -> None:
    """For the keys that quick commands use."""
    families, conflicts = ("ipv4", "ipv6", "both"), ("keep", "next", "overwrite", "fail")
    for family, conflict in itertools.product(families, conflicts):
        document = {"family": family, "conflict": conflict, "state_dir": "/srv/./state"}
        path = written(tmp_path / "portmapper.toml", document)
        assert plain_settings(str(path)) == document
        settings = read_settings(path).settings
        assert str(settings.state_dir) == "/srv/state"
        assert [str(name) for name in settings.family] == (["ipv4", "ipv6"] if family == "both" else [family])


@pytest.mark.parametrize("document", [{"backend": {"order": ["upnp"]}}, {"hook": [{"on": "opened"}]}])
def test_a_file_for_which_plugins_are_loaded_is_not_used(tmp_path: Path, document: dict[str, Any]) -> None:
    """The full command logs which of them are broken."""
    assert plain_settings(str(written(tmp_path / "portmapper.toml", document))) is None


def test_the_file_that_init_writes_is_used(tmp_path: Path) -> None:
    """With the lines that a user adds."""
    path = tmp_path / "portmapper.toml"
    text = TEMPLATE.format(found="", gateway='gateway = ["192.168.1.1"]', places=default_places())
    path.write_text(f'{text}\n[[mapping]]\nport = 8080 # the web server\nprotocol = "tcp"\n')
    assert plain_settings(str(path)) == {
        "gateway": ["192.168.1.1"],
        "mapping": [{"port": 8080, "protocol": "tcp"}],
    }


@pytest.mark.parametrize(
    "content",
    [
        b"\xef\xbb\xbfinterval = 60",
        b"# M\xfcnchen",
        "interval = 60".encode("utf-16"),
        b"interval = ",
        b"x = " + b"[" * 9999,
        b"#" * MAX_SIZE,
    ],
)
def test_an_unusual_file_is_left_to_the_full_command(tmp_path: Path, content: bytes) -> None:
    """Other encodings, huge files, and what is no TOML."""
    path = tmp_path / "portmapper.toml"
    path.write_bytes(content)
    assert plain_settings(str(path)) is None


def test_a_pipe_is_left_to_the_full_command(tmp_path: Path) -> None:
    """It can be read only once."""
    os.mkfifo(tmp_path / "pipe")
    assert plain_settings(str(tmp_path / "pipe")) is None


def test_variables_are_left_to_the_full_command(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """They set values of plugins, which it checks."""
    path = written(tmp_path / "portmapper.toml", {"interval": 60})
    monkeypatch.setenv("PORTMAPPER_PLUGIN_X_Y", "1")
    assert plain_settings(str(path)) is None
