#!/usr/bin/env python3
"""Writes tests/fixtures/bleu.json: texts and the real sacreBLEU's scores of them.

    python3 -m venv .venv && .venv/bin/pip install sacrebleu==2.6.0
    .venv/bin/python scripts/make_bleu_fixtures.py

tests/texts/bleu.rs compares crates/score/src/score with it. All texts are written here or generated from a
fixed seed. The file is the same on every run; check with git diff.
"""

import importlib.metadata
import json
import logging
import pathlib
import platform
import random
import sys
import unicodedata

import sacrebleu
from sacrebleu.metrics import BLEU

SACREBLEU = "2.6.0"
OUTPUT = pathlib.Path(__file__).resolve().parent.parent / "tests" / "fixtures" / "bleu.json"

WORDS = """the a of house river green walks slowly never Größe naïve élan 42 3.14 1,000 10-12
state-of-the-art don't e.g. U.S. (see) "quoted" 50% $5.50 a/b x=y – „Wort“ … well-known 7. ,5 &amp;
ÄRGER Straße İstanbul ΟΔΟΣ Москва 東京 שלום مرحبا 😀 👩‍👩‍👧 #tag @home <b>""".split()

# Pieces that tokenisers treat specially, glued together without spaces.
PIECES = [
    ".", ",", "-", "'", '"', "&", ";", "<", ">", "/", "(", ")", "_", "%", "$", "~", "{", "|", "0", "7",
    "a", "B", "é", "ß", "Σ", "“", "—", "😀", "א", " ", "  ", "\t", "\r", "\n", "-\n", "\x00", "\x01",
    "\x0b", "\x1c", "\x1f", "\x7f", "\x85", "\xa0", "\u200b", "\u2028", "\u3000", "\ufeff", "&quot;",
    "&amp;", "&lt;", "&gt;", "&apos;", "&amp;lt;", "<skipped>", "<skip<skipped>ped>",
]

# Pieces that only the tokenisers for other scripts treat specially.
SCRIPT_PIECES = [
    "他", "买", "㐀", "龥", "龻", "龼", "豈", "\ufa2e", "𠀀", "\U0002f800", "ひ", "ら", "カ", "ナ", "ㇰ", "한", "、", "。", "，",
    "「", "」", "・", "！", "：", "（", "５", "\u3000", "①", "㈱", "㍿", "⺀", "⼀", "⿰", "ㄅ", "︰", "…", "—", "“", "”",
    "€", "→", "±", "©", "´", "¨", "^", "½", "²", "Ⅳ", "٣", "،", "؟", "।", "—", "§", "°", "_", "'s ", "'s", "'s.",
    ".", ",", "-", "3", "5", "7", "a", "B", " ", " ", "&amp;", "\n-", "\n", "!", "?", ":", ";", "(", ")", '"',
]


def sentence(rng, length):
    return " ".join(rng.choice(WORDS) for _ in range(length))


def glued(rng, length, pieces=None):
    return "".join(rng.choice(pieces or PIECES) for _ in range(length))


def perturbed(rng, text):
    """The text with some words dropped, doubled, replaced or swapped."""
    words = []
    for word in text.split(" "):
        kind = rng.random()
        if kind < 0.08:
            continue
        words.append(rng.choice(WORDS) if kind < 0.2 else word)
        if kind > 0.95:
            words.append(word)
    if len(words) > 1 and rng.random() < 0.5:
        at = rng.randrange(len(words) - 1)
        words[at], words[at + 1] = words[at + 1], words[at]
    return " ".join(words)


def rearranged(rng, text):
    """The text with runs of its words moved."""
    words = text.split(" ")
    for _ in range(rng.randint(1, 3)):
        start = rng.randrange(len(words))
        run = words[start:start + rng.randint(1, 12)]
        rest = words[:start] + words[start + len(run):]
        place = rng.randint(0, len(rest))
        words = rest[:place] + run + rest[place:]
    return " ".join(words)


