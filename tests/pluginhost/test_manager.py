"""Plugins are found by entry points, isolated from each other, and sorted."""

from __future__ import annotations

import importlib.metadata
from collections.abc import Callable
from typing import Any

import pytest
from made_plugins import EntryPoint, good, misspelled, named, plugin, states

from portmapper.api.errors import UsageError
from portmapper.pluginhost.manager import Plugins, load_plugins


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


def test_a_hook_that_returns_nothing_is_no_failure(load: Callable[..., Plugins]) -> None:
    """It may have nothing to provide on this system."""
    (report,) = load(EntryPoint("a", plugin(backends=lambda: []))).reports
    assert (report.state, report.provides) == ("loaded", ())


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


def test_the_hook_of_commands_is_called_only_on_use(load: Callable[..., Plugins]) -> None:
    """A run imports no module of another command."""
    calls = []
    plugins = load(EntryPoint("a", plugin(commands=lambda: calls.append(1) or [named("simulate")])))
    assert plugins.web == []
    assert (calls, plugins.reports[0].provides) == ([], ())
    assert [cls.name for cls in plugins.commands] == ["simulate"]
    assert [cls.name for cls in plugins.commands] == ["simulate"]
    assert (calls, plugins.reports[0].provides) == ([1], ("command:simulate",))


def test_observers_are_loaded_only_with_one_of_their_tables(load: Callable[..., Plugins]) -> None:
    """A run without hooks imports none of their modules, but knows the names of their tables."""
    calls = []
    module = plugin(observers=lambda: calls.append(1) or [named("caller")])
    module.portmapper_tables = ("call", "post")  # type: ignore[attr-defined]
    plugins = load(EntryPoint("a", module), EntryPoint("b", plugin(observers=lambda: [named("always")])))
    assert [cls.name for cls in plugins.observers(("log",))] == ["always"]
    assert (calls, set(plugins.tables)) == ([], {"call", "post"})
    assert [cls.name for cls in plugins.observers(("log", "post"))] == ["always", "caller"]
    assert [cls.name for cls in plugins.observers(("post",))] == ["always", "caller"]
    assert (calls, plugins.reports[0].provides) == ([1], ("observer:caller",))


def test_names_of_tables_must_be_a_tuple(load: Callable[..., Plugins]) -> None:
    """A single text would be read as one table for each letter."""
    module = plugin(observers=lambda: [named("caller")])
    module.portmapper_tables = "call"  # type: ignore[attr-defined]
    (report,) = load(EntryPoint("a", module)).reports
    assert (report.state, report.error) == (
        "failed",
        "portmapper_tables is not a tuple of names of tables",
    )


def test_the_standard_plugins_name_the_tables_of_their_observers() -> None:
    """Otherwise a table would be unknown, or have no effect."""
    plugins = load_plugins()
    before = set(plugins.tables)
    plugins.complete()
    assert before == set(plugins.tables) >= {"hook", "webhook", "files", "metrics"}


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
