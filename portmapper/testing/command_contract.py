"""What every command must do, as tests."""

from __future__ import annotations

import argparse

import pytest

from portmapper.api.command import build_parser
from portmapper.testing.calls import check_name
from portmapper.testing.subjects import CommandSubject

WRONG = "--no-such-option-anywhere"


class CommandContract:
    """Tests of a command. Override the fixture `subject`."""

    @pytest.fixture
    def subject(self) -> CommandSubject:
        """Return the command, and how it can be run."""
        raise NotImplementedError("override the fixture `subject` in your class")

    def test_it_has_a_name_and_a_line_of_help(self, subject: CommandSubject) -> None:
        """For the list of commands."""
        check_name(subject.command.name)
        assert subject.command.help.strip()
        assert "\n" not in subject.command.help

    def test_every_option_is_explained(self, subject: CommandSubject) -> None:
        """In its help, which the man page and the completions are made from, too."""
        for action in build_parser(subject.command)._actions:
            assert action.help, f"{action.option_strings or action.dest} has no help"

    def test_its_help_is_shown(self, subject: CommandSubject, capsys: pytest.CaptureFixture[str]) -> None:
        """On standard output, with status 0."""
        assert ended(subject, "--help") == 0
        assert f"portmapper {subject.command.name}" in capsys.readouterr().out

    def test_a_wrong_option_is_a_usage_error(
        self, subject: CommandSubject, capsys: pytest.CaptureFixture[str]
    ) -> None:
        """Status 2, and a line on standard error that names it."""
        assert ended(subject, *subject.arguments, WRONG) == 2
        assert WRONG in capsys.readouterr().err

    def test_it_runs(self, subject: CommandSubject) -> None:
        """With the subject's arguments, and ends with the status that the subject gives."""
        status = subject.command.run(arguments_of(subject))
        assert type(status) is int, f"run returned {status!r}, not an exit status"
        assert status == subject.status


def arguments_of(subject: CommandSubject) -> argparse.Namespace:
    """Parse the subject's arguments."""
    return build_parser(subject.command).parse_args(list(subject.arguments))


def ended(subject: CommandSubject, *arguments: str) -> object:
    """Return the status that parsing these ends the program with."""
    with pytest.raises(SystemExit) as exit:
        build_parser(subject.command).parse_args(arguments)
    return exit.value.code
