"""The setup of a run from settings and sources, and its reload."""

from __future__ import annotations

import json
import signal
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
