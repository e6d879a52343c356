"""The report of `doctor --report` if the settings are invalid, so that doctor cannot examine anything."""

from __future__ import annotations

import argparse
import sys

from portmapper.api.errors import PortmapperError
from portmapper.cli.targets import directory_of
from portmapper.config.paths import settings_file
from portmapper.doctor.report_file import ReportInput, write_report
from portmapper.pluginhost.manager import load_plugins


def write_settings_report(arguments: argparse.Namespace, error: PortmapperError) -> None:
    """Write the report with the error as its only finding.

    Raises:
        PortmapperError: the report cannot be written.
    """
    given = ReportInput(
        [f"error {error}"],
        sys.argv[1:],
        directory_of(arguments),
        arguments.config or settings_file(),
        arguments.log_file,
        load_plugins(arguments.disable_plugin).reports,
    )
    write_report(arguments.report, given)
    print(f"portmapper: wrote {arguments.report}. Read it before you publish it.", file=sys.stderr)
