"""Counts the primes below a number, a stretch at each attempt, going on from the checkpoint."""

import argparse
import json
import math
import os
import pathlib
import sys

CHECKPOINT_TAKEN = 85


def count_primes(first, end):
    """The primes in first..<end, by a sieve of that stretch alone."""
    sieve = bytearray([1]) * (end - first)
    for number in range(first, min(2, end)):
        sieve[number - first] = 0
    for factor in range(2, math.isqrt(end) + 1):
        start = max(factor * factor, -(-first // factor) * factor)
        for multiple in range(start, end, factor):
            sieve[multiple - first] = 0
    return sum(sieve)


def save(state, path):
    """Writes beside and renames: a copy taken at any moment is whole."""
    beside = path.with_suffix(".new")
    beside.write_text(json.dumps(state))
    beside.rename(path)


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--below", type=int, required=True)
    parser.add_argument("--stretch", type=int, required=True)
    parser.add_argument("--out", type=pathlib.Path, required=True)
    chosen = parser.parse_args()
    path = pathlib.Path(os.environ["FOG_CHECKPOINT_DIR"]) / "state.json"
    state = json.loads(path.read_text()) if path.exists() else {"next": 0, "count": 0}
    print(f"attempt {os.environ['FOG_ATTEMPT']} begins at {state['next']}")
    end = min(chosen.below, state["next"] + chosen.stretch)
    state = {"next": end, "count": state["count"] + count_primes(state["next"], end)}
    if end < chosen.below:
        save(state, path)
        sys.exit(CHECKPOINT_TAKEN)
    chosen.out.write_text(f"{state['count']} primes below {chosen.below}\n")
    print(chosen.out.read_text(), end="")


main()
