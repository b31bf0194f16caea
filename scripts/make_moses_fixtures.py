#!/usr/bin/env python3
"""Writes tests/fixtures/moses.json: what sacremoses makes of generated lines, and digests of what it makes of
real texts.

    python3 -m venv .venv && .venv/bin/pip install sacremoses==0.2.0
    .venv/bin/python scripts/make_moses_fixtures.py [DIRECTORY]

DIRECTORY holds the texts, gzipped, under the names in FILES; without it the digests that the file has are
kept. Of the texts only CRC-32 digests are written. tests/texts/moses.rs holds crates/score/src/moses to all of it.
"""

import gzip
import importlib.metadata
import json
import pathlib
import platform
import random
import sys
import unicodedata
import zlib

from sacremoses import MosesDetokenizer, MosesPunctNormalizer, MosesTokenizer
from sacremoses.corpus import NonbreakingPrefixes

SACREMOSES = "0.2.0"
OUTPUT = pathlib.Path(__file__).resolve().parent.parent / "tests" / "fixtures" / "moses.json"
LANGUAGES = ["de", "en", "fr", "ja", "ru", "zh"]
FIXTURE_LINES = 150
# Numbers of characters in the longest lines, in the fixture and where sacremoses is installed.
FIXTURE_LENGTH, LENGTH = 120, 3000
# Path, language, column of a table or None.
FILES = [
    *((f"multi30k/{name}.{language}.gz", language, None)
      for language in ["de", "en", "fr"] for name in ["train", "val", "test_2016_flickr", "test_2017_flickr"]),
    *((f"wmt-newstest/en-de/{name}.{language}.gz", language, None) for language in ["de", "en"]
      for name in ["news-test2008", *(f"newstest{year}" for year in range(2009, 2015))]),
    *((f"wmt-newstest/en-fr/newstest{year}.{language}.gz", language, None)
      for language in ["en", "fr"] for year in [2012, 2013, 2014]),
    *((f"europarl/{name}.{language}.gz", language, None)
      for language in ["de", "en"] for name in ["europarl-first20k", "comtrans"]),
    *((f"wmt-train-samples/{name}-10k.{language}.gz", language, None)
      for language in ["de", "en"] for name in ["opennmt", "nmt-matlab"]),
    *((f"small-parallel-enja/{name}.{language}.gz", language, None)
      for language in ["en", "ja"] for name in ["train", "dev", "test"]),
    *((f"tatoeba/{pair}-eng.tsv.gz", language, column)
      for pair, other in [("deu", "de"), ("fra", "fr")] for column, language in enumerate(["en", other])),
    *((f"lm/{name}.gz", "en", None) for name in [
        "tinyshakespeare.txt", "war-and-peace.txt", "wikitext-2-raw.test", "wikitext-2-raw.valid",
        "wikitext-2.test.tokens", "wikitext-2.valid.tokens"]),
    ("treebank/craft.tree.gz", "en", None),
]

PIECES = [
    # Signs of the rules.
    *".,-'\"`&|<>[](){}!?:;%$/\\@#*+=~^_", "..", "...", "....", "--", "''", "``", "´", "´´", "&apos;", "&quot;", "&amp;",
    "&amp;lt;", "&#91;", "&#124;", "&bar;", "&bra;", "&ket;", "@-@", "DOTMULTI", "DOTDOTMULTI", "DOT", "'s", "'t", "'S",
    "l'", "d'", "n't", "s'", "'ll", "(", ")", "$", "€", "£", "¿", "¡",
    # Quotation marks, dashes and blanks.
    *"„“”‘’‚«»–—…", "« ", " »", "\xa0«\xa0", "\xa0»\xa0", "\xa0%", "\xa0:", "\xa0;", "\xa0?", "\xa0!", ",\xa0", "nº\xa0", "\xa0ºC",
    "\xa0cm", " ", " ", " ", " ", "  ", "\t", "\r", "\x00", "\x01", "\x0b", "\x0c", "\x1c", "\x1d", "\x1e", "\x1f", "\x7f", "\x85",
    "\xa0", "\u1680", "\u180e", "\u2003", "\u2009", "\u200b", "\u200d", "\u2028", "\u2029", "\u202f", "\u205f", "\u2060", "\u3000",
    "\ufeff",
    # Numbers, words and addresses.
    "0", "7", "42", "3.14", "1,000", "1.000,5", "10-12", "5,", ",5", "5'", "5's", "½", "²", "Ⅳ", "٣", "五", "5\xa0000", "50 %",
    "a", "b", "ab", "A", "Ab", "s", "S", "é", "É", "ß", "ж", "Ж", "σ", "Ω", "word", "Word", "well-known", "a-b-c", "U.S.", "e.g.",
    "p.m.", "i.e", "http://a.b/c?d=e&f", "www.a-b.de", "me@a.org", "#tag", "@home", "<b>", "</s>", "x=y", "a/b",
    # Other scripts, marks, symbols.
    "他", "说", "语", "𠀀", "、", "。", "，", "！", "？", "：", "；", "「", "」", "《", "》", "（", "）", "【", "】", "〈", "〉", "％", "～", "━",
    "∶", "．", "１", "９", "ひ", "カ", "ー", "ﾊ", "한", "글", "ㅏ", "א", "ש", "ع", "،", "؟", "\u202b", "\u200f", "ก", "े", "्", "़", "क",
    "e\u0301", "\u0301", "\u0327", "\u20e3", "\ufe0f", "😀", "👩‍👩‍👧", "🇩🇪", "🏳️‍🌈", "≤", "→", "©", "°", "№", "§", "◌", "\ue000",
    "\ufffd", "\U0010ffff", "ა", "Ა", "ⴀ", "𝒜", "ᏸ", "ꭰ", "𞤢", "፟", "ͣ", "〇", "〡", "꜀", "⿰", "·", "₿", "₽", "¤",
]
# Separators that join the pieces; blanks are more or less frequent among them.
GLUES = [["", " "], ["", "", "", " "], [" "], [""]]


