"""The shape of the house: who may import whom, and what an import may cost."""

from __future__ import annotations

import ast
import inspect
import json
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

import portmapper
from portmapper import hookspecs

CORE = Path(portmapper.__file__).parent
PLUGINS = CORE.parent / "plugins"
HEAVY = ("aiohttp", "async_upnp_client", "prometheus_client", "rich")
STANDARD = (
    "portmapper_files",
    "portmapper_hooks",
    "portmapper_http",
    "portmapper_metrics",
    "portmapper_pcp",
    "portmapper_simulator",
    "portmapper_upnp",
)


def imports(file: Path) -> Iterator[str]:
    """Yield the full name of every module and name that a file imports, wherever in it."""
    for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            yield node.module
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def loaded_after(code: str, names: tuple[str, ...]) -> set[str]:
    """Return which of these modules are loaded once `code` has run in a fresh interpreter."""
    ask = f"{code}\nimport sys, json\nprint(json.dumps([n for n in {names!r} if n in sys.modules]))"
    answer = subprocess.run(
        [sys.executable, "-c", ask],
        capture_output=True,
        text=True,
        timeout=50,
        check=True,
        env={"PYTHONPATH": f"{CORE.parent}:{PLUGINS}", "PATH": ""},
    )
    return set(json.loads(answer.stdout.splitlines()[-1]))


def test_the_core_imports_no_plugin() -> None:
    """It finds them through their entry points."""
    guilty = {
        (file.name, name)
        for file in CORE.rglob("*.py")
        for name in imports(file)
        if name.startswith("portmapper_")
    }
    assert guilty == set()


def test_plugins_import_only_public_names() -> None:
    """Nothing with an underscore, and nothing of the command line but what is theirs to use."""
    guilty = {
        (str(file.relative_to(PLUGINS)), name)
        for file in PLUGINS.rglob("*.py")
        for name in imports(file)
        if name.split(".")[0] == "portmapper" and any(part.startswith("_") for part in name.split(".")[1:])
        if name != "portmapper.__version__"
    }
    assert guilty == set()


def test_plugins_import_nothing_of_each_other() -> None:
    """Each is a house of its own; the simulator is for showing and testing them."""
    guilty = {
        (str(file.relative_to(PLUGINS)), name)
        for file in PLUGINS.rglob("*.py")
        for name in imports(file)
        if name.startswith("portmapper_")
        if not name.startswith(file.relative_to(PLUGINS).parts[0].replace("-", "_"))
        if not name.startswith("portmapper_register_")
    }
    assert guilty == set()


def test_the_version_costs_no_import() -> None:
    """`portmapper --version` answers before any library of ours is loaded."""
    code = "from portmapper.cli.main import main\nmain(['--version'])"
    assert loaded_after(code, (*HEAVY, "asyncio", "pluggy", "attr", "argparse")) == set()


@pytest.mark.parametrize("name", STANDARD)
def test_loading_a_plugin_costs_no_heavy_import(name: str) -> None:
    """Its hooks import inside themselves."""
    assert loaded_after(f"import {name}.plugin", HEAVY) == set()


def test_registering_every_plugin_costs_no_heavy_import() -> None:
    """The list of plugins and commands is quick to show."""
    registering = "\n".join(
        f"import {name}.plugin; plugins.register({name}.plugin, {name!r})" for name in STANDARD
    )
    code = f"from portmapper.plugins import Plugins\nplugins = Plugins()\n{registering}"
    assert loaded_after(code, HEAVY) == set()


def test_one_pass_over_pcp_imports_no_http_and_no_screen(
    tmp_path: Path, free_port: Callable[[], int]
) -> None:
    """A gateway that refuses, on loopback, is enough to load all that such a run needs."""
    port = free_port()
    (tmp_path / "ports.csv").write_text("port;protocol;duration;comment\n80;TCP;60;web\n")
    words = [
        *("run", str(tmp_path / "ports.csv"), "--oneshot", "--json", "--backend", "pcp"),
        *("--gateway", f"127.0.0.1:{port}", "--state-dir", str(tmp_path / "state")),
    ]
    code = f"from portmapper.cli.main import main\nassert main({words!r}) == 3"
    assert loaded_after(code, HEAVY) == set()


def test_every_hook_is_explained() -> None:
    """Its author has nothing else to read."""
    hooks = {
        name: value for name, value in vars(hookspecs).items() if name.startswith("portmapper_register_")
    }
    assert len(hooks) >= 5
    assert [name for name, hook in hooks.items() if not inspect.getdoc(hook)] == []
