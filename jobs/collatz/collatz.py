"""Finds the start below a number whose Collatz chain is the longest, going on from the checkpoint when there is one."""

import argparse
import json
import os
import pathlib
import signal
import sys
import time

CHECKPOINT_TAKEN = 85
SAVE_EVERY = 1.0  # seconds


def chain(start):
    """The steps from a number to 1: half of what is even, 3n + 1 of what is odd."""
    steps = 0
    while start != 1:
        start = 3 * start + 1 if start & 1 else start >> 1
        steps += 1
    return steps


def save(state, path):
    """Writes beside and renames: a copy taken at any moment is whole."""
    beside = path.with_suffix(".new")
    beside.write_text(json.dumps(state))
    beside.rename(path)


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--below", type=int, required=True)
    parser.add_argument("--out", type=pathlib.Path, required=True)
    chosen = parser.parse_args()
    path = pathlib.Path(os.environ["FOG_CHECKPOINT_DIR"]) / "state.json"
    state = json.loads(path.read_text()) if path.exists() else {"next": 1, "start": 1, "steps": 0}
    print(f"attempt {os.environ['FOG_ATTEMPT']} begins at {state['next']}", flush=True)

    is_wanted_back = False

    def leave(*_):
        nonlocal is_wanted_back
        is_wanted_back = True

    signal.signal(signal.SIGTERM, leave)
    saved = time.monotonic()
    while state["next"] < chosen.below:
        steps = chain(state["next"])
        if steps > state["steps"]:
            state["start"], state["steps"] = state["next"], steps
        state["next"] += 1
        if is_wanted_back or time.monotonic() - saved >= SAVE_EVERY:
            save(state, path)
            saved = time.monotonic()
        if is_wanted_back:
            sys.exit(CHECKPOINT_TAKEN)
    chosen.out.write_text(f"{state['start']} takes {state['steps']} steps\n")
    print(chosen.out.read_text(), end="")


main()
