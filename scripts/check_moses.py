#!/usr/bin/env python3
"""Compares `ablate moses` and `ablate score` with sacremoses and sacreBLEU, line by line.

    python3 -m venv .venv && .venv/bin/pip install sacremoses==0.2.0 sacrebleu==2.6.0
    .venv/bin/python scripts/check_moses.py [--ablate target/release/ablate] [--source DIR] [--json]

Compares normal punctuation, tokens and detokenised text of generated hostile lines in every language and,
with --source, of every line of the texts in FILES below DIR; and the paper's BLEU, normalised, tokenised and
with compounds split, of perturbed texts. Of lines, the size is how many were compared, and the gap how many differ.
Prints results as `checks.py` says; exits with 1 where anything differs.
"""

import argparse
import concurrent.futures
import importlib.metadata
import json
import pathlib
import re
import subprocess
import sys
import tempfile

from sacrebleu.metrics import BLEU
from sacremoses import MosesDetokenizer, MosesPunctNormalizer, MosesTokenizer

from checks import Checks, detail, package
from make_corpus_fixtures import perturbed
from make_moses_fixtures import FILES, LANGUAGES, SACREMOSES, hostile_lines, lines_of

ROOT = pathlib.Path(__file__).resolve().parent.parent
# Number of lines that one process of either program handles at a time.
CHUNK = 20_000
HOSTILE_LINES = 5_000
# Path, language, seed of the perturbation.
SCORED = [
    ("wmt-newstest/en-de/newstest2013.de.gz", "de", 1),
    ("wmt-newstest/en-de/newstest2014.de.gz", "de", 2),
    ("wmt-newstest/en-fr/newstest2014.fr.gz", "fr", 3),
    ("multi30k/test_2016_flickr.de.gz", "de", 4),
]
TOLERANCE = 1e-9


def theirs(language):
    """Returns the functions of sacremoses by the words of our command line."""
    normalizer = MosesPunctNormalizer(lang=language)
    tokenizer = MosesTokenizer(lang=language)
    detokenizer = MosesDetokenizer(lang=language)
    return {
        ("normalize",): normalizer.normalize,
        ("normalize", "--rules", "unicode"): lambda line: normalizer.replace_unicode_punct(line).strip(),
        ("tokenize",): lambda line: tokenizer.tokenize(line, return_str=True),
        ("tokenize", "--split-hyphens", "--no-escape"):
            lambda line: tokenizer.tokenize(line, aggressive_dash_splits=True, return_str=True, escape=False),
        ("detokenize",): lambda line: detokenizer.detokenize(line.split()),
        ("tokenize then detokenize",):
            lambda line: detokenizer.detokenize(tokenizer.tokenize(line, return_str=True).split()),
    }


def ours(ablate, words, language, lines):
    """Returns the lines that `ablate moses` makes of `lines`."""
    text = "".join(line + "\n" for line in lines).encode()
    for step in [["tokenize"], ["detokenize"]] if words[0] == "tokenize then detokenize" else [words]:
        command = [ablate, "moses", *step, "--language", language]
        text = subprocess.run(command, input=text, stdout=subprocess.PIPE, check=True).stdout
    return text.decode().split("\n")[:-1]


def compare(ablate, language, lines):
    """Returns, by step, (lines compared, lines that differ, the first of them)."""
    found = {}
    for words, expected in theirs(language).items():
        made = ours(ablate, words, language, lines)
        wrong = [(line, mine, peer) for line, mine in zip(lines, made) if mine != (peer := expected(line))]
        found[" ".join(words)] = (len(lines), len(wrong) + abs(len(made) - len(lines)), wrong[:1])
    return found


def paper_bleu(ablate, hypotheses, references, language):
    """(ours, theirs) of multi-BLEU on normalised, tokenised text with compounds split."""
    with tempfile.TemporaryDirectory() as folder:
        paths = [str(pathlib.Path(folder) / name) for name in ["hyp", "ref"]]
        for path, lines in zip(paths, [hypotheses, references]):
            with open(path, "w", encoding="utf-8", newline="") as file:
                file.write("".join(line + "\n" for line in lines))
        command = [ablate, "score", "--hyp", paths[0], "--ref", paths[1], "--metric", "atat", "--tokenize", "moses",
                   "--language", language, "--json"]
        mine = json.loads(subprocess.run(command, stdout=subprocess.PIPE, check=True).stdout)["atat"]["score"]
    normalizer, tokenizer = MosesPunctNormalizer(lang=language), MosesTokenizer(lang=language)

    def tokens(line):
        line = tokenizer.tokenize(normalizer.normalize(line.rstrip()), return_str=True)
        # The program reads bytes.
        return re.sub(rb"(\S)-(\S)", rb"\1 ##AT##-##AT## \2", line.encode()).decode()

    metric = BLEU(tokenize="none", smooth_method="none", force=True)
    return mine, metric.corpus_score([tokens(line) for line in hypotheses], [[tokens(line) for line in references]]).score


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--ablate", default=str(ROOT / "target" / "release" / "ablate"), help="the program")
    parser.add_argument("--source", type=pathlib.Path, help="the directory of the texts")
    parser.add_argument("--json", action="store_true")
    arguments = parser.parse_args()
    if importlib.metadata.version("sacremoses") != SACREMOSES:
        sys.exit(f"sacremoses {importlib.metadata.version('sacremoses')} is installed; {SACREMOSES} is wanted")

    chunks = [("hostile lines", language, hostile_lines(language, HOSTILE_LINES)) for language in LANGUAGES]
    scored = []
    if arguments.source:
        for path, language, columns in FILES:
            lines = lines_of(arguments.source / path, columns)
            # At the start of its input, a byte-order mark is no text for `ablate`.
            lines[0] = lines[0].removeprefix("\ufeff")
            for start in range(0, len(lines), CHUNK):
                chunks.append(("shared texts", language, lines[start:start + CHUNK]))
        scored = [(path, language, seed, lines_of(arguments.source / path, None)) for path, language, seed in SCORED]
    checks = Checks()
    totals = {}
    with concurrent.futures.ProcessPoolExecutor() as pool:
        languages, texts = [chunk[1] for chunk in chunks], [chunk[2] for chunk in chunks]
        results = pool.map(compare, [arguments.ablate] * len(chunks), languages, texts)
        for (kind, language, _), result in zip(chunks, results):
            for step, (size, gap, first) in result.items():
                total = totals.setdefault((step, language, kind), [0, 0])
                total[0] += size
                total[1] += gap
                for line, mine, peer in first:
                    detail(f"{step} {language}: {line!r}\n  ablate     {mine!r}\n  sacremoses {peer!r}")
    peer = package("sacremoses")
    for (step, language, kind), (size, gap) in totals.items():
        checks.add(f"moses {step} {language}, {kind}", peer, size, gap)
    for path, language, seed, lines in scored:
        hypotheses = [perturbed(line, seed, number) for number, line in enumerate(lines)]
        mine, expected = paper_bleu(arguments.ablate, hypotheses, lines, language)
        what = f"BLEU of the paper, {path} perturbed ({expected:.4f})"
        checks.add(what, package("sacremoses", "sacrebleu"), len(lines), abs(mine - expected), TOLERANCE)
    return checks.finish(arguments.json)


if __name__ == "__main__":
    sys.exit(main())
