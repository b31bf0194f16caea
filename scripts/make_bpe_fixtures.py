#!/usr/bin/env python3
"""Writes tests/fixtures/bpe.json: merges that subword-nmt learns from generated text, and the ids that Hugging Face
`tokenizers` gives to hostile lines with these merges.

    python3 -m venv .venv && .venv/bin/pip install tokenizers==0.23.3 subword-nmt==0.3.8
    .venv/bin/python scripts/make_bpe_fixtures.py

tests/texts/tokenizer.rs compares crates/corpus/src/data with it. The tokenizer is put together here from
docs/architecture.md, Data, without `ablate`. The file is the same on every run; check with git diff.
"""

import importlib.metadata
import io
import itertools
import json
import pathlib
import random
import sys

from subword_nmt.learn_bpe import learn_bpe
from tokenizers import Tokenizer

OUTPUT = pathlib.Path(__file__).resolve().parent.parent / "tests" / "fixtures" / "bpe.json"
VERSIONS = {"tokenizers": "0.23.3", "subword-nmt": "0.3.8"}
MERGES = 400
PATTERN = r" ?[\p{L}\p{M}]+| ?\p{N}+| ?[^\s\p{L}\p{M}\p{N}]+|\s+"
END = "</w>"

PIECES = [
    *" \t\xa0aeéßtheTHE019½.,!?'\"<>/wsp\u0301\u0300🙂▁Ġ\u200d\x00\x1f日本", END, "<s>", "</s>", "<pad>", "<unk>", "▁the", "Ġthe</w>",
    "  ", " the ", " der ", "\r", "\x0b", "\x0c", "\x1c", "\x85", "\u1680", "\u180e", "\u2003", "\u200b", "\u2028", "\u2029", "\u202e",
    "\u202f", "\u205f", "\u2060", "\u3000", "\ufeff", "\ufffd", "\ufffe", "\ue000", "\U000f0000", "\U0010ffff", "👩🏽‍🚀", "🏳️‍🌈", "🇩🇪",
    "e\u0301\u0327", "क्ष", "नि", "שָׁ", "مرحبا", "한글", "ᄀ", "ไทย", "١٢٣", "Ⅷ", "²", "don't", "state-of-the-art", "http://a.b/c?d=e",
]
LINES = [
    "", " ", "  ", "   a", "a   ", "\ta", "a\t\tb", "\xa0", " \xa0 a", "\x00", "\x01\x7f", "\x0b\x0c", "\x1c\x1d\x1e\x1f", "\u0301",
    " \u0301a", END, "a</w>", "</w>a", "</w></w>", " <s> a </s> ", "<pad><pad>", "x" * 300, "ab " * 150, "!" * 300, " " * 300,
]


def learning_text(rng):
    """Lines of invented words in a Zipf distribution, in several scripts, with digits, signs and blanks."""
    alphabets = ["enirstadhulgocm", "äöüßéàèçêœ" * 2 + "nerst", "оеаинтсрвл", "日本語中文字", "αβγδε", "🙂🎉👍"]
    weights = [10, 3, 3, 1, 1, 0.3]
    vocabulary = []
    for _ in range(1500):
        alphabet = rng.choices(alphabets, weights)[0]
        word = "".join(rng.choices(alphabet, k=rng.randint(1, 9)))
        vocabulary.append(word.capitalize() if rng.random() < 0.2 else word)
    ranks = list(itertools.accumulate(1 / rank for rank in range(1, len(vocabulary) + 1)))
    for _ in range(400):
        words = rng.choices(vocabulary, cum_weights=ranks, k=rng.randint(1, 20))
        words = [word + rng.choice(["", "", "", "", ",", ".", "-", "'s", "  ", "\t", " 19", "2016", "!?", "aaa"]) for word in words]
        yield " ".join(words)


