"""What cannot work ends with one clear line and the exit status of the contract."""

from __future__ import annotations

from pathlib import Path

import pytest
from netlab.gateway import Rule
from netlab.hosts import QuietHandler, serving
from netlab.lab import LAN_GATEWAY, LAN_HOST, Lab
from netlab.program import Finished, Program

LIST = "protocol;port\nTCP;8080\n"


def one_pass(program: Program, directory: Path, *arguments: str) -> Finished:
    """Run one pass with a state directory of its own."""
    return program.run("run", "--oneshot", "--json", "--state-dir", str(directory / "state"), *arguments)


def assert_one_line_and_status_2(finished: Finished, named: str) -> None:
    """Check the contract for a source that cannot be read or parsed at start."""
    assert finished.status == 2, finished.errors
    assert finished.output == ""
    (line,) = finished.errors.splitlines()
    assert named in line
    assert "Traceback" not in line


class EndlessRedirect(QuietHandler):
    """Sends everybody back to where they came from."""

    def do_GET(self) -> None:  # noqa: N802 - the name http.server looks for
        """Answer with a redirect to the same place."""
        self.send_response(302)
        self.send_header("Location", self.path)
        self.send_header("Content-Length", "0")
        self.end_headers()


def test_a_missing_file_is_named(program: Program, tmp_path: Path) -> None:
    """Nothing is there."""
    assert_one_line_and_status_2(one_pass(program, tmp_path, str(tmp_path / "none.csv")), "none.csv")


def test_a_directory_is_no_list(program: Program, tmp_path: Path) -> None:
    """It exists, and cannot be read as a file."""
    directory = tmp_path / "ports.d"
    directory.mkdir()
    assert_one_line_and_status_2(one_pass(program, tmp_path, str(directory)), "ports.d")


@pytest.mark.parametrize("suffix", ["csv", "json", "toml"])
def test_binary_bytes_are_no_list(program: Program, tmp_path: Path, suffix: str) -> None:
    """Bytes that are no text, whatever the file is called."""
    file = tmp_path / f"ports.{suffix}"
    file.write_bytes(bytes(range(256)) * 4)
    assert_one_line_and_status_2(one_pass(program, tmp_path, str(file)), f"ports.{suffix}")


def test_a_wrong_delimiter_is_no_list(program: Program, tmp_path: Path) -> None:
    """A comma file read with semicolons has none of the columns."""
    file = tmp_path / "ports.csv"
    file.write_text("protocol,port\nTCP,8080\n")
    assert_one_line_and_status_2(one_pass(program, tmp_path, str(file)), "ports.csv")


@pytest.mark.parametrize("content", ["", "{", "{}", "8080"], ids=["empty", "broken", "object", "number"])
def test_json_that_is_no_array_is_no_list(program: Program, tmp_path: Path, content: str) -> None:
    """A JSON list is an array, and an empty file is not even JSON."""
    file = tmp_path / "ports.json"
    file.write_text(content)
    assert_one_line_and_status_2(one_pass(program, tmp_path, str(file)), "ports.json")


@pytest.mark.parametrize("host", ["127.0.0.1", "192.168.88.99", "11.22.33.99", "nowhere.invalid"])
def test_an_unreachable_url_is_named(program: Program, tmp_path: Path, host: str) -> None:
    """Refused, silent, beyond the gateway, or without a name."""
    url = f"http://{host}:9/ports.csv"
    assert_one_line_and_status_2(one_pass(program, tmp_path, url), host)


def test_a_looping_url_is_left(lab: Lab, program: Program, tmp_path: Path) -> None:
    """Redirects end."""
    with serving(lab.lan, LAN_HOST, EndlessRedirect) as root:
        assert_one_line_and_status_2(one_pass(program, tmp_path, f"{root}/ports.csv"), LAN_HOST)


def test_a_bad_row_is_rejected_and_the_others_open(lab: Lab, program: Program, tmp_path: Path) -> None:
    """Exit 1, with the row, the column and the value."""
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
    """The gateway is there and drops everything that is meant for itself."""
    drop = (
        "add table inet deaf; add chain inet deaf input { type filter hook input priority 0; policy drop; }"
    )
    lab.router.run("nft", drop)


def refusing(lab: Lab) -> None:
    """The gateway is there and has nothing on: it answers with ICMP."""
    assert lab.router.pids() == []


def routeless(lab: Lab) -> None:
    """The LAN host has an address and no default route."""
    lab.lan.ip("route", "del", "default", "via", LAN_GATEWAY)


def unplugged(lab: Lab) -> None:
    """The LAN host's link is down: no address, no route."""
    lab.lan.ip("link", "set", "eth0", "down")


@pytest.mark.parametrize("trouble", [silent, refusing, routeless, unplugged], ids=lambda f: f.__name__)
def test_without_a_gateway_one_pass_ends_with_3(own_lab: Lab, tmp_path: Path, trouble: object) -> None:
    """The document says that no gateway answered and that nothing is open."""
    assert callable(trouble)
    trouble(own_lab)
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
def test_usage_errors_end_with_2(program: Program, tmp_path: Path, arguments: list[str]) -> None:
    """The last line of standard error tells what is wrong, and standard output stays empty."""
    finished = one_pass(program, tmp_path, *arguments, "ports.csv")
    assert finished.status == 2
    assert finished.output == ""
    assert arguments[-1] in finished.errors.splitlines()[-1]
    assert "Traceback" not in finished.errors


def test_no_source_at_all_is_a_usage_error(program: Program, tmp_path: Path) -> None:
    """There is nothing to keep open."""
    finished = one_pass(program, tmp_path)
    assert finished.status == 2
    assert finished.output == ""
    assert "Traceback" not in finished.errors
