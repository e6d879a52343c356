"""Output of `simulate --list`."""

from __future__ import annotations

import argparse
import json

import pytest

from portmapper_simulator.profiles import PROFILES
from portmapper_simulator.quirks import QUIRKS
from portmapper_simulator.simulate_command import SimulateCommand


def parsed(*words: str) -> argparse.Namespace:
    """Parse a command line."""
    parser = argparse.ArgumentParser()
    SimulateCommand().add_arguments(parser)
    return parser.parse_args(words)


def test_the_list_contains_every_profile_and_quirk(capsys: pytest.CaptureFixture[str]) -> None:
    """It is available as text and as JSON."""
    assert SimulateCommand().run(parsed("--list")) == 0
    shown = capsys.readouterr().out
    assert all(name in shown for name in (*PROFILES, *QUIRKS))
    SimulateCommand().run(parsed("--list", "--json"))
    assert json.loads(capsys.readouterr().out)["quirks"] == QUIRKS
