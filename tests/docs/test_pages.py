"""The pages match the program: hooks, fields, keys, events, states, errors, codes and messages."""

from __future__ import annotations

import ast
import inspect
import re
import tomllib
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import attrs
import pytest

from portmapper.api import hookspecs
from portmapper.api.errors import BackendError, RowError
from portmapper.api.events import EventKind
from portmapper.api.field_names import FIELD_NAMES
from portmapper.api.findings import CODES
from portmapper.api.model import MappingState
from portmapper.cli.main import EXIT_STATUS
from portmapper.config.schema import (
    BackendSettings,
    ClusterSettings,
    GuardSettings,
    HttpSettings,
    LogSettings,
    ProbeSettings,
    RuleSettings,
    Settings,
    SourceSettings,
)
from portmapper.pluginhost.kinds import KINDS, hook_of
from portmapper.sources.address_syntax import parse_address
from portmapper.sources.field_parsers import CONFLICTS
from portmapper_hooks.settings import HookSettings, WebhookSettings
from portmapper_metrics.settings import MetricsSettings


def _page(root: Path, name: str) -> str:
    return (root / "docs" / name).read_text(encoding="utf-8")


@pytest.mark.parametrize("kind", KINDS)
def test_every_hook_is_documented_with_its_signature(kind: str, root: Path) -> None:
    """The page on hooks has each hook with its exact signature."""
    name = hook_of(kind)
    page = _page(root, "plugins/hooks.md")
    signature = inspect.signature(getattr(hookspecs, name))
    assert f"## {name}\n" in page
    assert f"def {name}{str(signature).replace(chr(39), '')}: ..." in page


_INCLUDED = re.compile(r"^```\{literalinclude\} (\S+)\n:pyobject: (\w+)$", re.MULTILINE)


def test_every_included_class_is_in_the_named_file(root: Path) -> None:
    """The pages on interfaces show them from the source, and nothing else notices that a class has moved."""
    missing = [
        f"{page.name}: {name} in {file}"
        for page in (root / "docs").rglob("*.md")
        for file, name in _INCLUDED.findall(page.read_text(encoding="utf-8"))
        if not re.search(
            rf"^(class|def) {name}\b", (page.parent / file).read_text(encoding="utf-8"), re.MULTILINE
        )
    ]
    assert missing == []


def test_every_documented_hook_exists(root: Path) -> None:
    """The page on hooks names only hooks that the program calls."""
    documented = set(re.findall(r"^## (portmapper_\w+)$", _page(root, "plugins/hooks.md"), re.MULTILINE))
    assert documented == {hook_of(kind) for kind in KINDS}


def test_every_field_of_a_list_is_documented(root: Path) -> None:
    """The table of fields has each field and no other."""
    page = _page(root, "lists.md")
    table = page[page.index("## Fields") : page.index("### Addresses")]
    fields = {*FIELD_NAMES} - {"duration", "external_port"}
    assert set(re.findall(r"^\| `(\w+)` \|", table, re.MULTILINE)) == fields


@pytest.mark.parametrize(
    ("title", "kind"),
    [
        ("## Keys", Settings),
        ("### `[[source]]`", SourceSettings),
        ("### `[backend]`", BackendSettings),
        ("### `[log]`", LogSettings),
        ("### `[http]`", HttpSettings),
        ("### `[guard]`", GuardSettings),
        ("### `[cluster]`", ClusterSettings),
        ("### `[probe]`", ProbeSettings),
        ("### `[[policy]]`", RuleSettings),
    ],
)
def test_every_key_of_the_settings_file_is_documented(title: str, kind: type[Any], root: Path) -> None:
    """Each table of the page has each key and no other."""
    page = _page(root, "settings.md")
    section = re.split(r"^#+ ", page[page.index(title) + len(title) :], maxsplit=1, flags=re.MULTILINE)[0]
    documented = re.findall(r"^\| `(\w+)` \|", section, re.MULTILINE)
    assert documented == [field.name for field in attrs.fields(kind)]


@pytest.mark.parametrize(
    ("name", "title", "kind"),
    [
        ("hooks.md", "| key of `[[hook]]` |", HookSettings),
        ("hooks.md", "| key of `[[webhook]]` |", WebhookSettings),
        ("metrics.md", "| key of `[metrics]` |", MetricsSettings),
    ],
)
def test_every_key_of_a_plugins_table_is_documented(
    name: str, title: str, kind: type[Any], root: Path
) -> None:
    """The plugin's page lists each key, and the settings page names the table."""
    page = _page(root, name)
    table = page[page.index(title) :].partition("\n\n")[0]
    assert re.findall(r"^\| `(\w+)` \|", table, re.MULTILINE) == [field.name for field in attrs.fields(kind)]
    assert f"| {title.split()[3]} |" in _page(root, "settings.md")


def test_every_event_is_documented(root: Path) -> None:
    """The page on hooks has the name of each event."""
    page = _page(root, "hooks.md")
    for kind in EventKind:
        assert f"`{kind}`" in page


