"""The settings file decides what the command line leaves open, and is read again on reload."""

from __future__ import annotations

import json
import signal
from pathlib import Path
from typing import Any

import pytest


@pytest.fixture
def config(tmp_path: Path) -> Path:
    """Return where the settings file is."""
    return tmp_path / "portmapper.toml"


def settings(gateway: Any, text: str) -> str:
    """Return settings that lead to the test's gateway."""
    backend = '[backend]\norder = ["pcp"]\nforbidden = ["upnp", "natpmp"]'
    return f'gateway = ["{gateway.options[1]}"]\n{text}\n{backend}\n'


INLINE = '[[mapping]]\nport = {}\nprotocol = "tcp"\n'


def test_a_pass_needs_nothing_but_the_settings(program: Any, gateway: Any, config: Path) -> None:
    """Gateway, protocol, mappings and conflict policy are the file's."""
    config.write_text(settings(gateway, "interval = 5") + INLINE.format(8080))
    done = program.run("run", "--config", str(config), "--oneshot", "--json")
    assert done.status == 0, done.errors
    document = json.loads(done.output)
    assert [(m["external_port"], m["source"]) for m in document["mappings"]] == [(8080, str(config))]
    assert gateway.ports() == {8080}


def test_the_users_file_is_found_unnamed(program: Any, gateway: Any, tmp_path: Path) -> None:
    """It stands in the configuration directory, and relative sources beside it."""
    home = Path(program.environment["XDG_CONFIG_HOME"]) / "portmapper"
    home.mkdir(parents=True)
    (home / "portmapper.toml").write_text(settings(gateway, 'sources = ["mine.csv"]\nformat = "csv"'))
    (home / "mine.csv").write_text("port;protocol\n8081;TCP\n")
    done = program.run("run", "--oneshot")
    assert done.status == 0, done.errors
    assert gateway.ports() == {8081}


def test_the_command_line_wins(program: Any, gateway: Any, config: Path, ports: Path) -> None:
    """An option that is given counts, and a source takes the place of the file's list."""
    config.write_text('gateway = ["127.0.0.1:9"]\nformat = "json"\n' + INLINE.format(9090))
    options = ("--config", str(config), "--format", "csv", *gateway.options)
    done = program.run("run", str(ports), *options, "--oneshot")
    assert done.status == 0, done.errors
    assert gateway.ports() == {8080}


def test_a_denied_row_is_not_opened(program: Any, gateway: Any, config: Path, ports: Path) -> None:
    """It is rejected with its place and the rule, whatever lists it."""
    config.write_text(settings(gateway, "") + '[[policy]]\naction = "deny"\nport = 8080\n')
    done = program.run("run", str(ports), "--config", str(config), "--oneshot", "--json")
    assert done.status == 1
    rejected = json.loads(done.output)["sources"][0]["rejected"]
    assert rejected == [{"where": "line 2", "reason": "denied by policy[0] (deny port 8080)"}]
    requested = program.run("open", "8080/tcp", "--config", str(config))
    assert requested.status == 2
    assert "denied by policy[0]" in requested.errors
    assert gateway.ports() == set()


@pytest.mark.parametrize("command", ["run", "check", "discover", "list", "status", "history"])
def test_a_wrong_key_ends_each_command_with_2(program: Any, config: Path, command: str) -> None:
    """One line with file, line and the nearest key; nothing on standard output."""
    config.write_text("\nintervall = 5\n")
    done = program.run(command, "--config", str(config))
    assert (done.status, done.output) == (2, "")
    assert done.errors == f"portmapper: {config}:2: intervall: unknown key, did you mean interval?\n"


def test_a_backend_that_is_none_is_told(program: Any, config: Path) -> None:
    """With its line, as any other wrong value."""
    config.write_text('[backend]\norder = ["pcpp"]\n')
    done = program.run("discover", "--config", str(config))
    assert done.status == 2
    assert f"{config}:2: backend.order[0]: no backend named 'pcpp', did you mean pcp?" in done.errors


def test_check_covers_the_settings(program: Any, config: Path) -> None:
    """Its mappings are shown, a wrong row is rejected with status 2."""
    config.write_text(INLINE.format(8080) + INLINE.format(70000))
    done = program.run("check", "--config", str(config), "--json")
    assert done.status == 2
    document = json.loads(done.output)
    assert [m["where"] for m in document["mappings"]] == ["mapping[0]"]
    assert [bad["where"] for bad in document["rejected"]] == ["mapping[1].port"]


def test_a_reload_reads_mappings_sources_and_policy_again(
    program: Any, gateway: Any, config: Path, ports: Path
) -> None:
    """What is listed now is opened, what is not any more or is denied now is closed."""
    config.write_text(settings(gateway, "") + INLINE.format(8000) + INLINE.format(8001))
    with program.running("run", "--config", str(config)) as running:
        running.until(lambda: gateway.ports() == {8000, 8001}, "opened")
        denial = '[[policy]]\naction = "deny"\nport = 8001\n'
        config.write_text(
            settings(gateway, f'interval = 7\nsources = ["{ports}"]')
            + INLINE.format(8001)
            + INLINE.format(8002)
            + denial
        )
        running.signal(signal.SIGHUP)
        running.until(lambda: gateway.ports() == {8080, 8002}, "as the new settings say")
        assert "changed settings that take effect after a restart: interval" in running.log
        config.write_text("intervall = 3\n")
        running.signal(signal.SIGHUP)
        running.logs("the settings from before are kept")
        assert gateway.ports() == {8080, 8002}
        running.signal(signal.SIGTERM)
        assert running.ended() == 0, running.log


def test_a_source_that_a_reload_brings_may_be_missing(program: Any, gateway: Any, config: Path) -> None:
    """It is told, tried again, and keeps nothing else from being open."""
    config.write_text(settings(gateway, "") + INLINE.format(8000))
    with program.running("run", "--config", str(config)) as running:
        running.until(lambda: gateway.ports() == {8000}, "opened")
        config.write_text(settings(gateway, 'sources = ["later.csv"]') + INLINE.format(8000))
        running.signal(signal.SIGHUP)
        running.logs("later.csv: ")
        (config.parent / "later.csv").write_text("port;protocol\n8003;TCP\n")
        running.signal(signal.SIGHUP)
        running.until(lambda: gateway.ports() == {8000, 8003}, "read it")


def test_the_family_is_the_files_where_nobody_says(program: Any, config: Path) -> None:
    """A row that names none has it, an option of the command line wins."""
    config.write_text('family = "both"\n' + INLINE.format(8080))
    document = json.loads(program.run("check", "--config", str(config), "--json").output)
    assert [m["family"] for m in document["mappings"]] == ["ipv4", "ipv6"]
    document = json.loads(program.run("check", "--config", str(config), "--json", "--family", "ipv6").output)
    assert [m["family"] for m in document["mappings"]] == ["ipv6"]
