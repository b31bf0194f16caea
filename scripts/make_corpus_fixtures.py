#!/usr/bin/env python3
"""Writes tests/fixtures/corpora.json: what the real sacreBLEU says of perturbed real texts.

    python3 -m venv .venv && .venv/bin/pip install sacrebleu==2.6.0
    .venv/bin/python scripts/make_corpus_fixtures.py DIRECTORY

DIRECTORY holds the texts, gzipped, under the names in FILES. Only seeds and scores are
written, no text: tests/texts/score_corpora.rs perturbs the same texts in the same way. Every setting scores
every text against itself, and its first lines against two references (itself and another perturbation of
it) and sentence by sentence. The file is the same on every run; check with git diff.
"""

import gzip
import json
import logging
import pathlib
import platform
import sys
import unicodedata

import sacrebleu
from sacrebleu.metrics import CHRF, TER

from make_bleu_fixtures import OUTPUT as BLEU_OUTPUT, metric as bleu, require_sacrebleu
from make_score_fixtures import RENAMED

OUTPUT = BLEU_OUTPUT.with_name("corpora.json")
# Path, lines taken from the start, seed of the hypotheses; that of the second references is 100 more.
FILES = [
    ("wmt-newstest/en-de/newstest2013.de.gz", 3000, 1),
    ("wmt-newstest/en-de/newstest2014.de.gz", 3000, 2),
    ("wmt-newstest/en-fr/newstest2014.fr.gz", 3000, 3),
    ("multi30k/test_2016_flickr.de.gz", 1000, 4),
    ("small-parallel-enja/test.ja.gz", 500, 5),
]
# Tokeniser, lower-casing, smoothing, effective order, as in make_bleu_fixtures.py.
BLEU_SETTINGS = [
    ("13a", False, "exp", False), ("intl", False, "exp", False), ("zh", False, "exp", False),
    ("char", False, "exp", False), ("none", False, "exp", False), ("13a", True, "exp", True),
    ("intl", True, {"floor": 0.1}, True), ("13a", False, {"add-k": 1.0}, True), ("13a", False, "none", True),
]
CHRF_SETTINGS = [{}, {"word_order": 2}, {"lowercase": True, "whitespace": True}]
TER_SETTINGS = [{}, {"normalized": True, "case_sensitive": True}, {"no_punct": True, "asian_support": True}]
# Lines that have two references, and that are scored as sentences.
FIRST_LINES = 300
MASK = (1 << 64) - 1


def mix(value):
    """SplitMix64's output function, as in crates/base/src/seed.rs."""
    z = (value + 0x9E3779B97F4A7C15) & MASK
    z = ((z ^ (z >> 30)) * 0xBF58476D1CE4E5B9) & MASK
    z = ((z ^ (z >> 27)) * 0x94D049BB133111EB) & MASK
    return z ^ (z >> 31)


def perturbed(text, seed, line):
    """The text with some pieces between spaces dropped, doubled, put before the last one, beheaded or ended."""
    words = []
    for index, word in enumerate(text.split(" ")):
        kind = mix(mix(seed << 32 | line) ^ index) % 16
        if kind == 0:
            continue
        if kind == 1:
            words.append(word)
        if kind == 4:
            word = word[1:]
        if kind == 5:
            word += ",-."[len(words) % 3]
        words.insert(max(len(words) - 1, 0) if kind in (2, 3) else len(words), word)
    return " ".join(words)


def settings():
    """Name, configuration as crates/score/src/score reads it, and scorer."""
    for tokenizer, lowercase, smoothing, effective_order in BLEU_SETTINGS:
        config = {"tokenizer": tokenizer, "lowercase": lowercase, "smoothing": smoothing,
                  "effective_order": effective_order}
        yield "bleu", config, bleu(tokenizer, lowercase, smoothing, effective_order)
    for name, kind, of_kind in [("chrf", CHRF, CHRF_SETTINGS), ("ter", TER, TER_SETTINGS)]:
        for arguments in of_kind:
            yield name, {RENAMED.get(key, key): value for key, value in arguments.items()}, kind(**arguments)


def scores(scorer, hypotheses, reference, other):
    corpus = scorer.corpus_score(hypotheses, [reference]).score
    hypotheses, reference, other = (lines[:FIRST_LINES] for lines in (hypotheses, reference, other))
    sentences = [scorer.sentence_score(hypothesis, [line]).score for hypothesis, line in zip(hypotheses, reference)]
    return {
        "corpus": corpus,
        "two_references": scorer.corpus_score(hypotheses, [reference, other]).score,
        "mean_of_sentences": sum(sentences) / len(sentences),
    }


def read(path, lines):
    if not path.exists():
        sys.exit(f"{path} is missing; the texts that DIRECTORY must hold are {', '.join(name for name, _, _ in FILES)}")
    with gzip.open(path, "rt", encoding="utf-8", newline="\n") as file:
        return [line.rstrip() for line, _ in zip(file, range(lines))]


def main():
    require_sacrebleu()
    if len(sys.argv) != 2:
        sys.exit(__doc__)
    logging.getLogger("sacrebleu").setLevel(logging.ERROR)
    written = []
    for path, lines, seed in FILES:
        reference = read(pathlib.Path(sys.argv[1]) / path, lines)
        hypotheses, other = ([perturbed(text, by, line) for line, text in enumerate(reference)]
                             for by in (seed, seed + 100))
        found = [{"metric": name, "config": config} | scores(scorer, hypotheses, reference, other)
                 for name, config, scorer in settings()]
        written.append({"path": path, "lines": len(reference), "seed": seed, "scores": found})
        print(f"{path}: {len(reference)} lines", flush=True)
    head = {
        "written_by": "scripts/make_corpus_fixtures.py",
        "sacrebleu": sacrebleu.__version__,
        "python": platform.python_version(),
        "unicode": unicodedata.unidata_version,
        "first_lines": FIRST_LINES,
    }
    with open(OUTPUT, "w", encoding="ascii", newline="\n") as file:
        file.write(json.dumps(head)[:-1] + ', "texts": [\n')
        file.write(",\n".join(json.dumps(text) for text in written))
        file.write("\n]}\n")
    print(f"{OUTPUT.name}: {len(written)} texts")


if __name__ == "__main__":
    main()