def cases():
    """(name, hypotheses, reference streams, whether to try every setting)"""
    rng = random.Random(20170612)
    lines = [
        ("The cat sat on the mat.", "The cat is on the mat."),
        ("A quick test: 3.14 is pi, isn't it?", "A quick test - 3.14 is pi, is it not?"),
        ("He bought well-known state-of-the-art tools (e.g. saws) for $5.50.",
         "He bought well-known, state-of-the-art tools, e.g. saws, for $5.50!"),
        ("Yes", "Yes indeed"),
    ]
    yield "set S", [h for h, _ in lines], [[r for _, r in lines]], True
    yield "two tokens", ["the cat"], [["the cat sat down"]], True
    yield "no common trigram", ["a b c d"], [["a b x d"]], True
    yield "length tie", ["a b c d e f"], [["a b c d e f g h"], ["a b c d"]], True
    yield "chinese without chinese rules", ["他买了3.5公斤苹果，很便宜。"], [["他买了3.5公斤的苹果，真便宜。"]], False
    yield "german compounds", ["der gut gemachte Science-Fiction Film", "ein Haus am See-Ufer steht dort"], [
        ["der gut gemachte Science-Fiction Film läuft", "ein Haus am See-Ufer steht da"]], False

    pairs = {
        "empty both": ("", ""),
        "empty hypothesis": ("", "a b c d e"),
        "empty reference": ("a b c d e", ""),
        "white space only": (" \t\u3000\x1c", "\r\n"),
        "one token equal": ("a", "a"),
        "one token different": ("a", "b"),
        "one token against many": ("a", "b c a d e f"),
        "identical": ("a b, c. d-e 5-6", "a b, c. d-e 5-6"),
        "disjoint": ("a b c d e f", "g h i j k l"),
        "two matches apart": ("a b c d e f", "a g h i j f"),
        "repeated token": ("the the the the the the the", "the cat is on the mat"),
        "control characters": ("a\x01b c\x02 d\x0be\x0cf\x1cg\x1dh\x1ei\x1fj", "a\x01b c\x02 d e f g h i j"),
        "nul": ("a\x00b c \x00 d", "a\x00b c \x00 d e"),
        "next line and no-break space": ("a\x85b\xa0c\u2009d\u2028e\u3000f", "a b c d e f"),
        "zero-width space is no space": ("a\u200bb c d e\ufeff", "a b c d e"),
        "emoji": ("👍🏽 ok 👩‍👩‍👧 😀😀 done.", "👍🏽 ok 👩‍👩‍👧 😀 done."),
        "right to left": ("שלום, עולם! מה שלומך?", "שלום עולם! מה שלומך היום?"),
        "carriage return at the end": ("a b c d\r\n", "a b c d"),
        "carriage return inside": ("a b\rc\r\nd e", "a b c d e"),
        "hyphen at a line end": ("exam-\nple one two three", "example one two three"),
        "hyphen at the end": ("one two three exam-\n", "one two three exam-"),
        "html entities": ("&quot;a&quot; &amp; &lt;b&gt; &apos; &amp;lt; &amp;amp;", "\"a\" & <b> ' < & amp ;"),
        "skipped": ("a <skipped>b c <skip<skipped>ped> d", "a b c <skipped> d"),
        "skipped in capitals": ("a <SKIPPED>b c &QUOT; d", "a b c \" d"),
        "numbers": ("1,000.50 -5 5-6 .5 5. 1,2,3 1.,2 a.,5 a..5 3..4 ,,1", "1,000.50 - 5 5 - 6 .5 5 . 1,2,3"),
        "ellipsis": ("well... no.. 5... end....", "well . . . no . . 5 . . . end . . . ."),
        "other digits": ("٣.٥ ５,６ ²-³", "٣ . ٥ ５ , ６ ²-³"),
        "all ascii": ("".join(map(chr, range(128))), " ".join(map(chr, range(33, 127)))),
        "capitals": ("ΟΔΟΣ ΣΑΣ. İstanbul STRASSE ǅ ÄÖÜ DŽ", "οδος σας. i̇stanbul strasse ǆ äöü dž"),
    }
    for name, (hypothesis, reference) in pairs.items():
        yield name, [hypothesis], [[reference]], False
    yield "all pairs", [h for h, _ in pairs.values()], [[r for _, r in pairs.values()]], True

    long = sentence(rng, 1000)
    yield "thousand tokens", [perturbed(rng, long)], [[long]], False
    yield "thousand equal tokens", ["a " * 1000], [["a " * 999 + "b"]], False

    for number in range(3):
        references = [sentence(rng, rng.randint(1, 25)) for _ in range(20)]
        yield f"perturbed {number}", [perturbed(rng, r) for r in references], [references], number == 0
    streams = [[sentence(rng, rng.randint(1, 15)) for _ in range(12)]]
    streams += [[perturbed(rng, r) for r in streams[0]] for _ in range(3)]
    hypotheses = [perturbed(rng, rng.choice(streams)[line]) for line in range(12)]
    yield "four references", hypotheses, streams, True
    yield "a reference missing in part", hypotheses, [streams[0], streams[1][:6] + [""] * 6], False
    for number in range(4):
        references = [glued(rng, rng.randint(0, 40)) for _ in range(25)]
        hypotheses = [r[: rng.randint(0, len(r))] + glued(rng, 8) + r[rng.randint(0, len(r)):] for r in references]
        yield f"glued {number}", hypotheses, [references], False

    for number in range(3):
        references = [glued(rng, rng.randint(0, 40), SCRIPT_PIECES) for _ in range(20)]
        hypotheses = [r[: rng.randint(0, len(r))] + glued(rng, 6, SCRIPT_PIECES) + r[rng.randint(0, len(r)):]
                      for r in references]
        yield f"scripts {number}", hypotheses, [references], False
    for number in range(2):
        references = [sentence(rng, rng.randint(2, 60)) for _ in range(12)]
        hypotheses = [rearranged(rng, perturbed(rng, r)) for r in references]
        yield f"rearranged {number}", hypotheses, [references], False
    few = [" ".join(rng.choice("ab") for _ in range(rng.randint(1, 50))) for _ in range(12)]
    yield "two words over and over", [rearranged(rng, r) for r in few], [few], False
    yield "one word against very many", ["b"], [["a " * 150 + "b"]], False
    yield "very many words against one", ["a " * 150 + "b"], [["b"]], False


