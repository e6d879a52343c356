"""Plugins that would fail on first use are rejected, with the reason."""

from __future__ import annotations

import types
from collections.abc import Callable

import pytest
from made_plugins import EntryPoint, good, misspelled, named, plugin, states, words_of

from portmapper.api.backend import Backend
from portmapper.api.command import Command
from portmapper.api.events import Observer
from portmapper.api.guard import Guard
from portmapper.api.quirks import Quirk
from portmapper.api.source import Format, Source
from portmapper.api.tokens import TokenSource
from portmapper.pluginhost.kinds import KINDS, REQUIRED
from portmapper.pluginhost.manager import Plugins


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


@pytest.mark.parametrize("kind", [kind for kind in KINDS if kind != "web"])
def test_an_unimplemented_abstract_method_is_missing(load: Callable[..., Plugins], kind: str) -> None:
    """It is inherited from the interface, but it does nothing."""
    interfaces = {"backend": Backend, "source": Source, "format": Format, "observer": Observer}
    interfaces |= {"quirk": Quirk, "guard": Guard, "token": TokenSource}
    interface = interfaces.get(kind, Command)
    unfinished = type("Unfinished", (interface,), {"name": "mine", "help": "x"})
    plugins = load(EntryPoint("a", plugin(**{f"{kind}s": lambda: [unfinished]})))
    plugins.complete()
    (report,) = plugins.reports
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


def test_the_error_names_a_misspelled_hook(load: Callable[..., Plugins]) -> None:
    """Otherwise it would silently never be called."""
    (report,) = load(EntryPoint("a", misspelled())).reports
    assert "portmapper_register_backend" in str(report.error)


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
