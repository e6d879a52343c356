"""`portmapper presets`."""

from __future__ import annotations

import json

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
