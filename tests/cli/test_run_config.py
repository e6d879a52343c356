"""The setup of a run from settings and sources, and its reload."""

from __future__ import annotations

import json
import signal
import threading
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

from settings_text import for_gateway, mapping


def test_a_denied_row_is_rejected(program: Any, gateway: Any, config: Path, ports: Path) -> None:
    """The report names its place and the rule; `open` refuses the port too."""
    config.write_text(for_gateway(gateway) + '[[policy]]\naction = "deny"\nport = 8080\n')
    done = program.run("run", str(ports), "--config", str(config), "--oneshot", "--json")
    assert done.status == 1
    rejected = json.loads(done.output)["sources"][0]["rejected"]
    assert rejected == [{"where": "line 2", "reason": "denied by policy[0] (deny port 8080)"}]
    requested = program.run("open", "8080/tcp", "--config", str(config))
    assert requested.status == 2
    assert "denied by policy[0]" in requested.errors
    assert gateway.ports() == set()


def test_a_reload_reads_mappings_sources_and_policy_again(
    program: Any, gateway: Any, config: Path, ports: Path
) -> None:
    """New rows are opened, removed or denied ones are closed, and an invalid file changes nothing."""
    config.write_text(for_gateway(gateway) + mapping(8000) + mapping(8001))
    with program.running("run", "--config", str(config)) as running:
        running.until(lambda: gateway.ports() == {8000, 8001}, "opened")
        denial = '[[policy]]\naction = "deny"\nport = 8001\n'
        config.write_text(
            for_gateway(gateway, f'interval = 7\nsources = ["{ports}"]')
            + mapping(8001)
            + mapping(8002)
            + denial
        )
        running.signal(signal.SIGHUP)
        running.until(lambda: gateway.ports() == {8080, 8002}, "as the new settings say")
        assert "changed settings that take effect after a restart: interval" in running.log
        config.write_text("intervall = 3\n")
        running.signal(signal.SIGHUP)
        running.logs("the old settings stay in effect")
        assert gateway.ports() == {8080, 8002}
        running.signal(signal.SIGTERM)
        assert running.ended() == 0, running.log


def test_a_source_added_by_a_reload_may_be_missing(program: Any, gateway: Any, config: Path) -> None:
    """It is logged and retried, and the other mappings stay open."""
    config.write_text(for_gateway(gateway) + mapping(8000))
    with program.running("run", "--config", str(config)) as running:
        running.until(lambda: gateway.ports() == {8000}, "opened")
        config.write_text(for_gateway(gateway, 'sources = ["later.csv"]') + mapping(8000))
        running.signal(signal.SIGHUP)
        running.logs("later.csv: ")
        (config.parent / "later.csv").write_text("port;protocol\n8003;TCP\n")
        running.signal(signal.SIGHUP)
        running.until(lambda: gateway.ports() == {8000, 8003}, "read it")


def test_a_source_table_has_options_of_its_own(program: Any, gateway: Any, config: Path) -> None:
    """Its path is relative to the settings file. A list beyond its limit stops no other list."""
    (config.parent / "all.csv").write_text("port;protocol\n1024-65535;both\n")
    (config.parent / "web.txt").write_text('[{"port": 8080, "protocol": "tcp"}]')
    config.write_text(
        for_gateway(gateway)
        + '[[source]]\nlocation = "all.csv"\n'
        + '[[source]]\nlocation = "web.txt"\nformat = "json"\n'
    )
    with program.running("run", "--config", str(config)) as running:
        running.until(lambda: gateway.ports() == {8080}, "opened")
        running.logs("all.csv: line 2: more than 16384 mappings")


def test_the_environment_is_a_list(program: Any, gateway: Any, ports: Path) -> None:
    """Alone, and beside other lists."""
    program.environment["PORTMAPPER_PORTS"] = "9000/tcp,9001/udp"
    done = program.run("run", "--oneshot", "--json", *gateway.options)
    assert done.status == 0, done.errors
    assert {m["source"] for m in json.loads(done.output)["mappings"]} == {"PORTMAPPER_PORTS"}
    assert json.loads(program.run("check", "--json", str(ports)).output)["mappings"][-1]["port"] == 9001


def test_a_list_that_is_missing_stops_a_single_pass(program: Any, gateway: Any, ports: Path) -> None:
    """A daemon serves the other list; one pass and `check` exit with 2."""
    missing = str(ports.with_name("missing.csv"))
    assert program.run("run", "--oneshot", *gateway.options, str(ports), missing).status == 2
    assert program.run("check", str(ports), missing).status == 2
    with program.running("run", *gateway.options, str(ports), missing) as running:
        running.until(lambda: gateway.ports() == {8080}, "opened")
        running.logs("missing.csv: no such file; trying again")


def test_a_server_that_is_down_keeps_its_ports(program: Any, gateway: Any, tmp_path: Path) -> None:
    """They stay open over a restart, although the list cannot be read."""
    (tmp_path / "ports.csv").write_text("port;protocol\n8090;TCP\n")
    handler = partial(SimpleHTTPRequestHandler, directory=str(tmp_path))
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        url = f"http://127.0.0.1:{server.server_address[1]}/ports.csv"
        try:
            with program.running("run", *gateway.options, url) as running:
                running.until(lambda: gateway.ports() == {8090}, "opened")
        finally:
            server.shutdown()
            thread.join()
    with program.running("run", *gateway.options, url) as running:
        running.logs("trying again")
        running.logs("keeping 1 mapping open")
        assert gateway.ports() == {8090}
        status = json.loads(program.run("status", "--json").output)
        assert status["sources"][0]["state"] == "stale"
