#!/usr/bin/env python3
"""Compares ablate's tokenizer with Hugging Face `tokenizers` and with subword-nmt.

    pip install tokenizers==0.23.3 subword-nmt==0.3.8
    scripts/check_tokenizer.py DIR/tokenizer.json                         equal ids in DIR's dev and test stores
    scripts/check_tokenizer.py DIR/tokenizer.json --learned-from          and equal merges, learned from DIR's training store

DIR is what `ablate prepare` made; where no stores lie beside tokenizer.json, they are passed over.
`--learned-from` is for a corpus of which cleaning left no pair out. Prints what was compared, with --json as `checks.py` says; exits with 1 where anything differs.
"""

import argparse
import io
import json
import os
import sys

from subword_nmt.learn_bpe import learn_bpe
from tokenizers import Tokenizer

from checks import Checks, detail, package
from stores import read_store

SPECIALS = ["<pad>", "<s>", "</s>"]


def check_stores(checks, tokenizer, directory):
    """Checks the dev and test sets that lie beside tokenizer.json."""
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
    """Returns the number of lines whose ids differ from ours, or that are not restored exactly."""
    wrong = 0
    for number, (line, expected) in enumerate(zip(lines, ours)):
        ids = tokenizer.encode(line, add_special_tokens=False).ids
        back = tokenizer.decode(ids, skip_special_tokens=True)
        if ids != expected or back != line:
            wrong += 1
            if wrong <= 10:
                detail(f"line {number + 1} {line!r}:\n  tokenizers {ids}\n  ablate     {expected}\n  decoded    {back!r}")
    return wrong


def check_specials(tokenizer):
    """Returns the number of mistakes with the special tokens once they are declared, as `to_json` documents."""
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
    """Compares the merges with those that subword-nmt learns on the same pieces."""
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
    # Ours has a further merge for each repetition among theirs, whose number of merges counts repetitions.
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
    parser.add_argument("--learned-from", action="store_true", help="compare merges, which were learned from the training store")
    parser.add_argument("--json", action="store_true")
    arguments = parser.parse_args()

    directory = os.path.dirname(arguments.tokenizer)
    tokenizer = Tokenizer.from_file(arguments.tokenizer)
    checks = Checks()
    checks.add("special tokens", package("tokenizers"), f"{len(SPECIALS)} tokens", check_specials(tokenizer))
    check_stores(checks, tokenizer, directory)
    if arguments.learned_from:
        stored = read_store(os.path.join(directory, "train.store"))
        check_merges(checks, arguments.tokenizer, tokenizer, [tokenizer.decode(ids) for side in stored for ids in side])
    return checks.finish(arguments.json)


if __name__ == "__main__":
    sys.exit(main())