def settings(every):
    """Configurations in the form that crates/score/src/score reads."""
    smoothings = ["exp", {"floor": 0.1}, {"add-k": 1.0}, "none"]
    if every:
        for tokenizer in ["13a", "none"]:
            for smoothing in smoothings + [{"floor": 0.015}, {"floor": 0.0}, {"add-k": 0.5}, {"add-k": 0.0}]:
                for effective_order in [False, True]:
                    yield tokenizer, False, smoothing, effective_order
        yield "13a", True, "exp", False
        yield "none", True, "exp", True
        for tokenizer in ["intl", "zh", "char"]:
            for smoothing in smoothings:
                yield tokenizer, False, smoothing, False
    else:
        yield "13a", False, "exp", False
        yield "13a", False, "exp", True
        yield "13a", True, "exp", False
        for tokenizer in ["none", "intl", "zh", "char"]:
            yield tokenizer, False, "exp", False
        yield "intl", True, "exp", True
        for smoothing in smoothings[1:]:
            yield "13a", False, smoothing, False


def metric(tokenizer, lowercase, smoothing, effective_order):
    method, value = next(iter(smoothing.items())) if isinstance(smoothing, dict) else (smoothing, None)
    return BLEU(tokenize=tokenizer, lowercase=lowercase, smooth_method=method, smooth_value=value,
                effective_order=effective_order, force=True)


def described(setting):
    """Returns a setting and its signatures in sacreBLEU with one reference."""
    scorer = metric(*setting)
    scorer.corpus_score(["a"], [["a"]])
    return {
        "config": dict(zip(["tokenizer", "lowercase", "smoothing", "effective_order"], setting)),
        "signature": str(scorer.get_signature()),
        "short_signature": scorer.get_signature().format(short=True),
    }


def result(number, setting, hypotheses, references):
    score = metric(*setting).corpus_score(hypotheses, references)
    # add-k changes the counts that it returns; without smoothing they are as counted.
    counts = metric(setting[0], setting[1], "none", False).corpus_score(hypotheses, references)
    return {
        "setting": number,
        "line": str(score),
        "score": score.score,
        "precisions": score.precisions,
        "matches": counts.counts,
        "totals": counts.totals,
        "lengths": [score.sys_len, score.ref_len],
    }


def require_sacrebleu():
    """Exits if the installed sacreBLEU is not the version that made the golden files."""
    if sacrebleu.__version__ != SACREBLEU:
        sys.exit(f"sacreBLEU {sacrebleu.__version__} is installed; the fixtures are those of {SACREBLEU}")


def main():
    require_sacrebleu()
    logging.getLogger("sacrebleu").setLevel(logging.ERROR)
    written = []
    known = []
    for name, hypotheses, references, every in cases():
        # Sentence BLEU is on by default with effective order only.
        sentences = [sacrebleu.sentence_bleu(hypothesis, list(lines)).score
                     for hypothesis, *lines in zip(hypotheses, *references)]
        results = []
        for setting in settings(every):
            if setting not in known:
                known.append(setting)
            results.append(result(known.index(setting), setting, hypotheses, references))
        written.append({
            "name": name,
            "hypotheses": hypotheses,
            "references": references,
            "sentence_scores": sentences,
            "results": results,
        })
    head = {
        "written_by": "scripts/make_bleu_fixtures.py",
        "sacrebleu": sacrebleu.__version__,
        "python": platform.python_version(),
        "unicode": unicodedata.unidata_version,
        "regex": importlib.metadata.version("regex"),
    }
    OUTPUT.parent.mkdir(parents=True, exist_ok=True)
    with open(OUTPUT, "w", encoding="ascii", newline="\n") as file:
        file.write(json.dumps(head)[:-1] + ', "settings": [\n')
        file.write(",\n".join(json.dumps(described(setting)) for setting in known))
        file.write('\n], "cases": [\n')
        file.write(",\n".join(json.dumps(case) for case in written))
        file.write("\n]}\n")
    print(f"{OUTPUT.name}: {len(written)} cases, {sum(len(case['results']) for case in written)} results")


if __name__ == "__main__":
    main()
