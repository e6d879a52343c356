"""`portmapper web`: create, list and revoke the tokens for the web interface and the HTTP API."""

from __future__ import annotations

import argparse
import json
from typing import TYPE_CHECKING

from portmapper.api.command import Command
from portmapper.cli.options import add_config_option, add_state_option
from portmapper.cli.say import say
from portmapper.cli.targets import directory_of

if TYPE_CHECKING:
    from portmapper.http.tokens import Tokens


class Web(Command):
    """The command `web`."""

    name = "web"
    help = "create and revoke tokens for the web interface and the HTTP API"
    examples = ("portmapper web token --name phone", "portmapper web tokens", "portmapper web revoke phone")

    def add_arguments(self, parser: argparse.ArgumentParser) -> None:
        """Add the actions and their options."""
        parser.add_argument(
            "action",
            choices=("token", "tokens", "revoke"),
            help="print a new token once, list the tokens, or revoke one",
        )
        parser.add_argument("revoked", nargs="?", metavar="NAME", help="with revoke: the name of the token")
        parser.add_argument("--name", help="with token: its name; default token-1, token-2 and so on")
        parser.add_argument(
            "--read-only", action="store_true", help="with token: allow no change, such as opening a port"
        )
        parser.add_argument("--json", action="store_true", help="print the answer as JSON")
        add_config_option(parser)
        add_state_option(parser)

    def run(self, arguments: argparse.Namespace) -> int:
        """Run the action; this works with and without a daemon."""
        from portmapper.http.tokens import Tokens

        _check(arguments)
        tokens = Tokens(directory_of(arguments))
        if arguments.action == "token":
            _create(tokens, arguments)
        elif arguments.action == "revoke":
            tokens.revoke(arguments.revoked)
            print(f"revoked {arguments.revoked}; its sessions ended")
        else:
            _list(tokens, as_json=arguments.json)
        return 0


def _check(arguments: argparse.Namespace) -> None:
    from portmapper.api.errors import UsageError

    if arguments.action == "revoke" and arguments.revoked is None:
        raise UsageError("'web revoke' needs the name of a token; 'portmapper web tokens' lists the names")
    if arguments.action == "token" and arguments.revoked is not None:
        raise UsageError(f"write the name as: portmapper web token --name {arguments.revoked}")
    if arguments.action == "tokens" and arguments.revoked is not None:
        raise UsageError("'web tokens' takes no name: it lists all tokens")
    if arguments.action != "token" and (arguments.name is not None or arguments.read_only):
        raise UsageError("--name and --read-only belong to 'portmapper web token'")


def _create(tokens: Tokens, arguments: argparse.Namespace) -> None:
    import sys

    name = arguments.name if arguments.name is not None else tokens.free_name()
    secret = tokens.create(name, read_only=arguments.read_only)
    if arguments.json:
        print(json.dumps({"name": name, "token": secret, "read_only": arguments.read_only}))
        return
    print(secret)
    say(f"This is the token {name}. It is not shown again. Paste it at /login.", sys.stderr)


def _list(tokens: Tokens, *, as_json: bool) -> None:
    known = tokens.known
    if as_json:
        rows = [{"name": t.name, "read_only": t.read_only, "created_at": t.created_at} for t in known]
        print(json.dumps(rows, indent=2))
        return
    from datetime import datetime

    from portmapper.support.duration import format_local
    from portmapper.support.text import printable

    for token in known:
        rights = "read-only" if token.read_only else "read and change"
        created = format_local(datetime.fromisoformat(token.created_at))
        say(f"{printable(token.name)}  {rights}  created {created}")
    if not known:
        print("no tokens; create one with 'portmapper web token'")
