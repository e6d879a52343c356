"""`python -m portmapper` is the command line."""

from portmapper.cli.main import entry

entry()