def test_documented_addresses_are_accepted_or_refused(root: Path) -> None:
    """Each notation in the table is accepted, and each notation listed as refused is refused."""
    page = _page(root, "lists.md")
    table = page[page.index("### Addresses") : page.index("Refused are")]
    for row in re.findall(r"^\| (.+?) \|", table, re.MULTILINE):
        for address in re.findall(r"`([^`]+)`", row):
            parse_address(address)
    for refused in ("192.168.0/16", "10.0.0.0/33", "10.0.0.0/08", "192.168.0.", "*", "10.0.0.0/255.0.255.0"):
        with pytest.raises(RowError):
            parse_address(refused)


def test_every_policy_and_state_is_documented(root: Path) -> None:
    """The page on selection has each conflict policy and each state."""
    page = _page(root, "selection.md")
    for word in [*CONFLICTS, *MappingState]:
        assert f"| `{word}` |" in page


def test_every_backend_error_is_documented(root: Path) -> None:
    """The page on interfaces has each error that a backend can raise."""
    page = _page(root, "plugins/interfaces.md")
    for error in BackendError.__subclasses__():
        if error.__module__ == BackendError.__module__:
            assert f"| `{error.__name__}` |" in page


def test_every_exit_status_is_documented(root: Path) -> None:
    """The table has each exit status of the program."""
    page = _page(root, "command-line.md")
    for status in {0, 1, 130, *EXIT_STATUS.values()}:
        assert f"| {status} |" in page


def test_every_dependency_has_its_floor_and_reason(root: Path) -> None:
    """The page on decisions lists each dependency with its minimum version from pyproject.toml."""
    project: Mapping[str, Any] = tomllib.loads((root / "pyproject.toml").read_text(encoding="utf-8"))
    page = _page(root, "decisions.md")
    for requirement in project["project"]["dependencies"]:
        name, floor = re.match(r"([\w.-]+)>=([\w.]+)", requirement).groups()  # type: ignore[union-attr]
        assert re.search(rf"^\| {name} \| {re.escape(floor)} \|", page, re.MULTILINE), requirement


@pytest.mark.parametrize("name", ["troubleshooting.md", "routeros.md"])
def test_every_documented_message_exists(name: str, root: Path) -> None:
    """Each message in the tables is in the code, word for word; `…` replaces a variable part."""
    code = [*(root / "portmapper").rglob("*.py"), *(root / "plugins").rglob("*.py")]
    code_texts = "\0".join(text for path in code for text in _texts(path))
    first_columns = " ".join(re.findall(r"^\| (.*?) \|", _page(root, name), re.MULTILINE))
    messages = [text for text in re.findall(r"`([^`]+)`", first_columns) if " " in text]
    assert messages
    for message in messages:
        for fragment in re.split("…|[0-9]+|[:()]|the gateway ", message):
            assert fragment.strip() in code_texts, f"{message}: {fragment}"


def test_the_log_line_of_a_torrent_client_exists(root: Path) -> None:
    """The page on VPNs shows what the extra for torrent clients logs."""
    follower = root / "plugins/portmapper-clients/portmapper_clients/follower.py"
    (logged,) = (text for text in _texts(follower) if "uses port" in text)
    line = re.escape(logged).replace("%s", r"\S+").replace("%d", "[0-9]+")
    assert re.search(rf"^\S+ \S+ INFO    {line}$", _page(root, "vpn.md"), re.MULTILINE)


def _texts(path: Path) -> Iterator[str]:
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Constant) and isinstance(node.value, str):
            yield node.value


def test_every_package_is_in_the_architecture(root: Path) -> None:
    """The architecture page has a row for each package and plugin folder, and no other."""
    page = _page(root, "architecture.md")
    rows = set(re.findall(r"^\| `([a-z_]+)` \|", page, re.MULTILINE))
    packages = {path.parent.name for path in (root / "portmapper").glob("*/__init__.py")}
    folders = {path.name for path in (root / "plugins").glob("portmapper_*")}
    assert rows == packages | folders


def test_every_link_of_the_readme_works(root: Path) -> None:
    """Each file that the README links to exists."""
    readme = (root / "README.md").read_text(encoding="utf-8")
    for target in re.findall(r"\]\(([^)#:]+)\)", readme):
        assert (root / target).exists(), target


def test_every_attribute_of_a_value_has_a_docstring() -> None:
    """The interfaces page includes the source, so each value describes its attributes."""
    from portmapper.api.backend import Target
    from portmapper.api.events import Event
    from portmapper.api.model import Lease, MapRequest
    from portmapper.api.source import Document, Row

    for value in (Target, MapRequest, Lease, Document, Row, Event):
        docstring = value.__doc__ or ""
        for field in attrs.fields(value):
            assert re.search(rf"\b{field.name}\b", docstring.partition("Attributes:")[2]), (
                f"{value}: {field.name}"
            )


def test_every_code_of_doctor_is_documented(root: Path) -> None:
    """The page on troubleshooting has each code of `portmapper doctor`."""
    page = _page(root, "troubleshooting.md")
    table = page[page.index("## What doctor finds") : page.index("## Step by step")]
    assert sorted(re.findall(r"^`([a-z0-9-]+)`$", table, re.MULTILINE)) == sorted(CODES)
