"""What every harness here does: feed a parser with bytes, and let only our own errors through.

python fuzz/fuzz_ssdp.py --runs 100000
"""

from __future__ import annotations

import argparse
import contextlib
import random
import sys
from collections.abc import Callable, Sequence

import atheris

from portmapper.api.errors import PortmapperError

MAX_INPUT = 4096
"""Bytes of one input; no parser's behaviour changes beyond."""

DEFAULT_RUNS = 20_000

OURS = ["portmapper", "portmapper_upnp", "portmapper_pcp", "portmapper_files"]

Parse = Callable[[bytes], object]


def fuzz(parse: Parse, seeds: Sequence[bytes]) -> None:
    """Run one parser as often as the command line says, and print how often it was.

    Ends the process: 0 when every input was a value or one of our errors, another status when not.
    """
    parser = argparse.ArgumentParser()
    parser.add_argument("--runs", type=int, default=DEFAULT_RUNS)
    parser.add_argument("--seed", type=int, default=1)
    arguments = parser.parse_args()

    def once(data: bytes) -> None:
        _only_our_errors(parse, data)

    for seed in seeds:
        once(seed)
    mutate = _mutator(seeds, arguments.seed)
    options = [f"-runs={arguments.runs}", f"-seed={arguments.seed}", f"-max_len={MAX_INPUT}"]
    atheris.Setup([sys.argv[0], *options, "-print_final_stats=1"], once, custom_mutator=mutate)
    atheris.Fuzz()


def instrumented() -> contextlib.AbstractContextManager[object]:
    """Let the fuzzer see the branches of what is imported inside; the parsers of ours, no library."""
    manager: contextlib.AbstractContextManager[object] = atheris.instrument_imports(include=OURS)
    return manager


def _only_our_errors(parse: Parse, data: bytes) -> None:
    try:
        parse(data)
    except PortmapperError:
        return


def _mutator(seeds: Sequence[bytes], seed: int) -> Callable[[bytes, int, int], bytes]:
    """Begin one input in eight anew from a seed: deep formats are seldom found from nothing."""
    chance = random.Random(seed)

    def mutate(data: bytes, max_size: int, seed: int) -> bytes:
        if seeds and chance.random() < 1 / 8:
            data = chance.choice(seeds)
        return bytes(atheris.Mutate(data[:max_size], max_size))

    return mutate