def hostile_lines(language, count, length=LENGTH):
    """Generates lines of the signs that the rules look for, of words that keep their full stop, and of any characters."""
    rng = random.Random(f"moses {language}")
    prefixes = list(NonbreakingPrefixes().words(language))
    prefixes = [word.rpartition(" ")[0] or word for word in prefixes]
    pieces = PIECES + ["."] * 8 + ["'"] * 6 + [","] * 6
    fixed = ["", " ", "\x00", "\xa0", ".", "'", ".'", ". '", "a.'", "a.' ", "'a", "-", "a-", "-a", "...", "a...", "...a", "x" * length,
             "." * length, "'" * (length // 6), *((unit * (length // len(unit))) for unit in ["a-", "a, ", "a.b "]),
             " " * length + "a", "\"" * 101, "(" * 50 + ")" * 50]
    lines = []
    while len(lines) < count - len(fixed):
        glue, line = rng.choice(GLUES), []
        kind = rng.random()
        for _ in range(rng.randint(1, 16)):
            if kind < 0.25:
                line.append(rng.choice(prefixes) + rng.choice([".", ".", ".", "", ".5", ".,", "..", ".'"]) + rng.choice(["", " ", " 5", " a", " A"]))
            elif kind < 0.4:
                plane = rng.choice([0x80, 0x250, 0x3000, 0x10000, 0x20000, 0x110000])
                code = rng.randrange(plane)
                line.append(chr(code) if not 0xD800 <= code < 0xE000 and code != 10 else "a")
            else:
                line.append(rng.choice(pieces))
            line.append(rng.choice(glue))
        lines.append("".join(line))
    return fixed[:count] + lines


def lines_of(path, column):
    """Lines of a .gz file, ended by line feeds alone; of a table, one column."""
    with gzip.open(path) as file:
        lines = file.read().decode("utf-8").split("\n")
    if lines[-1] == "":
        lines.pop()
    return lines if column is None else [line.split("\t")[column] for line in lines]


def steps(language):
    """Returns the steps of processing a line, by name."""
    normalizer = MosesPunctNormalizer(lang=language)
    tokenizer = MosesTokenizer(lang=language)
    detokenizer = MosesDetokenizer(lang=language)
    return {
        "punct": normalizer.normalize,
        "unicode": lambda line: normalizer.replace_unicode_punct(line).strip(),
        "tokens": lambda line: tokenizer.tokenize(line, return_str=True),
        "split": lambda line: tokenizer.tokenize(line, aggressive_dash_splits=True, return_str=True, escape=False),
        "text": lambda line: detokenizer.detokenize(line.split()),
    }


def digests(directory):
    """Yields digests of the tokens that the paper's scores are computed on, and of the text detokenised from them."""
    for path, language, column in FILES:
        done = steps(language)
        lines = lines_of(directory / path, column)
        tokens = [done["tokens"](done["punct"](line)) for line in lines]
        text = [done["text"](line) for line in tokens]
        of_tokens, of_text = (zlib.crc32("".join(line + "\n" for line in made).encode()) for made in [tokens, text])
        yield {"path": path, "language": language, "column": column, "lines": len(lines),
               "tokens": of_tokens, "text": of_text}
        print(f"{path} {language}: {len(lines)} lines", flush=True)


def main():
    if importlib.metadata.version("sacremoses") != SACREMOSES:
        sys.exit(f"sacremoses {importlib.metadata.version('sacremoses')} is installed; the fixtures are those of {SACREMOSES}")
    if len(sys.argv) > 2:
        sys.exit(__doc__)
    generated = []
    for language in LANGUAGES:
        lines = hostile_lines(language, FIXTURE_LINES, FIXTURE_LENGTH)
        done = steps(language)
        generated.append({"language": language, "lines": [
            {"line": line} | {name: step(line) for name, step in done.items()} for line in lines]})
    if len(sys.argv) == 2:
        texts = list(digests(pathlib.Path(sys.argv[1])))
    else:
        texts = json.loads(OUTPUT.read_text(encoding="ascii"))["texts"]
    head = {
        "written_by": "scripts/make_moses_fixtures.py",
        "sacremoses": SACREMOSES,
        "python": platform.python_version(),
        "unicode": unicodedata.unidata_version,
    }
    with open(OUTPUT, "w", encoding="ascii", newline="\n") as file:
        file.write(json.dumps(head)[:-1] + ', "generated": [\n')
        file.write(",\n".join(json.dumps(part) for part in generated))
        file.write('\n], "texts": [\n')
        file.write(",\n".join(json.dumps(text) for text in texts))
        file.write("\n]}\n")
    print(f"{OUTPUT.name}: {OUTPUT.stat().st_size} bytes")


if __name__ == "__main__":
    main()
