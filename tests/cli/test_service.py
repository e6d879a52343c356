"""`portmapper service` prints and installs service definitions."""

from __future__ import annotations

import os
import plistlib
import re
import shutil
import subprocess
import tomllib
from pathlib import Path

import pytest

from portmapper.cli.main import main

MAX_EXPOSURE = 1.5
Output = pytest.CaptureFixture[str]


def printed(capsys: Output, *words: str) -> str:
    """Return the output of `service print`."""
    assert main(["service", "print", *words]) == 0
    return capsys.readouterr().out


def settings(unit: str) -> dict[str, str]:
    """Return the settings of a unit; of repeated settings, the last one."""
    return dict(line.split("=", 1) for line in unit.splitlines() if "=" in line and line[0] not in "#[")


@pytest.fixture
def analyze() -> str:
    """The path of systemd-analyze, which CI must have."""
    found = shutil.which("systemd-analyze")
    if found is None:
        assert os.environ.get("CI") != "true", "systemd-analyze is missing: install the package systemd"
        pytest.skip("needs systemd-analyze (Debian package systemd)")
    return found


def test_the_system_unit_is_hardened(analyze: str, capsys: Output, tmp_path: Path) -> None:
    """systemd rates the exposure of a service from 0 to 10."""
    unit = tmp_path / "portmapper.service"
    unit.write_text(printed(capsys))
    command = [analyze, "security", "--offline=true", "--no-pager", str(unit)]
    report = subprocess.run(command, check=True, capture_output=True, text=True).stdout
    found = re.search(r"Overall exposure level for portmapper.service: ([0-9.]+)", report)
    assert found is not None, report
    assert float(found[1]) <= MAX_EXPOSURE, report


@pytest.mark.parametrize("user", [[], ["--user"]], ids=["system", "user"])
def test_systemd_accepts_the_unit(analyze: str, capsys: Output, tmp_path: Path, user: list[str]) -> None:
    """It has no unknown setting and no invalid value, even with a path that needs quoting."""
    unit = tmp_path / "portmapper.service"
    unit.write_text(printed(capsys, *user, "-f", '/etc/my "ports" 100%$HOME.csv'))
    # Skip checks of man pages and generators, which do not depend on the unit.
    command = [analyze, "verify", "--man=no", "--generators=no", str(unit)]
    verdict = subprocess.run(command, check=False, capture_output=True, text=True)
    assert "portmapper.service" not in verdict.stderr, verdict.stderr


def test_the_system_unit_allows_what_the_program_needs(capsys: Output) -> None:
    """The program talks to gateways, watches routes, keeps its leases and reloads."""
    unit = settings(printed(capsys))
    assert unit["Type"] == "notify"
    assert int(unit["WatchdogSec"]) > 0
    assert unit["RestrictAddressFamilies"].split() == ["AF_INET", "AF_INET6", "AF_UNIX", "AF_NETLINK"]
    assert (unit["DynamicUser"], unit["StateDirectory"]) == ("yes", "portmapper")
    assert (unit["CapabilityBoundingSet"], unit["AmbientCapabilities"]) == ("", "")
    assert unit["ExecReload"].endswith("portmapper reload --config /etc/portmapper/portmapper.toml")
    assert "/bin/kill" not in unit["ExecReload"]
    assert unit["ExecStart"].endswith("run --config /etc/portmapper/portmapper.toml")


def test_sources_are_absolute_and_quoted(
    capsys: Output, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A path is absolute and quoted for systemd, and a URL is unchanged."""
    monkeypatch.chdir(tmp_path)
    unit = settings(printed(capsys, "--user", "-f", "my ports%.csv", "-f", "https://example.org/ports.csv"))
    assert unit["ExecStart"].endswith(
        f'--file "{tmp_path}/my ports%%.csv" --file https://example.org/ports.csv'
    )


def test_a_list_in_a_hidden_directory_is_reported(capsys: Output) -> None:
    """The unit hides home directories: `print` warns, and `install` refuses."""
    assert main(["service", "print", "-f", "/home/me/ports.csv"]) == 0
    assert "the service cannot see" in capsys.readouterr().err
    assert main(["service", "install", "-f", "/home/me/ports.csv"]) == 2
    assert "the service cannot see" in capsys.readouterr().err


@pytest.mark.parametrize("words", [["-f", "-"], ["-f", "a\nb.csv"]], ids=["standard input", "line feed"])
def test_an_impossible_source_is_a_usage_error(capsys: Output, words: list[str]) -> None:
    """The message is one line."""
    assert main(["service", "print", *words]) == 2
    assert len(capsys.readouterr().err.splitlines()) == 1


def test_a_url_with_a_secret_is_not_written_to_a_definition(capsys: Output) -> None:
    """Every user can read it, and the message does not repeat the secret."""
    assert main(["service", "print", "-f", "https://me:hunter22@h.example/ports.csv"]) == 2
    message = capsys.readouterr().err
    assert "https://***@h.example/ports.csv has a secret" in message
    assert "write the URL in the settings file" in message


def test_install_writes_a_user_unit(capsys: Output, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It prints the next command, replaces its own file, and never replaces another one."""
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path))
    unit = tmp_path / "systemd" / "user" / "portmapper.service"
    for _ in ("new", "again"):
        assert main(["service", "install", "--user"]) == 0
        assert "systemctl --user enable --now portmapper" in capsys.readouterr().out
        config = tmp_path / "portmapper" / "portmapper.toml"
        assert settings(unit.read_text())["ExecStart"].endswith(f"run --config {config}")
    assert tomllib.loads(config.read_text()) == {"sources": ["ports.csv"]}
    assert config.with_name("ports.csv").read_text() == "port;protocol;comment\n"
    unit.write_text("[Service]\nExecStart=/bin/true\n")
    assert main(["service", "install", "--user"]) == 1
    assert "not written by portmapper" in capsys.readouterr().err
    assert main(["service", "uninstall", "--user"]) == 1
    assert "/bin/true" in unit.read_text()


