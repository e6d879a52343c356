"""`portmapper presets`."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from portmapper.cli.main import main


def test_every_preset_is_shown_with_its_page(capsys: pytest.CaptureFixture[str]) -> None:
    """The text and the JSON have the same presets."""
    assert main(["presets"]) == 0
    text = capsys.readouterr().out
    assert main(["presets", "--json"]) == 0
    documents = json.loads(capsys.readouterr().out)["presets"]
    assert len(documents) >= 40
    assert all(document["name"] in text and document["page"] in text for document in documents)


def test_presets_of_the_settings_are_used_everywhere(program: Any, gateway: Any, tmp_path: Path) -> None:
    """By `presets`, `open`, and lists of every format."""
    config = tmp_path / "portmapper.toml"
    config.write_text('[preset.my-game]\nports = ["27100/udp"]\n')
    (tmp_path / "ports.csv").write_text("preset;comment\nmy-game;\nssh;mine\n")
    shown = program.run("presets", "--config", str(config)).output
    assert "27100/udp  (my-game)\n                   defined in your settings file\n" in shown
    opened = program.run("open", "my-game", "--config", str(config), *gateway.options)
    assert opened.status == 0
    checked = program.run("check", str(tmp_path / "ports.csv"), "--config", str(config))
    assert (checked.status, checked.output.count("27100/udp → "), checked.output.count("22/tcp → ")) == (
        0,
        1,
        1,
    )
    converted = program.run("convert", str(tmp_path / "ports.csv"))
    assert (converted.status, "port = 22" in converted.output) == (2, True)
    assert "no preset 'my-game'" in converted.errors


def test_an_invalid_preset_names_its_line(program: Any, tmp_path: Path) -> None:
    """As every error in the settings file does."""
    config = tmp_path / "portmapper.toml"
    config.write_text('[preset.mine]\nports = ["any"]\n')
    finished = program.run("presets", "--config", str(config))
    assert finished.status == 2
    assert f"{config}:2: preset.mine.ports: 'any' is not PORT/PROTOCOL" in finished.errors
