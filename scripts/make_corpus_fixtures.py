#!/usr/bin/env python3
"""Writes tests/fixtures/corpora.json: what the real sacreBLEU says of perturbed real texts.

    python3 -m venv .venv && .venv/bin/pip install sacrebleu==2.6.0
    .venv/bin/python scripts/make_corpus_fixtures.py DIRECTORY

DIRECTORY holds the texts, gzipped, under the names in FILES. Only seeds and scores are
written, no text: tests/score_corpora.rs perturbs the same texts in the same way.
"""

import gzip
import json
import logging
import pathlib
import platform
import sys
import unicodedata

import sacrebleu
from sacrebleu.metrics import BLEU, CHRF, TER

from make_bleu_fixtures import OUTPUT as BLEU_OUTPUT, SACREBLEU

OUTPUT = BLEU_OUTPUT.with_name("corpora.json")
# Path, lines taken from the start, seed.
FILES = [
    ("wmt-newstest/en-de/newstest2013.de.gz", 3000, 1),
    ("wmt-newstest/en-de/newstest2014.de.gz", 3000, 2),
    ("wmt-newstest/en-fr/newstest2014.fr.gz", 3000, 3),
    ("multi30k/test_2016_flickr.de.gz", 1000, 4),
    ("small-parallel-enja/test.ja.gz", 500, 5),
]
# TER takes its time.
TER_LINES = 300
MASK = (1 << 64) - 1


def mix(value):
    """SplitMix64's output function, as in src/seed.rs."""
    z = (value + 0x9E3779B97F4A7C15) & MASK
    z = ((z ^ (z >> 30)) * 0xBF58476D1CE4E5B9) & MASK
    z = ((z ^ (z >> 27)) * 0x94D049BB133111EB) & MASK
    return z ^ (z >> 31)


def perturbed(text, seed, line):
    """The text with some pieces between spaces dropped, doubled, or put before the last one."""
    words = []
    for index, word in enumerate(text.split(" ")):
        kind = mix(mix(seed << 32 | line) ^ index) % 16
        if kind == 0:
            continue
        if kind == 1:
            words.append(word)
        words.insert(max(len(words) - 1, 0) if kind in (2, 3) else len(words), word)
    return " ".join(words)


def main():
    if sacrebleu.__version__ != SACREBLEU:
        sys.exit(f"sacreBLEU {sacrebleu.__version__} is installed; the fixtures are those of {SACREBLEU}")
    if len(sys.argv) != 2:
        sys.exit(__doc__)
    logging.getLogger("sacrebleu").setLevel(logging.ERROR)
    written = []
    for path, lines, seed in FILES:
        with gzip.open(pathlib.Path(sys.argv[1]) / path, "rt", encoding="utf-8", newline="\n") as file:
            reference = [line.rstrip() for line, _ in zip(file, range(lines))]
        hypotheses = [perturbed(text, seed, line) for line, text in enumerate(reference)]
        bleu = {name: BLEU(tokenize=name, force=True).corpus_score(hypotheses, [reference]).score
                for name in ["13a", "intl", "zh", "char", "none"]}
        chrf = [CHRF(word_order=order).corpus_score(hypotheses, [reference]).score for order in [0, 2]]
        ter = TER().corpus_score(hypotheses[:TER_LINES], [reference[:TER_LINES]]).score
        written.append({"path": path, "lines": len(reference), "seed": seed, "bleu": bleu, "chrf": chrf, "ter": ter})
    head = {
        "written_by": "scripts/make_corpus_fixtures.py",
        "sacrebleu": sacrebleu.__version__,
        "python": platform.python_version(),
        "unicode": unicodedata.unidata_version,
        "ter_lines": TER_LINES,
    }
    with open(OUTPUT, "w", encoding="ascii", newline="\n") as file:
        file.write(json.dumps(head)[:-1] + ', "texts": [\n')
        file.write(",\n".join(json.dumps(text) for text in written))
        file.write("\n]}\n")
    print(f"{OUTPUT.name}: {len(written)} texts")


if __name__ == "__main__":
    main()
