"""Settings of plugins: tables, the environment, and the objects that get them."""

from __future__ import annotations

import types
from pathlib import Path
from typing import Any, ClassVar

import attrs
import pytest
from platforms import ROOT

from portmapper.api import Command, SettingError, hookimpl
from portmapper.pluginhost.manager import PluginReport, Plugins
from portmapper.pluginhost.settings import SETTINGS, variable_of
from portmapper.support.secrets import mask_urls


@attrs.frozen
class HelloSettings:
    """Settings of the plugin below."""

    greeting: str = "hello"
    times: int = 1
    loud: bool = False
    names: tuple[str, ...] = ()
    file: Path | None = None
    key: str = attrs.field(default="", repr=False)
    urls: tuple[str, ...] = attrs.field(default=(), repr=False)


class Hello(Command):
    """A command with settings."""

    name = "hello"
    help = "greet"
    settings: ClassVar[type] = HelloSettings

    def __init__(self, *, settings: HelloSettings) -> None:
        self.given = settings

    def add_arguments(self, parser: Any) -> None:
        """There are none."""

    def run(self, arguments: Any) -> int:
        """Greet nobody."""
        return 0


@pytest.fixture
def plugins(monkeypatch: pytest.MonkeyPatch) -> Plugins:
    """A plugin host with that plugin, under the entry point `my-hello`."""
    monkeypatch.setattr(SETTINGS, "tables", {})
    plugin = types.ModuleType("hello")
    plugin.portmapper_register_commands = hookimpl(lambda: [Hello])  # type: ignore[attr-defined]
    loaded = Plugins()
    loaded.register(plugin, "my-hello")
    loaded.reports.append(PluginReport("my-hello", "1", "hello", "loaded"))
    loaded.reports.append(PluginReport("plain", "1", "plain", "loaded"))
    return loaded


def given(plugins: Plugins) -> HelloSettings:
    """Return the settings that a new object gets."""
    (cls,) = plugins.commands
    settings: HelloSettings = cls().given  # type: ignore[attr-defined]
    return settings


def test_an_object_gets_the_defaults_without_a_table(plugins: Plugins) -> None:
    """It is created as if it took no settings."""
    assert given(plugins) == HelloSettings()


def test_a_key_without_a_default_is_required_only_of_a_configured_plugin(
    plugins: Plugins, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An installed plugin that nobody configured must not stop the others."""
    needs = attrs.make_class(
        "Needs", {"token": attrs.field(type=str), "port": attrs.field(type=int, default=1)}
    )
    plugin = types.ModuleType("needs")
    cls = type("NeedsCommand", (Hello,), {"name": "needs", "settings": needs})
    plugin.portmapper_register_commands = hookimpl(lambda: [cls])  # type: ignore[attr-defined]
    plugins.register(plugin, "needs")
    plugins.reports.append(PluginReport("needs", "1", "needs", "loaded"))
    plugins.check_settings()
    monkeypatch.setattr(SETTINGS, "tables", {"needs": {"port": 2}})
    with pytest.raises(SettingError, match=r"plugin\.needs\.token: is missing"):
        plugins.check_settings()
    with pytest.raises(SettingError, match=r"plugin\.needs\.token: is missing"):
        plugins.commands[-1]()


def test_an_object_gets_the_values_of_its_table(plugins: Plugins, monkeypatch: pytest.MonkeyPatch) -> None:
    """`[plugin.my-hello]`, by the name of the entry point."""
    monkeypatch.setattr(SETTINGS, "tables", {"my-hello": {"greeting": "ahoy", "times": 3}})
    plugins.check_settings()
    assert given(plugins) == HelloSettings("ahoy", 3)


@pytest.mark.parametrize(
    ("key", "text", "value"),
    [
        ("greeting", "12", "12"),
        ("times", "12", 12),
        ("loud", "true", True),
        ("names", '["a", "b"]', ("a", "b")),
        ("file", f"{ROOT}etc/hello", Path(f"{ROOT}etc/hello")),
    ],
)
def test_the_environment_overrides_the_table(
    plugins: Plugins, monkeypatch: pytest.MonkeyPatch, key: str, text: str, value: object
) -> None:
    """A text is taken as it is where the key is one; otherwise it is read as in TOML."""
    monkeypatch.setattr(SETTINGS, "tables", {"my-hello": {"greeting": "ahoy"}})
    monkeypatch.setenv(variable_of("my-hello", key), text)
    assert getattr(given(plugins), key) == value


@pytest.mark.parametrize(
    ("tables", "message"),
    [
        ({"my-hello": {"greting": "x"}}, "plugin.my-hello.greting: unknown key, did you mean greeting"),
        ({"my-hello": {"times": "x"}}, "plugin.my-hello.times: 'x' is not a whole number"),
        ({"my-hallo": {}}, "plugin.my-hallo: no plugin named 'my-hallo', did you mean my-hello"),
        ({"my-hello": 3}, "plugin.my-hello: '3' is not a table"),
        ({"plain": {}}, "plugin.plain: this plugin has no settings"),
    ],
)
def test_an_invalid_table_is_reported_with_its_key(
    plugins: Plugins, monkeypatch: pytest.MonkeyPatch, tables: Any, message: str
) -> None:
    """Before anything is sent."""
    monkeypatch.setattr(SETTINGS, "tables", tables)
    with pytest.raises(SettingError) as raised:
        plugins.check_settings()
    assert message.replace("'3'", "3") in str(raised.value).replace("'3'", "3")


def test_an_invalid_variable_is_reported_by_its_name(
    plugins: Plugins, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It has no line in a file."""
    monkeypatch.setenv("PORTMAPPER_PLUGIN_MY_HELLO_TIMES", "often")
    with pytest.raises(SettingError, match="PORTMAPPER_PLUGIN_MY_HELLO_TIMES: 'often' is not a whole number"):
        plugins.check_settings()


def test_a_variable_that_is_no_key_is_logged_once(
    plugins: Plugins, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """A misspelled key has no effect, as a line says; its value may be a secret."""
    monkeypatch.setenv(variable_of("my-hello", "greeting"), "ahoy")
    monkeypatch.setenv(variable_of("my-hello", "greting"), "hunter2")
    plugins.check_settings()
    (line,) = caplog.messages
    assert line.startswith("the environment variable PORTMAPPER_PLUGIN_MY_HELLO_GRETING has no effect")
    assert "hunter2" not in line


def test_what_a_plugin_hides_from_repr_is_masked_everywhere(
    plugins: Plugins, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A library or a server may repeat it."""
    urls = ["chat://Ab12Cd34Ef56/x", "https://maria:magpie17@h.example/x"]
    monkeypatch.setattr(
        SETTINGS, "tables", {"my-hello": {"greeting": "welcome!", "key": "s3ven", "urls": urls}}
    )
    given(plugins)
    assert mask_urls("welcome! s3ven Ab12Cd34Ef56 magpie17 h.example") == "welcome! *** *** *** h.example"
