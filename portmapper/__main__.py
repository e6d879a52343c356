"""Runs the command line with `python -m portmapper`."""

from portmapper.cli.main import entry

entry()