def test_uninstall_removes_the_unit_only(
    capsys: Output, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Settings and lists stay; a second time is an error."""
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path))
    monkeypatch.setattr("portmapper.cli.service._systemctl", lambda *_: None)
    assert main(["service", "install", "--user"]) == 0
    assert main(["service", "uninstall", "--user"]) == 0
    assert not (tmp_path / "systemd" / "user" / "portmapper.service").exists()
    assert (tmp_path / "portmapper" / "portmapper.toml").exists()
    capsys.readouterr()
    assert main(["service", "uninstall", "--user"]) == 1
    assert "the service is not installed" in capsys.readouterr().err


def test_the_unit_uses_the_given_settings_and_lists(capsys: Output) -> None:
    """Both options accept any file."""
    words = ("--config", "/opt/pm.toml", "--list", "/opt/a.csv", "--list", "/opt/b.csv")
    unit = settings(printed(capsys, *words))
    assert unit["ExecStart"].endswith("run --config /opt/pm.toml --file /opt/a.csv --file /opt/b.csv")
    assert unit["ExecReload"].endswith("reload --config /opt/pm.toml")


def test_install_writes_the_system_unit(
    capsys: Output, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its directory is that for an administrator's units."""
    monkeypatch.setattr("portmapper.cli.service.SYSTEM_UNITS", tmp_path)
    monkeypatch.setattr("portmapper.cli.service.SYSTEM_SETTINGS", tmp_path)
    monkeypatch.setattr("portmapper.cli.service.HIDDEN", ())
    assert main(["service", "install"]) == 0
    capsys.readouterr()
    assert (tmp_path / "portmapper.service").read_text() == printed(capsys)


def test_launchd(capsys: Output) -> None:
    """The property list has the command and restarts it after a failure."""
    plist = plistlib.loads(printed(capsys, "launchd", "-f", "/etc/a&b.csv").encode())
    assert plist["ProgramArguments"][-2:] == ["--file", "/etc/a&b.csv"]
    assert plist["KeepAlive"] == {"SuccessfulExit": False}


def test_windows(capsys: Output) -> None:
    """The script has no placeholder, and quotes are doubled as PowerShell requires."""
    script = printed(capsys, "windows", "-f", "https://example.org/it's.csv")
    assert "Register-ScheduledTask" in script
    assert "portmapper.toml --file https://example.org/it''s.csv --state-dir" in script
    assert "@PROGRAM@" not in script
    assert "@ARGUMENTS@" not in script


@pytest.mark.parametrize(
    ("platform", "mark"),
    [("linux", "[Unit]"), ("freebsd14", "[Unit]"), ("darwin", "<plist"), ("win32", "Register-ScheduledTask")],
)
def test_the_definition_is_that_of_this_system(
    capsys: Output, monkeypatch: pytest.MonkeyPatch, platform: str, mark: str
) -> None:
    """Without a kind, macOS gets launchd and Windows a scheduled task."""
    monkeypatch.setattr("portmapper.cli.service.sys.platform", platform)
    assert mark in printed(capsys)


def test_a_user_of_macos_has_the_settings_where_run_looks_for_them(
    capsys: Output, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """The property list names the file in the directory of macOS."""
    monkeypatch.setenv("HOME", str(tmp_path))
    plist = plistlib.loads(printed(capsys, "launchd", "--user").encode())
    expected = tmp_path / "Library/Application Support/portmapper/portmapper.toml"
    assert plist["ProgramArguments"][-2:] == ["--config", str(expected)]


@pytest.mark.parametrize("kind", ["launchd", "windows"])
def test_install_is_for_systemd(capsys: Output, kind: str) -> None:
    """The message points to `service print`."""
    assert main(["service", "install", kind]) == 2
    assert f"service print {kind}" in capsys.readouterr().err
