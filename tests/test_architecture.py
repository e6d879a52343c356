"""The architecture: which package may import which, and the cost of imports."""

from __future__ import annotations

import ast
import importlib.util
import inspect
import json
import os
import socket
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

import portmapper
from portmapper import api, testing
from portmapper.api import hookspecs
from portmapper.control.unix_socket import short_address

CORE = Path(portmapper.__file__).parent
PLUGINS = Path(__file__).parents[1] / "plugins"
HEAVY = ("aiohttp", "async_upnp_client", "prometheus_client", "rich")
UNUSED_BY_A_PASS = (
    "portmapper.actions.tables",
    "portmapper.api.connection",
    "portmapper.api.metrics",
    "portmapper.api.schedule",
    "portmapper.api.until_syntax",
    "portmapper.cli.background",
    "portmapper.control.client",
    "portmapper.control.listener",
    "portmapper.control.server",
    "portmapper.daemon.leftovers",
    "portmapper.daemon.pausing",
    "portmapper.daemon.requests",
    "portmapper.network.listeners",
    "portmapper.network.monitor",
    "portmapper.observability.metrics",
    "portmapper.pluginhost.trace",
    "portmapper.probe",
    "portmapper.sources.inline",
    "portmapper.sources.internal_hosts",
    "portmapper.sources.remote_syntax",
    "portmapper.sources.schedules",
    "portmapper.support.clock_jumps",
    "portmapper.support.inotify",
    "portmapper.support.private_json",
    "portmapper.support.toml_mistakes",
    "portmapper_files.json_rows",
    "portmapper_files.pipe",
    "portmapper_files.toml_rows",
    "portmapper_files.watcher",
    "portmapper_hooks.command",
    "portmapper_hooks.settings",
    "portmapper_hooks.state_files",
    "portmapper_hooks.webhook",
    "portmapper_http.download",
    "portmapper_metrics.settings",
    "portmapper_pcp.nat_pmp",
    "portmapper_simulator.demo_command",
    "portmapper_simulator.simulate_command",
)
"""Features that a pass over a plain CSV list does not need. Each module takes time, and 40 KiB of memory."""

STANDARD = (
    "portmapper_files",
    "portmapper_hooks",
    "portmapper_http",
    "portmapper_metrics",
    "portmapper_pcp",
    "portmapper_quirks",
    "portmapper_simulator",
    "portmapper_upnp",
    "portmapper_web",
)

PUBLIC = ("api", "support", "testing")
"""The packages that plugins may import."""

_BASE = ("api", "support")
_HOST = (*_BASE, "pluginhost", "network")
_SCHEDULER = (*_HOST, "gateways", "store")
_CONFIG = (*_HOST, "sources")
_OBSERVABILITY = (*_SCHEDULER, "scheduler")
_ACTIONS = (*_OBSERVABILITY, "sources", "config", "observability")
_DAEMON = (*_ACTIONS, "client", "control", "http", "actions", "probe")
MAY_IMPORT: dict[str, tuple[str, ...]] = {
    "support": (),
    "api": ("support",),
    "pluginhost": _BASE,
    "network": _BASE,
    "store": _BASE,
    "gateways": _HOST,
    "sources": _HOST,
    "scheduler": _SCHEDULER,
    "probe": _BASE,
    "probe_server": (*_BASE, "probe"),
    "config": (*_CONFIG, "probe"),
    "client": (*_ACTIONS, "actions"),
    "observability": _OBSERVABILITY,
    "control": (*_OBSERVABILITY, "observability"),
    "http": (*_OBSERVABILITY, "observability", "sources", "config", "control"),
    "actions": _ACTIONS,
    "daemon": _DAEMON,
    "doctor": (*_DAEMON, "daemon"),
    "testing": (*_DAEMON, "daemon"),
    "cli": (*_DAEMON, "daemon", "doctor", "probe_server"),
}
"""The packages that each package of the core may import; see docs/architecture.md."""


OPENSSL = ("_ssl", "_hashlib")
"""Modules that load it: 5 MiB of memory, and a twentieth of a start."""


def imports(file: Path) -> Iterator[str]:
    """Yield the full name of every module and name that a file imports, anywhere in it."""
    for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            yield node.module
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def loaded_after(code: str, names: tuple[str, ...]) -> set[str]:
    """Return which of these modules are loaded after `code` has run in a new interpreter."""
    script = f"{code}\nimport sys, json\nprint(json.dumps([n for n in {names!r} if n in sys.modules]))"
    done = subprocess.run(
        [sys.executable, "-c", script],
        capture_output=True,
        text=True,
        timeout=50,
        check=True,
        env={"PYTHONPATH": f"{CORE.parent}:{PLUGINS}", "PATH": ""},
    )
    return set(json.loads(done.stdout.splitlines()[-1]))


def direct_imports(file: Path) -> Iterator[str]:
    """Yield the dotted name of everything that a file imports: `package.module.name` for a `from` import."""
    for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def package_of(name: str) -> str:
    """Return the package of the core that a dotted name belongs to: `api` for `portmapper.api.model`."""
    parts = name.split(".")
    return parts[1] if len(parts) > 1 else ""


