#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""Two runs' ratios side by side: agree.py RESULTS RESULTS.  They agree where the spreads of their rounds overlap."""
import glob
import json
import os
import sys
from statistics import median

ONCE, IN_BOTH, OVERLAP, APART = "one round", "medians within", "overlap", "APART"


def read(folder):
    """Ratios by part and name: those of each round."""
    found = {}
    for path in sorted(glob.glob(os.path.join(folder, "*", "summary.json"))):
        with open(path, encoding="utf-8") as file:
            for name, ratios in json.load(file)["ratios"].items():
                found[os.path.basename(os.path.dirname(path)), name] = ratios
    return found


def is_within(value, ratios):
    return min(ratios) <= value <= max(ratios)


def verdict(one, other):
    if min(len(one), len(other)) < 2:
        return ONCE
    if is_within(median(one), other) and is_within(median(other), one):
        return IN_BOTH
    return OVERLAP if min(one) <= max(other) and min(other) <= max(one) else APART


def main():
    if len(sys.argv) != 3:
        sys.exit(__doc__)
    one, other = map(read, sys.argv[1:])
    counts = dict.fromkeys((IN_BOTH, OVERLAP, APART, ONCE), 0)
    for key in one.keys() | other.keys():
        if key not in one or key not in other:
            print(f"{' '.join(key)}: only in one of them")
    for key in [key for key in one if key in other]:
        said = verdict(one[key], other[key])
        counts[said] += 1
        texts = [f"{median(ratios):.3g} ({min(ratios):.3g}-{max(ratios):.3g})" for ratios in (one[key], other[key])]
        print(f"{said:14}  {key[0]:12}  {key[1][:64]:64}  {texts[0]:26}  {texts[1]}")
    print(", ".join(f"{said}: {count}" for said, count in counts.items()))
    return 1 if counts[APART] else 0


if __name__ == "__main__":
    sys.exit(main())
