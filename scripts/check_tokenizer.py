#!/usr/bin/env python3
"""Compares ablate's tokenizer with Hugging Face `tokenizers` and with subword-nmt.

    pip install tokenizers==0.23.3 subword-nmt==0.3.8
    scripts/check_tokenizer.py DIR/tokenizer.json                         equal ids in DIR's dev and test stores
    scripts/check_tokenizer.py DIR/tokenizer.json text...                 and exact decoding of these texts
    scripts/check_tokenizer.py DIR/tokenizer.json --ids ids.txt text...   and our ids of them, one line each
    scripts/check_tokenizer.py DIR/tokenizer.json --learned-from text...  and equal merges

DIR is what `ablate prepare` made; where no stores lie beside tokenizer.json, they are passed over.
Texts are plain or .gz; `--learned-from` wants the training texts with the pairs that have an empty
side left out, lower-cased if the corpus was. Prints what was compared; exits with 1 where
anything differs. --json prints {"checks": [{"what", "peer", "size", "tolerance", "gap", "ok"}]} instead, where
`size` counts what was compared and `gap` what differs.
"""

import argparse
import gzip
import importlib.metadata
import io
import json
import os
import struct
import sys

from subword_nmt.learn_bpe import learn_bpe
from tokenizers import Tokenizer

SPECIALS = ["<pad>", "<s>", "</s>"]


class Report:
    """What was compared, as lines for people or as JSON."""

    def __init__(self, as_json):
        self.as_json = as_json
        self.checks = []

    def say(self, text):
        """A detail; beside JSON it goes to standard error."""
        print(text, file=sys.stderr if self.as_json else sys.stdout)

    def add(self, what, peer, size, gap):
        peer = f"{peer} {importlib.metadata.version(peer)}"
        self.checks.append({"what": what, "peer": peer, "size": size, "tolerance": 0, "gap": gap, "ok": gap == 0})
        if not self.as_json:
            print(f"{what}, {size} beside {peer}: {gap} differ")

    def finish(self):
        """The exit status."""
        if self.as_json:
            print(json.dumps({"checks": self.checks}))
        return 0 if all(check["ok"] for check in self.checks) else 1


def lines_of(path):
    """Lines of a plain or .gz file: ended by a line feed alone, without one carriage return before it."""
    with (gzip.open if path.endswith(".gz") else open)(path, "rb") as file:
        text = file.read().decode("utf-8")
    lines = text.split("\n")
    if lines[-1] == "":
        lines.pop()
    return [line.removesuffix("\r") for line in lines]


def read_store(path):
    """Token ids of the source and the target sides of a store (docs/architecture.md, Data)."""
    with open(path, "rb") as file:
        content = file.read()
    width, pairs, source_ids, target_ids = struct.unpack_from("<IQQQ", content, 12)
    offsets = struct.unpack_from(f"<{2 * (pairs + 1)}Q", content, 128)
    format = f"<{source_ids + target_ids}{'H' if width == 2 else 'I'}"
    ids = struct.unpack_from(format, content, 128 + 16 * (pairs + 1))
    source = [list(ids[a:b]) for a, b in zip(offsets[:pairs], offsets[1 : pairs + 1])]
    ids, offsets = ids[source_ids:], offsets[pairs + 1 :]
    return source, [list(ids[a:b]) for a, b in zip(offsets, offsets[1:])]


def check_stores(report, tokenizer, directory):
    """Ids and decoding of the dev and test sets that lie beside tokenizer.json."""
    for split in ["dev", "test"]:
        store = os.path.join(directory, f"{split}.store")
        if not os.path.exists(store):
            report.say(f"{store}: not there, passed over")
            continue
        for side, ours in zip(["source", "target"], read_store(store)):
            with open(os.path.join(directory, f"{split}.{side}.txt"), "rb") as file:
                lines = file.read().decode("utf-8").split("\n")[:-1]
            different = check_ids(report, tokenizer, lines, ours) + abs(len(lines) - len(ours))
            report.add(f"ids and decoding of lines, {split} {side}", "tokenizers", len(lines), different)


def check_ids(report, tokenizer, lines, ours):
    """Number of lines whose ids differ from ours, or that do not come back exactly."""
    wrong = 0
    for number, line in enumerate(lines if ours is None else lines[: len(ours)]):
        ids = tokenizer.encode(line, add_special_tokens=False).ids
        back = tokenizer.decode(ids, skip_special_tokens=True)
        expected = ids if ours is None else ours[number]
        if ids != expected or back != line:
            wrong += 1
            if wrong <= 10:
                report.say(f"line {number + 1} {line!r}:\n  tokenizers {ids}\n  ablate     {expected}\n  decoded    {back!r}")
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


def check_merges(report, path, tokenizer, texts):
    """Merges beside those that subword-nmt learns on the same pieces."""
    with open(path, encoding="utf-8") as file:
        ours = [tuple(merge) for merge in json.load(file)["model"]["merges"]]
    pieces = io.StringIO()
    for line in (line for text in texts for line in lines_of(text)):
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
    for rank, (a, b) in enumerate(zip(ours, theirs)):
        if a != b:
            report.say(f"first difference at rank {rank}: ablate {a}, subword-nmt {b}")
            break
    report.add(f"merges, of which subword-nmt repeats {repeated}", "subword-nmt", len(ours), different)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("tokenizer", help="tokenizer.json")
    parser.add_argument("texts", nargs="*", help="plain or .gz text, one sentence a line")
    parser.add_argument("--ids", help="our ids of the texts, one line for each of theirs")
    parser.add_argument("--learned-from", action="store_true", help="compare merges; the texts are what they were learned from")
    parser.add_argument("--json", action="store_true")
    arguments = parser.parse_intermixed_args()

    report = Report(arguments.json)
    tokenizer = Tokenizer.from_file(arguments.tokenizer)
    report.add("special tokens", "tokenizers", len(SPECIALS), check_specials(tokenizer))
    check_stores(report, tokenizer, os.path.dirname(arguments.tokenizer))
    if not arguments.texts:
        return report.finish()
    if arguments.learned_from:
        check_merges(report, arguments.tokenizer, tokenizer, arguments.texts)
        return report.finish()

    lines = [line for text in arguments.texts for line in lines_of(text)]
    ours = None
    if arguments.ids:
        with open(arguments.ids, encoding="ascii") as file:
            ours = [[int(id) for id in line.split()] for line in file]
        if len(ours) != len(lines):
            report.say(f"{arguments.ids} has {len(ours)} lines, the texts have {len(lines)}")
            return 1
    compared = "ids and decoding" if ours is not None else "decoding"
    report.add(f"{compared} of lines", "tokenizers", len(lines), check_ids(report, tokenizer, lines, ours))
    return report.finish()


if __name__ == "__main__":
    sys.exit(main())