def core_imports() -> Iterator[tuple[str, str]]:
    """Yield every import inside the core: the file relative to `portmapper/`, and what it imports."""
    for file in sorted(CORE.rglob("*.py")):
        for name in direct_imports(file):
            if name.split(".")[0] == "portmapper":
                yield file.relative_to(CORE).as_posix(), name


def test_the_core_imports_no_plugin() -> None:
    """The core finds plugins through entry points."""
    guilty = {
        (file.name, name)
        for file in CORE.rglob("*.py")
        for name in imports(file)
        if name.startswith("portmapper_")
    }
    assert guilty == set()


def test_every_module_of_the_core_is_in_a_package() -> None:
    """The folders are the architecture."""
    assert sorted(file.name for file in CORE.glob("*.py")) == ["__init__.py", "__main__.py"]
    assert {file.parent.name for file in CORE.glob("*/__init__.py")} == set(MAY_IMPORT)


def test_packages_import_only_what_the_table_allows() -> None:
    """Lazy imports and imports for type checking count, too. docs/architecture.md has the same table."""
    guilty = [
        f"{file} imports {name}"
        for file, name in core_imports()
        if "/" in file
        if (importer := file.split("/")[0]) != (imported := package_of(name))
        if imported in MAY_IMPORT and imported not in MAY_IMPORT[importer]
    ]
    assert guilty == []


def test_the_table_has_no_cycle() -> None:
    """If one package may import another, the other may not import it."""
    assert [
        (one, other) for one, allowed in MAY_IMPORT.items() for other in allowed if one in MAY_IMPORT[other]
    ] == []


def test_imports_are_at_most_twelve_levels_deep() -> None:
    """To read a module, you have to know those below it. A cycle has no depth and fails.

    `support.values` does not count: its decorator does what that of attrs does, and attrs is not counted.
    """
    modules = {
        ".".join(("portmapper", *file.relative_to(CORE).with_suffix("").parts)): file
        for file in CORE.rglob("*.py")
        if file != CORE / "support" / "values.py"
    }
    below = {
        module: {name if name in modules else name.rpartition(".")[0] for name in direct_imports(file)}
        & modules.keys()
        for module, file in modules.items()
    }
    levels = {name: depth for depth, names in enumerate(_levels(below), 1) for name in names}
    assert {name: depth for name, depth in levels.items() if depth > 12} == {}


def _levels(below: dict[str, set[str]]) -> Iterator[set[str]]:
    left = dict(below)
    while left:
        level = {module for module, imported in left.items() if not imported & left.keys()}
        assert level, f"these modules import each other: {sorted(left)}"
        yield level
        left = {module: imported for module, imported in left.items() if module not in level}


def test_plugins_import_only_public_packages() -> None:
    """A plugin author needs `portmapper.api`; a command that runs a daemon may import `portmapper.daemon`."""
    guilty = [
        f"{file.relative_to(PLUGINS)} imports {name}"
        for file in PLUGINS.rglob("*.py")
        for name in direct_imports(file)
        if name.split(".")[0] == "portmapper" and name != "portmapper.__version__"
        if package_of(name) not in PUBLIC
        if not (file.name.endswith("_command.py") and package_of(name) == "daemon")
    ]
    assert guilty == []


def test_plugins_import_the_api_from_its_package() -> None:
    """They import no module of it, so names can move between modules."""
    guilty = [
        f"{file.relative_to(PLUGINS)} imports {name}"
        for file in PLUGINS.rglob("*.py")
        for name in direct_imports(file)
        if name.startswith("portmapper.api.") and name.count(".") > 2
    ]
    assert guilty == []


def test_every_public_name_can_be_imported_from_the_api() -> None:
    """The list for type checkers and the list for lazy imports are the same."""
    for package in (api, testing):
        typed = {name.rpartition(".")[2] for name in direct_imports(Path(package.__file__))} - {"annotations"}
        for name in typed - {"lazy_exports"}:
            assert getattr(package, name) is not None
    with pytest.raises(AttributeError, match="no attribute 'Backed'"):
        api.Backed  # noqa: B018


def test_plugins_do_not_import_each_other() -> None:
    """Each plugin can be removed without breaking another."""
    guilty = {
        (str(file.relative_to(PLUGINS)), name)
        for file in PLUGINS.rglob("*.py")
        for name in imports(file)
        if name.startswith("portmapper_")
        if not name.startswith(file.relative_to(PLUGINS).parts[0].replace("-", "_"))
        if not name.startswith("portmapper_register_")
    }
    assert guilty == set()


def test_the_version_needs_no_heavy_import() -> None:
    """`portmapper --version` loads no library."""
    code = "from portmapper.cli.main import main\nmain(['--version'])"
    assert loaded_after(code, (*HEAVY, "asyncio", "pluggy", "attr", "argparse")) == set()


