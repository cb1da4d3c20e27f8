"""Measures all texts of a folder and sorts them from easy to hard."""

import argparse
import json
import pathlib

import readability


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("folder", type=pathlib.Path)
    parser.add_argument("--out", type=pathlib.Path, required=True)
    chosen = parser.parse_args()
    found = {}
    for path in sorted(chosen.folder.iterdir()):
        text = readability.measure(path.read_text(encoding="utf-8", errors="replace"))
        found[path.name] = {"words": text.words, "sentences": text.sentences, "ari": round(text.ari, 2)}
    chosen.out.write_text(json.dumps(found, indent=2) + "\n")
    for name in sorted(found, key=lambda name: found[name]["ari"]):
        print(f"{found[name]['ari']:6.2f}  {name}")


main()
