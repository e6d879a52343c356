"""`portmapper init` writes a settings file that shows every key."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path
from typing import Any

from platforms import WINDOWS

from portmapper.cli.init import TEMPLATE, default_places
from portmapper.config.loader import KEYS, read_settings


def test_the_file_is_valid(program: Any, gateway: Any, tmp_path: Path) -> None:
    """It has the given gateway and describes it."""
    path = tmp_path / "new" / "portmapper.toml"
    done = program.run("init", str(path), *gateway.options)
    assert done.status == 0, done.errors
    assert str(path) in done.output
    assert read_settings(path).settings.gateway == (gateway.options[1],)
    assert "#   pcp PCP 2 at 127.0.0.1" in path.read_text()
    assert WINDOWS or path.stat().st_mode & 0o777 == 0o600


def test_an_existing_file_is_replaced_only_with_force(program: Any, gateway: Any, tmp_path: Path) -> None:
    """Without `--force`, it is a usage error."""
    path = tmp_path / "portmapper.toml"
    path.write_text("interval = 5\n")
    done = program.run("init", str(path), *gateway.options)
    assert (done.status, path.read_text()) == (2, "interval = 5\n")
    assert "use --force to replace it" in done.errors
    assert program.run("init", str(path), "--force", *gateway.options).status == 0
    assert "interval = 60" in path.read_text()


def test_without_a_gateway_the_file_is_written_too(
    program: Any, silence: tuple[str, ...], tmp_path: Path
) -> None:
    """By default, the file is in the user's configuration directory."""
    assert program.run("init", *silence, "--backend", "pcp").status == 0
    path = Path(program.environment["XDG_CONFIG_HOME"]) / "portmapper" / "portmapper.toml"
    assert "# No gateway answered" in path.read_text()


def test_the_template_has_every_key_and_is_valid_when_uncommented(tmp_path: Path) -> None:
    """A user of each system may remove all comment signs."""
    text = TEMPLATE.format(found="", gateway='# gateway = ["192.168.1.1"]', places=default_places())
    path = tmp_path / "portmapper.toml"
    path.write_text(re.sub(r"^# (\[|\w+ = )", r"\1", text, flags=re.MULTILINE))
    read_settings(path).check_plugin_tables(["hook", "webhook", "metrics"])
    assert set(tomllib.loads(path.read_text())) == {*KEYS, "hook", "webhook", "metrics"}