@pytest.mark.skipif(os.name != "posix", reason="other systems use the full command")
@pytest.mark.parametrize(("option", "more"), [("--json", ("typing", "datetime")), ("", ())])
def test_the_status_of_a_daemon_needs_no_parser_and_no_rich(
    tmp_path: Path, option: str, more: tuple[str, ...]
) -> None:
    """Users call it in loops and in prompts. The answer comes from a socket that is not a daemon's."""
    words = ["status", "--state-dir", str(tmp_path), *([option] if option else [])]
    parts = {"pid": 1, "version": "0.2.0", "started_at": "2026-11-28T10:00:00+00:00"}
    document = {**parts, "mappings": [], "gateways": [], "sources": []}
    answer = f"HTTP/1.0 200 OK\r\n\r\n{json.dumps(document)}"
    with listening(tmp_path, answer.encode()):
        code = f"from portmapper.cli.main import main\nassert main({words!r}) == 0"
        names = (*HEAVY, "asyncio", "attr", "argparse", "pathlib", *more)
        assert loaded_after(code, names) <= loaded_after("", names)


@contextmanager
def listening(directory: Path, answer: bytes) -> Iterator[None]:
    """Answer one request on the control socket of a directory."""

    def serve() -> None:
        connection, _ = listener.accept()
        with connection:
            connection.recv(4096)
            connection.sendall(answer)

    with socket.socket(socket.AF_UNIX) as listener, short_address(directory) as address:
        listener.bind(address)
        listener.listen()
        thread = threading.Thread(target=serve)
        thread.start()
        yield
        thread.join()


@pytest.mark.parametrize("name", STANDARD)
def test_loading_a_plugin_needs_no_heavy_import(name: str) -> None:
    """Hooks import inside their functions."""
    assert loaded_after(f"import {name}.plugin", HEAVY) == set()


def test_registering_every_plugin_needs_no_heavy_import() -> None:
    """Otherwise every command would start slowly."""
    registering = "\n".join(
        f"import {name}.plugin; plugins.register({name}.plugin, {name!r})" for name in STANDARD
    )
    code = f"from portmapper.pluginhost.manager import Plugins\nplugins = Plugins()\n{registering}"
    assert loaded_after(code, HEAVY) == set()


def test_a_daemon_without_pcp_and_nat_pmp_does_not_import_them() -> None:
    """It has their backends, because leases of an earlier run may need them. A search imports the rest."""
    code = "import portmapper_pcp.plugin\nportmapper_pcp.plugin.portmapper_register_backends()"
    names = ("natpmp", *(f"portmapper_pcp.{name}" for name in ("pcp", "nat_pmp", "gateway", "announcements")))
    assert loaded_after(code, names) == set()


def test_one_pass_over_pcp_imports_only_what_it_uses(tmp_path: Path, free_port: Callable[[], int]) -> None:
    """A loopback address where nothing listens is enough to load all modules of such a run."""
    port = free_port()
    (tmp_path / "ports.csv").write_text("port;protocol;duration;comment\n80;TCP;60;web\n")
    words = [
        *("run", str(tmp_path / "ports.csv"), "--oneshot", "--backend", "pcp"),
        *("--gateway", f"127.0.0.1:{port}", "--state-dir", str(tmp_path / "state")),
    ]
    code = f"from portmapper.cli.main import main\nassert main({words!r}) == 3"
    assert loaded_after(code, (*HEAVY, *OPENSSL, *UNUSED_BY_A_PASS)) == set()


def test_the_modules_that_a_pass_does_not_use_exist() -> None:
    """After a module was renamed, nothing would be checked."""
    assert [name for name in UNUSED_BY_A_PASS if importlib.util.find_spec(name) is None] == []


def test_files_are_short() -> None:
    """Each has one idea."""
    lengths = {
        str(file.relative_to(folder.parent)): len(file.read_text(encoding="utf-8").splitlines())
        for folder in (CORE, PLUGINS)
        for file in folder.rglob("*.py")
    }
    assert {name: length for name, length in lengths.items() if length >= 350} == {}


def test_functions_are_short() -> None:
    """Without its docstring, each fits on a screen."""
    long = {
        f"{file.stem}.{node.name}"
        for folder in (CORE, PLUGINS)
        for file in folder.rglob("*.py")
        for node in ast.walk(ast.parse(file.read_text(encoding="utf-8")))
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) and _lines_of_code(node) > 33
    }
    assert long == set()


def _lines_of_code(function: ast.FunctionDef | ast.AsyncFunctionDef) -> int:
    assert function.end_lineno is not None, "it was read from a file"
    lines = function.end_lineno - function.lineno + 1
    if ast.get_docstring(function) is not None:
        docstring = function.body[0]
        assert docstring.end_lineno is not None, "it was read from a file"
        lines -= docstring.end_lineno - docstring.lineno + 1
    return lines


def test_every_hook_has_a_docstring() -> None:
    """Plugin authors read it."""
    hooks = {
        name: value for name, value in vars(hookspecs).items() if name.startswith("portmapper_register_")
    }
    assert len(hooks) >= 5
    assert [name for name, hook in hooks.items() if not inspect.getdoc(hook)] == []
