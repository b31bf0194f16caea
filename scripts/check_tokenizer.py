#!/usr/bin/env python3
"""Compares ablate's tokenizer with Hugging Face `tokenizers` and with subword-nmt.

    pip install tokenizers==0.23.3 subword-nmt==0.3.8
    scripts/check_tokenizer.py DIR/tokenizer.json                         equal ids in DIR's dev and test stores
    scripts/check_tokenizer.py DIR/tokenizer.json text...                 and exact decoding of these texts
    scripts/check_tokenizer.py DIR/tokenizer.json --ids ids.txt text...   and our ids of them, one line each
    scripts/check_tokenizer.py DIR/tokenizer.json --learned-from text...  and equal merges
    scripts/check_tokenizer.py DIR/tokenizer.json --learned-from          learned from DIR's training store

DIR is what `ablate prepare` made; where no stores lie beside tokenizer.json, they are passed over.
Texts are plain or .gz; `--learned-from` wants the training texts with the pairs that have an empty
side left out, lower-cased if the corpus was. The training store stands for them where cleaning left no pair
out. Prints what was compared, with --json as `checks.py` says; exits with 1 where anything differs.
"""

import argparse
import gzip
import io
import json
import os
import sys

from subword_nmt.learn_bpe import learn_bpe
from tokenizers import Tokenizer

from checks import Checks, detail, package
from stores import read_store

SPECIALS = ["<pad>", "<s>", "</s>"]


def lines_of(path):
    """Lines of a plain or .gz file: ended by a line feed alone, without one carriage return before it."""
    with (gzip.open if path.endswith(".gz") else open)(path, "rb") as file:
        text = file.read().decode("utf-8")
    lines = text.split("\n")
    if lines[-1] == "":
        lines.pop()
    return [line.removesuffix("\r") for line in lines]


def check_stores(checks, tokenizer, directory):
    """The dev and test sets that lie beside tokenizer.json."""
    for split in ["dev", "test"]:
        store = os.path.join(directory, f"{split}.store")
        if not os.path.exists(store):
            detail(f"{store}: not there, passed over")
            continue
        for side, ours in zip(["source", "target"], read_store(store)):
            with open(os.path.join(directory, f"{split}.{side}.txt"), "rb") as file:
                lines = file.read().decode("utf-8").split("\n")[:-1]
            different = check_ids(tokenizer, lines, ours) + abs(len(lines) - len(ours))
            what = f"ids and decoding, {split} {side}"
            checks.add(what, package("tokenizers"), f"{len(lines)} lines", different)


def check_ids(tokenizer, lines, ours):
    """Number of lines whose ids differ from ours, or that do not come back exactly."""
    wrong = 0
    for number, line in enumerate(lines if ours is None else lines[: len(ours)]):
        ids = tokenizer.encode(line, add_special_tokens=False).ids
        back = tokenizer.decode(ids, skip_special_tokens=True)
        expected = ids if ours is None else ours[number]
        if ids != expected or back != line:
            wrong += 1
            if wrong <= 10:
                detail(f"line {number + 1} {line!r}:\n  tokenizers {ids}\n  ablate     {expected}\n  decoded    {back!r}")
    return wrong


def check_specials(tokenizer):
    """Number of mistakes with the special tokens once they are declared, as `to_json` documents."""
    wrong = sum(tokenizer.token_to_id(token) != id for id, token in enumerate(SPECIALS))
    size = tokenizer.get_vocab_size()
    declared = Tokenizer.from_str(tokenizer.to_str())
    declared.add_special_tokens(SPECIALS)
    ids = [1, *declared.encode("A cat.", add_special_tokens=False).ids, 2, 0]
    wrong += declared.decode(ids, skip_special_tokens=True) != "A cat."
    return wrong + (declared.get_vocab_size() != size)


def without_repetitions(merges):
    """subword-nmt can learn a pair twice; only its first rank counts."""
    return list(dict.fromkeys(merges))


def check_merges(checks, path, tokenizer, lines):
    """The merges against those that subword-nmt learns on the same pieces."""
    with open(path, encoding="utf-8") as file:
        ours = [tuple(merge) for merge in json.load(file)["model"]["merges"]]
    pieces = io.StringIO()
    for line in lines:
        normalized = tokenizer.normalizer.normalize_str(line)
        pieces.write(" ".join(piece for piece, _ in tokenizer.pre_tokenizer.pre_tokenize_str(normalized)) + "\n")
    pieces.seek(0)
    codes = io.StringIO()
    learn_bpe(pieces, codes, len(ours), min_frequency=2)
    theirs = [tuple(line.split(" ")) for line in codes.getvalue().splitlines()[1:]]
    repeated = len(theirs) - len(without_repetitions(theirs))
    theirs = without_repetitions(theirs)
    # With repetitions among theirs, as many of ours are beyond the number that they were asked for.
    different = sum(a != b for a, b in zip(ours, theirs)) + abs(len(ours) - len(theirs) - repeated)
    size = f"{len(theirs)} merges ({repeated} repeated), {len(ours)} of ours"
    checks.add("merges learned", package("subword-nmt"), size, different)
    for rank, (a, b) in enumerate(zip(ours, theirs)):
        if a != b:
            detail(f"first difference at rank {rank}: ablate {a}, subword-nmt {b}")
            break


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("tokenizer", help="tokenizer.json")
    parser.add_argument("texts", nargs="*", help="plain or .gz text, one sentence a line")
    parser.add_argument("--ids", help="our ids of the texts, one line for each of theirs")
    parser.add_argument("--learned-from", action="store_true", help="compare merges; the texts are what they were learned from")
    parser.add_argument("--json", action="store_true")
    arguments = parser.parse_intermixed_args()

    directory = os.path.dirname(arguments.tokenizer)
    tokenizer = Tokenizer.from_file(arguments.tokenizer)
    checks = Checks()
    checks.add("special tokens", package("tokenizers"), f"{len(SPECIALS)} tokens", check_specials(tokenizer))
    check_stores(checks, tokenizer, directory)
    lines = [line for text in arguments.texts for line in lines_of(text)]
    if arguments.learned_from:
        if not arguments.texts:
            stored = read_store(os.path.join(directory, "train.store"))
            lines = [tokenizer.decode(ids) for side in stored for ids in side]
        check_merges(checks, arguments.tokenizer, tokenizer, lines)
    elif arguments.texts:
        ours = None
        if arguments.ids:
            with open(arguments.ids, encoding="ascii") as file:
                ours = [[int(id) for id in line.split()] for line in file]
            if len(ours) != len(lines):
                detail(f"{arguments.ids} has {len(ours)} lines, the texts have {len(lines)}")
                return 1
        what = "ids and decoding" if ours is not None else "decoding"
        checks.add(what, package("tokenizers"), f"{len(lines)} lines", check_ids(tokenizer, lines, ours))
    return checks.finish(arguments.json)


if __name__ == "__main__":
    sys.exit(main())
