"""The common part of all harnesses: feed bytes to a parser, and fail on any error that is not our own.

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
"""Maximum bytes of one input; no parser behaves differently beyond this size."""

DEFAULT_RUNS = 20_000

OURS = ["portmapper", "portmapper_upnp", "portmapper_pcp", "portmapper_files"]

Parse = Callable[[bytes], object]


def fuzz(parse: Parse, seeds: Sequence[bytes]) -> None:
    """Run one parser as often as the command line says, and print statistics.

    Ends the process: with status 0 if every input gave a value or one of our errors, else with another.
    """
    parser = argparse.ArgumentParser()
    parser.add_argument("--runs", type=int, default=DEFAULT_RUNS)
    parser.add_argument("--seed", type=int, default=1)
    arguments = parser.parse_args()

    def run_input(data: bytes) -> None:
        _only_our_errors(parse, data)

    for seed in seeds:
        run_input(seed)
    mutate = _mutator(seeds, arguments.seed)
    options = [f"-runs={arguments.runs}", f"-seed={arguments.seed}", f"-max_len={MAX_INPUT}"]
    atheris.Setup([sys.argv[0], *options, "-print_final_stats=1"], run_input, custom_mutator=mutate)
    atheris.Fuzz()


def instrumented() -> contextlib.AbstractContextManager[object]:
    """Instrument the imports inside the context for coverage: our own packages, no libraries."""
    manager: contextlib.AbstractContextManager[object] = atheris.instrument_imports(include=OURS)
    return manager


def _only_our_errors(parse: Parse, data: bytes) -> None:
    try:
        parse(data)
    except PortmapperError:
        return


def _mutator(seeds: Sequence[bytes], seed: int) -> Callable[[bytes, int, int], bytes]:
    """Restart one input in eight from a seed: mutation alone rarely reaches deep formats."""
    generator = random.Random(seed)

    def mutate(data: bytes, max_size: int, seed: int) -> bytes:
        if seeds and generator.random() < 1 / 8:
            data = generator.choice(seeds)
        return bytes(atheris.Mutate(data[:max_size], max_size))

    return mutate
