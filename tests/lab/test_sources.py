"""The same three mappings in every format and from every source."""

from __future__ import annotations

from pathlib import Path

import pytest
from netlab.firewalls import Rule
from netlab.hosts import serving_files
from netlab.lab import LAN_HOST, Lab
from netlab.program import Finished, Program

DOCUMENTS = {
    "csv": (
        "address;port;protocol;duration;comment;internal_port\n"
        ";8080;TCP;600;web;\n"
        ";8081;UDP;600;game;\n"
        f"{LAN_HOST};8082;tcp;600;shell;9082\n"
    ),
    "json": (
        '[{"address": null, "port": 8080, "protocol": "TCP", "duration": 600, "comment": "web"},\n'
        ' {"port": 8081, "protocol": "UDP", "duration": 600, "comment": "game"},\n'
        f' {{"address": "{LAN_HOST}", "port": 8082, "protocol": "tcp", "duration": 600,\n'
        '  "comment": "shell", "internal_port": 9082}]\n'
    ),
    "toml": (
        '[[mapping]]\nport = 8080\nprotocol = "TCP"\nduration = 600\ncomment = "web"\n'
        '[[mapping]]\nport = 8081\nprotocol = "UDP"\nduration = 600\ncomment = "game"\n'
        f'[[mapping]]\naddress = "{LAN_HOST}"\nport = 8082\nprotocol = "tcp"\nduration = 600\n'
        'comment = "shell"\ninternal_port = 9082\n'
    ),
}
RULES = {
    Rule("TCP", 8080, LAN_HOST, 8080),
    Rule("UDP", 8081, LAN_HOST, 8081),
    Rule("TCP", 8082, LAN_HOST, 9082),
}


def one_pass(program: Program, directory: Path, *arguments: str, stdin: str = "") -> Finished:
    """Run one pass with its own state directory."""
    state = str(directory / "state")
    return program.run("run", "--oneshot", "--json", "--state-dir", state, *arguments, stdin=stdin)


def assert_all_open(lab: Lab, finished: Finished, source_format: str) -> None:
    """Check the document, the gateway and the answers to the WAN host."""
    assert finished.status == 0, finished.errors
    document = finished.json()
    assert [mapping["state"] for mapping in document["mappings"]] == ["active"] * 3
    assert {mapping["comment"] for mapping in document["mappings"]} == {"web", "game", "shell"}
    (source,) = document["sources"]
    assert (source["format"], source["state"], source["mappings"]) == (source_format, "ok", 3)
    assert source["rejected"] == []
    assert lab.gateway.rules() == RULES
    assert all(lab.reaches(rule.protocol, rule.external_port, rule.internal_port) for rule in RULES)


@pytest.mark.parametrize("written", DOCUMENTS)
def test_the_mappings_of_a_file_are_opened(lab: Lab, program: Program, tmp_path: Path, written: str) -> None:
    """The format depends on the suffix."""
    file = tmp_path / f"ports.{written}"
    file.write_text(DOCUMENTS[written])
    assert_all_open(lab, one_pass(program, tmp_path, str(file)), written)


@pytest.mark.parametrize("written", DOCUMENTS)
def test_mappings_of_standard_input_are_opened(
    lab: Lab, program: Program, tmp_path: Path, written: str
) -> None:
    """A dash reads standard input in the given format."""
    finished = one_pass(program, tmp_path, "--format", written, "-", stdin=DOCUMENTS[written])
    assert_all_open(lab, finished, written)


def test_the_default_format_of_standard_input_is_csv(lab: Lab, program: Program, tmp_path: Path) -> None:
    """The option `-f` is the spelling of upnp-daemon."""
    assert_all_open(lab, one_pass(program, tmp_path, "-f", "-", stdin=DOCUMENTS["csv"]), "csv")


@pytest.mark.parametrize("written", DOCUMENTS)
def test_the_mappings_of_a_url_are_opened(lab: Lab, program: Program, tmp_path: Path, written: str) -> None:
    """A web server on the LAN host serves the list."""
    served = tmp_path / "served"
    served.mkdir()
    (served / f"ports.{written}").write_text(DOCUMENTS[written])
    with serving_files(lab.lan, LAN_HOST, served) as root:
        finished = one_pass(program, tmp_path, f"{root}/ports.{written}")
    assert_all_open(lab, finished, written)


def test_two_sources_are_opened_together(lab: Lab, program: Program, tmp_path: Path) -> None:
    """The document has an entry for each source."""
    first, second = tmp_path / "first.csv", tmp_path / "second.json"
    first.write_text("protocol;port\nTCP;8080\n")
    second.write_text('[{"protocol": "UDP", "port": 8081}]')
    finished = one_pass(program, tmp_path, str(first), str(second))
    assert finished.status == 0, finished.errors
    assert [source["mappings"] for source in finished.json()["sources"]] == [1, 1]
    assert {rule.external_port for rule in lab.gateway.rules()} == {8080, 8081}
