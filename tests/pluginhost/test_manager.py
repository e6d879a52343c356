"""Plugins are found by entry points, isolated from each other, and sorted."""

from __future__ import annotations

import importlib.metadata
import types
from collections.abc import Callable, Sequence
from typing import Any

import pytest

import portmapper.pluginhost.manager
from portmapper.api.backend import Backend
from portmapper.api.command import Command
from portmapper.api.errors import UsageError
from portmapper.api.events import Observer
from portmapper.api.guard import Guard
from portmapper.api.hookspecs import hookimpl
from portmapper.api.quirks import Quirk
from portmapper.api.source import Format, Source
from portmapper.api.tokens import TokenSource
from portmapper.pluginhost.manager import (
    HOOK_PREFIX,
    KINDS,
    PLURALS,
    REQUIRED,
    Plugins,
    hook_of,
    load_plugins,
)


class Distribution:
    """The name and version that a report shows."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.version = "1.2"


class EntryPoint:
    """An entry point that loads the given plugin."""

    def __init__(self, name: str, plugin: object, distribution: str = "someones") -> None:
        self.name = name
        self.plugin = plugin
        self.dist = Distribution(distribution)

    def load(self) -> object:
        """Return or raise the plugin."""
        if isinstance(self.plugin, BaseException):
            raise self.plugin
        return self.plugin


def plugin(**hooks: Callable[[], Any]) -> types.ModuleType:
    """Return a plugin that implements these hooks."""
    module = types.ModuleType("plugin")
    for kind, hook in hooks.items():
        setattr(module, f"portmapper_register_{kind}", hookimpl(hook))
    return module


def named(name: str, rank: int = 100) -> type[Any]:
    """Return a class with this name that has the required attributes of every kind."""
    needed = dict.fromkeys(name for names in REQUIRED.values() for name in names)
    return type(name.title() or "Nameless", (), {**needed, "name": name, "rank": rank})


@pytest.fixture
def load(monkeypatch: pytest.MonkeyPatch) -> Callable[..., Plugins]:
    """Load only these entry points."""

    def loaded(*entry_points: EntryPoint, disabled: Sequence[str] = ()) -> Plugins:
        monkeypatch.setattr(portmapper.pluginhost.manager, "_entry_points", lambda: list(entry_points))
        return load_plugins(disabled)

    return loaded


def states(plugins: Plugins) -> dict[str, str]:
    """Return the state of each plugin."""
    return {report.name: report.state for report in plugins.reports}


def misspelled() -> types.ModuleType:
    """Return a plugin whose only hook does not exist."""
    return plugin(backend=lambda: [])


def words_of(kind: str) -> str:
    """Return the end of the name of a kind's hook."""
    return hook_of(kind).removeprefix(HOOK_PREFIX)


def good() -> types.ModuleType:
    """Return a plugin with one backend."""
    return plugin(backends=lambda: [named("good")])


@pytest.mark.parametrize(
    "broken",
    [
        ImportError("no module named x"),
        SyntaxError("nonsense"),
        SystemExit(1),
        plugin(backends=lambda: 1 / 0),
        plugin(backends=lambda: 7),
        plugin(backends=lambda: [object]),
        plugin(backends=lambda: [named("")]),
        misspelled(),
    ],
    ids=["import", "syntax", "exit", "raises", "number", "nameless", "empty name", "misspelled"],
)
def test_a_broken_plugin_is_reported_and_isolated(load: Callable[..., Plugins], broken: Any) -> None:
    """None of its classes stays registered, and the other plugins are loaded."""
    plugins = load(EntryPoint("a", broken), EntryPoint("b", good()))
    assert states(plugins) == {"a": "failed", "b": "loaded"}
    assert plugins.reports[0].error
    assert [backend.name for backend in plugins.backends] == ["good"]


@pytest.mark.parametrize(("kind", "missing"), [(kind, name) for kind in KINDS for name in REQUIRED[kind]])
def test_a_class_with_a_missing_attribute_is_rejected(
    load: Callable[..., Plugins], kind: str, missing: str
) -> None:
    """The error contains its kind, its name and the attribute."""
    lacking = named("mine")
    delattr(lacking, missing)
    plugins = load(EntryPoint("a", plugin(**{words_of(kind): lambda: [lacking]})), EntryPoint("b", good()))
    plugins.complete()
    assert states(plugins) == {"a": "failed", "b": "loaded"}
    assert str(plugins.reports[0].error).endswith(f"{kind}:mine has no {missing}")
    assert [backend.name for backend in plugins.backends] == ["good"]


