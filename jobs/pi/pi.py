"""Estimates pi: of the darts thrown into a square, pi/4 hit the circle inside it."""

import argparse
import json
import math
import random


def throw(seed, darts, out):
    chance = random.Random(seed)
    hits = sum(chance.random() ** 2 + chance.random() ** 2 <= 1 for _ in range(darts))
    with open(out, "w") as file:
        json.dump({"seed": seed, "darts": darts, "hits": hits}, file)
    print(f"seed {seed}: {4 * hits / darts:.5f}")


def add(files):
    hits = darts = 0
    for name in files:
        with open(name) as file:
            part = json.load(file)
        hits, darts = hits + part["hits"], darts + part["darts"]
    share = hits / darts
    error = 4 * math.sqrt(share * (1 - share) / darts)
    print(f"pi = {4 * share:.6f}, standard error {error:.6f}, of {darts} darts")


def main():
    parser = argparse.ArgumentParser()
    verbs = parser.add_subparsers(dest="verb", required=True)
    thrown = verbs.add_parser("throw")
    thrown.add_argument("--seed", type=int, required=True)
    thrown.add_argument("--darts", type=int, required=True)
    thrown.add_argument("--out", required=True)
    verbs.add_parser("add").add_argument("files", nargs="+")
    chosen = parser.parse_args()
    if chosen.verb == "throw":
        throw(chosen.seed, chosen.darts, chosen.out)
    else:
        add(chosen.files)


main()
