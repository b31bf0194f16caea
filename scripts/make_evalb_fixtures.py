#!/usr/bin/env python3
"""Writes tests/fixtures/evalb.json: pairs of random trees over the same words and PYEVALB's counts of each.

    python3 -m venv .venv && .venv/bin/pip install PYEVALB==0.1.3
    .venv/bin/python scripts/make_evalb_fixtures.py

tests/texts/evalb.rs compares crates/score/src/score/evalb.rs with it. PYEVALB counts as EVALB does without COLLINS.prm:
it deletes neither punctuation nor traces nor TOP, strips no functions, and counts equal brackets over the same words once.
The trees have none of these; where the two differ, the unit tests of evalb.rs have cases that were computed by hand.
"""

import importlib.metadata
import json
import pathlib
import random

from PYEVALB import parser, scorer

FIXTURE = pathlib.Path(__file__).resolve().parent.parent / "tests" / "fixtures" / "evalb.json"
LABELS = ["S", "NP", "VP", "PP", "SBAR", "X"]
TAGS = ["NN", "VB", "DT", "IN"]
PAIRS = 300


def tree(draw, words, above=()):
    """A random constituent over these (tag, word) pairs; `above` are the labels over exactly the same words."""
    label = draw.choice([label for label in LABELS if label not in above])
    if len(words) == 1:
        inside = f"({words[0][0]} {words[0][1]})"
        if draw.random() < 0.2 and len(above) < 3:
            inside = tree(draw, words, (*above, label))
        return f"({label} {inside})"
    cuts = sorted(draw.sample(range(1, len(words)), draw.randint(1, min(3, len(words) - 1))))
    parts = [words[begin:end] for begin, end in zip([0, *cuts], [*cuts, len(words)])]
    children = [
        f"({part[0][0]} {part[0][1]})" if len(part) == 1 and draw.random() < 0.6 else tree(draw, part) for part in parts
    ]
    return f"({label} {' '.join(children)})"


def sentence(draw):
    return [(draw.choice(TAGS), f"w{draw.randint(0, 9)}") for _ in range(draw.randint(1, 14))]


def case(draw):
    gold = sentence(draw)
    test = [(tag if draw.random() < 0.8 else draw.choice(TAGS), word) for tag, word in gold]
    first = tree(draw, gold)
    # Some pairs are nearly alike: the same tree with other tags, as a good parser writes it.
    second = tree(random.Random(draw.random()), test)
    if draw.random() < 0.3:
        second = first
        for (old, word), (new, _) in zip(gold, test):
            second = second.replace(f"({old} {word})", f"({new} {word})", 1)
    result = scorer.Scorer().score_trees(
        parser.create_from_bracket_string(first), parser.create_from_bracket_string(second)
    )
    return {
        "gold": first,
        "test": second,
        "matched": result.matched_brackets,
        "gold_brackets": result.gold_brackets,
        "test_brackets": result.test_brackets,
        "crossing": result.cross_brackets,
        "words": result.words,
        "right_tags": result.correct_tags,
    }


def main():
    draw = random.Random(1)
    cases = [case(draw) for _ in range(PAIRS)]
    version = importlib.metadata.version("PYEVALB")
    FIXTURE.write_text(json.dumps({"PYEVALB": version, "cases": cases}, indent=0) + "\n")
    print(f"{len(cases)} pairs by PYEVALB {version}, {sum(c['gold'] == c['test'] for c in cases)} of them equal")


if __name__ == "__main__":
    main()