@pytest.mark.parametrize("kind", PLURALS)
def test_an_unimplemented_abstract_method_is_missing(load: Callable[..., Plugins], kind: str) -> None:
    """It is inherited from the interface, but it does nothing."""
    interfaces = {"backend": Backend, "source": Source, "format": Format, "observer": Observer}
    interfaces |= {"quirk": Quirk, "guard": Guard, "token": TokenSource}
    interface = interfaces.get(kind, Command)
    unfinished = type("Unfinished", (interface,), {"name": "mine", "help": "x"})
    (report,) = load(EntryPoint("a", plugin(**{f"{kind}s": lambda: [unfinished]}))).reports
    assert report.state == "failed"
    assert set(str(report.error).partition(" has no ")[2].split(", ")) == set(interface.__abstractmethods__)


def test_a_rank_must_be_a_number(load: Callable[..., Plugins]) -> None:
    """Otherwise sorting would fail for all backends."""
    (report,) = load(EntryPoint("a", plugin(backends=lambda: [named("mine", "first")]))).reports  # type: ignore[arg-type]
    assert report.error == "backend:mine has the rank 'first', not a whole number"


def test_a_plugin_without_a_hook_has_failed(load: Callable[..., Plugins]) -> None:
    """Most likely, its author forgot the marker."""
    (report,) = load(EntryPoint("a", types.ModuleType("empty"))).reports
    assert report.state == "failed"
    assert "is @hookimpl missing?" in str(report.error)


def test_an_unmarked_misspelled_hook_has_failed(load: Callable[..., Plugins]) -> None:
    """Its name has the prefix of the hooks, and is none of them."""
    module = plugin(backends=lambda: [])
    module.portmapper_register_quirk = lambda: []  # type: ignore[attr-defined]
    (report,) = load(EntryPoint("a", module)).reports
    assert report.error == (
        "portmapper_register_quirk is not a hook, did you mean portmapper_register_quirks?"
    )


def test_a_hook_that_returns_nothing_is_no_failure(load: Callable[..., Plugins]) -> None:
    """It may have nothing to provide on this system."""
    (report,) = load(EntryPoint("a", plugin(backends=lambda: []))).reports
    assert (report.state, report.provides) == ("loaded", ())


def test_the_error_names_a_misspelled_hook(load: Callable[..., Plugins]) -> None:
    """Otherwise it would silently never be called."""
    (report,) = load(EntryPoint("a", misspelled())).reports
    assert "portmapper_register_backend" in str(report.error)


def test_a_report_lists_what_a_plugin_provides(load: Callable[..., Plugins]) -> None:
    """Kind and name of each class, and the distribution."""
    (report,) = load(
        EntryPoint("a", plugin(backends=lambda: [named("x"), named("y")], formats=lambda: [named("z")]))
    ).reports
    assert report.provides == ("backend:x", "backend:y", "format:z")
    assert (report.distribution, report.version, report.error) == ("someones", "1.2", None)


@pytest.mark.parametrize("by_environment", [True, False])
def test_a_plugin_can_be_disabled(
    load: Callable[..., Plugins], monkeypatch: pytest.MonkeyPatch, by_environment: bool
) -> None:
    """By argument or environment variable. It is not even imported."""
    names = ["a", "c"]
    if by_environment:
        monkeypatch.setenv("PORTMAPPER_DISABLE_PLUGINS", ",".join(names))
    plugins = load(
        EntryPoint("a", AssertionError("imported")),
        EntryPoint("b", good()),
        disabled=[] if by_environment else names,
    )
    assert states(plugins) == {"a": "disabled", "b": "loaded"}


def test_a_second_class_with_the_same_name_is_rejected(load: Callable[..., Plugins]) -> None:
    """Standard plugins are loaded first, so a third-party plugin cannot replace one."""
    plugins = load(
        EntryPoint("aaa", plugin(backends=lambda: [named("good", 1)])),
        EntryPoint("ours", good(), "portmapperd"),
    )
    assert states(plugins) == {"ours": "loaded", "aaa": "failed"}
    assert [backend.rank for backend in plugins.backends] == [100]


def test_two_of_a_name_in_one_plugin_are_refused(load: Callable[..., Plugins]) -> None:
    """Whichever was meant."""
    plugins = load(EntryPoint("a", plugin(backends=lambda: [named("x"), named("x")])))
    assert states(plugins) == {"a": "failed"}
    assert plugins.backends == []


def test_two_entry_points_may_have_one_name(load: Callable[..., Plugins]) -> None:
    """The second is refused, not the program ended."""
    plugins = load(EntryPoint("a", good()), EntryPoint("a", plugin(formats=lambda: [named("x")])))
    assert [report.state for report in plugins.reports] == ["loaded", "failed"]


def test_standard_plugins_are_loaded_first_then_by_name(load: Callable[..., Plugins]) -> None:
    """Regardless of the order of installation."""
    plugins = load(
        EntryPoint("b", plugin()), EntryPoint("a", plugin()), EntryPoint("z", plugin(), "portmapperd")
    )
    assert [report.name for report in plugins.reports] == ["z", "a", "b"]


