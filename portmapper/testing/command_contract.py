"""The contract of commands: tests that every command must pass."""

from __future__ import annotations

import argparse

import pytest

from portmapper.api.command import build_parser
from portmapper.api.daemon_command import DaemonCommand, DaemonParts
from portmapper.testing.calls import check_name
from portmapper.testing.subjects import CommandSubject

UNKNOWN_OPTION = "--no-such-option-anywhere"


class CommandContract:
    """Tests of a command. Override the fixture `subject`."""

    @pytest.fixture
    def subject(self) -> CommandSubject:
        """Return the command and arguments with which it can run."""
        raise NotImplementedError("override the fixture `subject` in your class")

    def test_it_has_a_name_and_a_line_of_help(self, subject: CommandSubject) -> None:
        """The list of commands shows both."""
        check_name(subject.command.name)
        assert subject.command.help.strip()
        assert "\n" not in subject.command.help

    def test_every_option_has_help(self, subject: CommandSubject) -> None:
        """The man page and the shell completions use it too."""
        for action in build_parser(subject.command)._actions:
            assert action.help, f"{action.option_strings or action.dest} has no help"

    def test_its_help_is_shown(self, subject: CommandSubject, capsys: pytest.CaptureFixture[str]) -> None:
        """It goes to standard output, and the status is 0."""
        assert exit_status(subject, "--help") == 0
        assert f"portmapper {subject.command.name}" in capsys.readouterr().out

    def test_an_unknown_option_is_a_usage_error(
        self, subject: CommandSubject, capsys: pytest.CaptureFixture[str]
    ) -> None:
        """The status is 2, and a line on standard error names the option."""
        assert exit_status(subject, *subject.arguments, UNKNOWN_OPTION) == 2
        assert UNKNOWN_OPTION in capsys.readouterr().err

    def test_it_runs(self, subject: CommandSubject) -> None:
        """With the subject's arguments, it ends with the subject's status.

        A `DaemonCommand` returns its parts instead; only the command line can run it.
        """
        if isinstance(subject.command, DaemonCommand):
            assert isinstance(subject.command.parts(arguments_of(subject)), DaemonParts)
            return
        status = subject.command.run(arguments_of(subject))
        assert type(status) is int, f"run returned {status!r}, not an exit status"
        assert status == subject.status


def arguments_of(subject: CommandSubject) -> argparse.Namespace:
    """Parse the subject's arguments."""
    return build_parser(subject.command).parse_args(list(subject.arguments))


def exit_status(subject: CommandSubject, *arguments: str) -> object:
    """Parse arguments that end the program, and return its exit status."""
    with pytest.raises(SystemExit) as exit:
        build_parser(subject.command).parse_args(arguments)
    return exit.value.code