def hostile_lines(rng):
    yield from LINES
    for _ in range(400):
        yield "".join(rng.choice(PIECES) for _ in range(rng.randint(1, 30)))
    for _ in range(200):
        # Of all planes alike, without line feeds and surrogates.
        codes = (rng.randrange(0x10000) + 0x10000 * rng.choice([0, 0, 0, *range(17)]) for _ in range(12))
        yield "".join(chr(code) for code in codes if code != 10 and not 0xD800 <= code < 0xE000)


def byte_characters():
    """GPT-2's table."""
    printable = [*range(0x21, 0x7F), *range(0xA1, 0xAD), *range(0xAE, 0x100)]
    others = [byte for byte in range(256) if byte not in printable]
    return [chr(byte) if byte in printable else chr(256 + others.index(byte)) for byte in range(256)]


def tokenizer_of(merges):
    """The tokenizer with these merges, as docs/architecture.md describes its file."""
    tokens = ["<pad>", "<s>", "</s>", *byte_characters(), *(character + END for character in byte_characters())]
    known = set(tokens)
    for first, second in merges:
        if first + second not in known:
            known.add(first + second)
            tokens.append(first + second)
    byte_level = {"type": "ByteLevel", "add_prefix_space": False, "trim_offsets": False, "use_regex": False}
    split = {"type": "Split", "pattern": {"Regex": PATTERN}, "behavior": "Isolated", "invert": False}
    return Tokenizer.from_str(json.dumps({
        "version": "1.0", "truncation": None, "padding": None, "added_tokens": [],
        "normalizer": {"type": "Prepend", "prepend": " "},
        "pre_tokenizer": {"type": "Sequence", "pretokenizers": [split, byte_level]},
        "post_processor": None,
        "decoder": {"type": "Sequence", "decoders": [
            {"type": "Replace", "pattern": {"String": END}, "content": ""}, byte_level,
            {"type": "Strip", "content": " ", "start": 1, "stop": 0}]},
        "model": {
            "type": "BPE", "dropout": None, "unk_token": None, "continuing_subword_prefix": None,
            "end_of_word_suffix": END, "fuse_unk": False, "byte_fallback": False, "ignore_merges": False,
            "vocab": {token: id for id, token in enumerate(tokens)}, "merges": merges},
    }))


def learned(lines):
    """subword-nmt's merges of the pieces of these lines; of a pair learned twice only the first."""
    tokenizer = tokenizer_of([])
    pieces = io.StringIO()
    for line in lines:
        line = tokenizer.normalizer.normalize_str(line)
        pieces.write(" ".join(piece for piece, _ in tokenizer.pre_tokenizer.pre_tokenize_str(line)) + "\n")
    pieces.seek(0)
    codes = io.StringIO()
    learn_bpe(pieces, codes, MERGES, min_frequency=2)
    return list(dict.fromkeys(tuple(line.split(" ")) for line in codes.getvalue().splitlines()[1:]))


def main():
    for name, version in VERSIONS.items():
        if importlib.metadata.version(name) != version:
            sys.exit(f"{name} {importlib.metadata.version(name)} is installed; the fixtures are those of {version}")
    rng = random.Random(2016)
    text = list(learning_text(rng))
    merges = learned(text)
    tokenizer = tokenizer_of(merges)
    encoded = []
    for line in hostile_lines(rng):
        ids = tokenizer.encode(line, add_special_tokens=False).ids
        if tokenizer.decode(ids) != line:
            sys.exit(f"{line!r} does not come back from tokenizers")
        encoded.append({"line": line, "ids": ids})
    written = {"written_by": "scripts/make_bpe_fixtures.py", **VERSIONS, "asked_merges": MERGES}
    with open(OUTPUT, "w", encoding="ascii", newline="\n") as file:
        file.write(json.dumps(written)[:-1])
        for name, items in [("text", text), ("merges", merges), ("encoded", encoded)]:
            file.write(f', "{name}": [\n' + ",\n".join(json.dumps(item, separators=(",", ":")) for item in items) + "\n]")
        file.write("}\n")
    print(f"{OUTPUT.name}: {len(merges)} merges, {len(encoded)} lines, {OUTPUT.stat().st_size} bytes")


if __name__ == "__main__":
    main()
