"""The options of the command."""

from __future__ import annotations

import argparse

import pytest
from portmapper_kubernetes.options import (
    Settings,
    add_options,
    location_settings,
    parse_duration,
    settings_of,
)

from portmapper.api import UsageError


def _settings(*words: str) -> Settings:
    parser = argparse.ArgumentParser(exit_on_error=False)
    add_options(parser)
    return settings_of(parser.parse_args(words))


def test_the_defaults_are_those_of_the_documentation() -> None:
    """Election is on: a second replica must never fight the first one by mistake."""
    settings = _settings()
    assert settings.election is not None
    assert (settings.election.lease_duration, settings.election.renew_deadline) == (3.0, 2.0)
    assert settings.election.retry_period == 0.5
    assert (settings.election.name, settings.election.namespace) == ("portmapper", "portmapper")
    assert settings.election.identity


def test_the_names_of_client_go_are_accepted() -> None:
    """As other controllers have them."""
    settings = _settings(
        *("--leader-elect", "--leader-elect-lease-duration", "15s", "--leader-elect-renew-deadline", "10s"),
        *("--leader-elect-retry-period", "2s500ms", "--identity", "node-a"),
        *("--leader-elect-resource-name", "pm", "--leader-elect-resource-namespace", "infra"),
    )
    assert settings.election is not None
    assert settings.election.retry_period == 2.5
    assert (settings.election.name, settings.election.namespace) == ("pm", "infra")
    assert settings.namespace == "infra"


def test_election_can_be_switched_off() -> None:
    """For a cluster with one replica."""
    assert _settings("--leader-elect=false").election is None


def test_upsert_only_is_the_name_of_external_dns() -> None:
    """The default closes ports of deleted objects."""
    assert not _settings().keeps
    assert _settings("--policy", "upsert-only").keeps


def test_the_times_must_fit() -> None:
    """Otherwise two replicas could lead."""
    with pytest.raises(UsageError, match="renew-deadline"):
        _settings("--leader-elect-renew-deadline", "3s")


@pytest.mark.parametrize("text", ["3", "s", "-1s", "1d", "0s", "2h", "1s ", "\u0661s"])
def test_an_invalid_time_is_refused(text: str) -> None:
    """Times are written as Go writes them."""
    with pytest.raises(argparse.ArgumentTypeError):
        parse_duration(text)


@pytest.mark.parametrize(
    "words",
    [
        ("--allow-ports", "0-70000"),
        ("--allow-ports", "2000-1000"),
        ("--allow-address", "host"),
        ("--namespace", "Bad_Name"),
        ("--namespace", "../secrets"),
        ("--health-listen", "8081"),
        ("--health-listen", "localhost:8081"),
        ("--leader-elect-resource-name", "a/b"),
        ("--annotation-prefix", "a b"),
    ],
)
def test_an_invalid_value_is_refused(words: tuple[str, str]) -> None:
    """Names become parts of paths, so they are checked."""
    with pytest.raises(argparse.ArgumentError):
        _settings(*words)


def test_a_location_can_name_a_namespace() -> None:
    """Only names of namespaces are accepted."""
    assert location_settings("kubernetes:").limits.namespaces == ()
    assert location_settings("kubernetes:shop").limits.namespaces == ("shop",)
    with pytest.raises(UsageError):
        location_settings("kubernetes://host/")
