"""Invalid sources, options and networks end with a clear error and the documented exit status."""

from __future__ import annotations

from pathlib import Path

import pytest
from netlab.firewalls import Rule
from netlab.hosts import QuietHandler, serving
from netlab.lab import LAN_GATEWAY, LAN_HOST, Lab
from netlab.program import Finished, Program

LIST = "protocol;port\nTCP;8080\n"


def one_pass(program: Program, directory: Path, *arguments: str) -> Finished:
    """Run one pass with its own state directory."""
    return program.run("run", "--oneshot", "--json", "--state-dir", str(directory / "state"), *arguments)


def assert_one_line_and_status_2(finished: Finished, named: str) -> None:
    """Check the contract for a source that cannot be read or parsed at start."""
    assert finished.status == 2, finished.errors
    assert finished.output == ""
    (line,) = finished.errors.splitlines()
    assert named in line
    assert "Traceback" not in line


class EndlessRedirect(QuietHandler):
    """Redirects every request to the same URL."""

    def do_GET(self) -> None:  # noqa: N802 - the name required by http.server
        """Answer with a redirect to the same URL."""
        self.send_response(302)
        self.send_header("Location", self.path)
        self.send_header("Content-Length", "0")
        self.end_headers()


def test_a_missing_file_is_an_error(program: Program, tmp_path: Path) -> None:
    """The error contains the name of the file."""
    assert_one_line_and_status_2(one_pass(program, tmp_path, str(tmp_path / "none.csv")), "none.csv")


def test_a_directory_is_an_error(program: Program, tmp_path: Path) -> None:
    """It exists, but cannot be read as a file."""
    directory = tmp_path / "ports.d"
    directory.mkdir()
    assert_one_line_and_status_2(one_pass(program, tmp_path, str(directory)), "ports.d")


@pytest.mark.parametrize("suffix", ["csv", "json", "toml"])
def test_binary_data_is_an_error(program: Program, tmp_path: Path, suffix: str) -> None:
    """The suffix of the file does not matter."""
    file = tmp_path / f"ports.{suffix}"
    file.write_bytes(bytes(range(256)) * 4)
    assert_one_line_and_status_2(one_pass(program, tmp_path, str(file)), f"ports.{suffix}")


def test_a_wrong_delimiter_is_an_error(program: Program, tmp_path: Path) -> None:
    """With the wrong delimiter, the file has none of the columns."""
    file = tmp_path / "ports.csv"
    file.write_text("protocol,port\nTCP,8080\n")
    assert_one_line_and_status_2(one_pass(program, tmp_path, str(file)), "ports.csv")


@pytest.mark.parametrize("content", ["", "{", "{}", "8080"], ids=["empty", "broken", "object", "number"])
def test_json_other_than_an_array_is_an_error(program: Program, tmp_path: Path, content: str) -> None:
    """An empty file is not valid JSON either."""
    file = tmp_path / "ports.json"
    file.write_text(content)
    assert_one_line_and_status_2(one_pass(program, tmp_path, str(file)), "ports.json")


@pytest.mark.parametrize("host", ["127.0.0.1", "192.168.88.99", "11.22.33.99", "nowhere.invalid"])
def test_an_unreachable_url_is_an_error(program: Program, tmp_path: Path, host: str) -> None:
    """The host refuses, is silent, is behind the gateway, or has no address."""
    url = f"http://{host}:9/ports.csv"
    assert_one_line_and_status_2(one_pass(program, tmp_path, url), host)


def test_a_redirect_loop_is_an_error(lab: Lab, program: Program, tmp_path: Path) -> None:
    """The number of redirects is limited."""
    with serving(lab.lan, LAN_HOST, EndlessRedirect) as root:
        assert_one_line_and_status_2(one_pass(program, tmp_path, f"{root}/ports.csv"), LAN_HOST)


def test_a_bad_row_is_rejected_and_the_others_open(lab: Lab, program: Program, tmp_path: Path) -> None:
    """The exit status is 1, and the report contains the row, the column and the value."""
    file = tmp_path / "ports.csv"
    file.write_text("protocol;port\nTCP;8080\nTCP;80.9\n")
    finished = one_pass(program, tmp_path, str(file))
    assert finished.status == 1, finished.errors
    (source,) = finished.json()["sources"]
    (rejected,) = source["rejected"]
    assert rejected["where"] == "line 3, column port"
    assert "80.9" in rejected["reason"]
    assert lab.gateway.rules() == {Rule("TCP", 8080, LAN_HOST, 8080)}


def silent(lab: Lab) -> None:
    """Let the gateway drop all packets to itself."""
    drop = (
        "add table inet silent; "
        "add chain inet silent input { type filter hook input priority 0; policy drop; }"
    )
    lab.router.run("nft", drop)


def refusing(lab: Lab) -> None:
    """Leave all protocols of the gateway disabled, so that it answers with ICMP."""
    assert lab.router.pids() == []


def routeless(lab: Lab) -> None:
    """Remove the LAN host's default route."""
    lab.lan.ip("route", "del", "default", "via", LAN_GATEWAY)


def unplugged(lab: Lab) -> None:
    """Set the LAN host's link down."""
    lab.lan.ip("link", "set", "eth0", "down")


@pytest.mark.parametrize("disturbance", [silent, refusing, routeless, unplugged], ids=lambda f: f.__name__)
def test_without_a_gateway_the_exit_status_is_3(own_lab: Lab, tmp_path: Path, disturbance: object) -> None:
    """The document contains no gateway and no open mapping."""
    assert callable(disturbance)
    disturbance(own_lab)
    file = tmp_path / "ports.csv"
    file.write_text(LIST)
    finished = one_pass(Program(own_lab.lan, tmp_path), tmp_path, str(file))
    assert finished.status == 3, finished.errors
    assert "Traceback" not in finished.errors
    document = finished.json()
    assert document["gateways"] == []
    (mapping,) = document["mappings"]
    assert mapping["state"] in ("pending", "failed")


@pytest.mark.parametrize("arguments", [["--interval", "soon"], ["--conflict", "fight"], ["--no-such-option"]])
def test_a_usage_error_has_exit_status_2(program: Program, tmp_path: Path, arguments: list[str]) -> None:
    """The last line of standard error contains the error, and standard output is empty."""
    finished = one_pass(program, tmp_path, *arguments, "ports.csv")
    assert finished.status == 2
    assert finished.output == ""
    assert arguments[-1] in finished.errors.splitlines()[-1]
    assert "Traceback" not in finished.errors


def test_a_missing_source_is_a_usage_error(program: Program, tmp_path: Path) -> None:
    """Without a source there is nothing to do."""
    finished = one_pass(program, tmp_path)
    assert finished.status == 2
    assert finished.output == ""
    assert "Traceback" not in finished.errors