def test_backends_are_chosen_by_name_in_the_given_order(load: Callable[..., Plugins]) -> None:
    """Without names, all are returned by rank. The error for an unknown name lists the known ones."""
    plugins = load(EntryPoint("a", plugin(backends=lambda: [named("x", 2), named("y", 1)])))
    assert [b.name for b in plugins.choose_backends([])] == ["y", "x"]
    assert [b.name for b in plugins.choose_backends(["x", "y", "x"])] == ["x", "y"]
    with pytest.raises(UsageError, match="'z'; known: y, x"):
        plugins.choose_backends(["z"])


def test_the_source_that_claims_every_path_comes_last(load: Callable[..., Plugins]) -> None:
    """Otherwise it would also get the locations of other sources."""
    ours = EntryPoint("files", plugin(sources=lambda: [named("file"), named("stdin")]), "portmapperd")
    plugins = load(ours, EntryPoint("a", plugin(sources=lambda: [named("consul")])))
    assert [source.name for source in plugins.sources] == ["stdin", "consul", "file"]


@pytest.mark.parametrize("built_for", ["2", "2.0", None])
def test_a_plugin_for_this_api_is_loaded(load: Callable[..., Plugins], built_for: str | None) -> None:
    """A plugin that declares no version is loaded, too."""
    module = good()
    if built_for is not None:
        module.portmapper_api = built_for  # type: ignore[attr-defined]
    assert states(load(EntryPoint("a", module))) == {"a": "loaded"}


@pytest.mark.parametrize(
    ("built_for", "reason"),
    [
        ("3.0", "built for plugin API 3.0, this is 2.0: upgrade portmapperd"),
        ("2.7", "built for plugin API 2.7, this is 2.0: upgrade portmapperd"),
        ("1.0", "built for plugin API 1.0, this is 2.0: upgrade it"),
        ("one", "portmapper_api is 'one', not a version such as '2.0'"),
        (1.0, "portmapper_api is 1.0, not a version such as '2.0'"),
    ],
)
def test_a_plugin_for_another_api_fails_with_a_clear_message(
    load: Callable[..., Plugins], built_for: object, reason: str
) -> None:
    """None of its hooks is called, and the other plugins are loaded."""
    module = plugin(backends=lambda: 1 / 0)
    module.portmapper_api = built_for  # type: ignore[attr-defined]
    plugins = load(EntryPoint("a", module), EntryPoint("b", good()))
    assert states(plugins) == {"a": "failed", "b": "loaded"}
    assert plugins.reports[0].error == reason


def test_hook_calls_are_traced_on_request(
    load: Callable[..., Plugins], monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """With the plugin and the result."""
    monkeypatch.setenv("PORTMAPPER_TRACE_PLUGINS", "1")
    load(EntryPoint("a", good()))
    assert "calling portmapper_register_backends of a" in caplog.messages
    assert any(line.startswith("portmapper_register_backends returned [[") for line in caplog.messages)


def test_the_installed_plugins_are_loaded() -> None:
    """The standard plugins, through their real entry points."""
    if not importlib.metadata.entry_points(group="portmapper"):
        pytest.skip("not installed")
    ours = [report for report in load_plugins().reports if report.distribution == "portmapperd"]
    assert {report.state for report in ours} == {"loaded"}
    assert {"backend:pcp", "backend:natpmp", "backend:upnp"} <= {
        name for report in ours for name in report.provides
    }


def test_the_hook_of_web_pages_is_called_only_on_use(load: Callable[..., Plugins]) -> None:
    """A run without the web interface imports none of its modules."""
    calls = []
    plugins = load(EntryPoint("a", plugin(web=lambda: calls.append(1) or [named("page")])))
    assert (calls, states(plugins), plugins.reports[0].provides) == ([], {"a": "loaded"}, ())
    assert [cls.name for cls in plugins.web] == ["page"]
    assert [cls.name for cls in plugins.web] == ["page"]
    assert (calls, plugins.reports[0].provides) == ([1], ("web:page",))


def test_a_failing_hook_of_web_pages_affects_only_its_plugin(load: Callable[..., Plugins]) -> None:
    """Its error is shown, and the pages of other plugins are there."""
    broken = plugin(web=lambda: 1 / 0, backends=lambda: [named("good")])
    plugins = load(EntryPoint("a", broken), EntryPoint("b", plugin(web=lambda: [named("page")])))
    assert [cls.name for cls in plugins.web] == ["page"]
    assert states(plugins) == {"a": "failed", "b": "loaded"}
    assert "division by zero" in str(plugins.reports[0].error)
    assert [backend.name for backend in plugins.backends] == ["good"]
