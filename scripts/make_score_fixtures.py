#!/usr/bin/env python3
"""Writes tests/fixtures/scores.json: the real sacreBLEU's chrF and TER of the texts
of bleu.json, and its tests of significance on two further systems.

    python3 -m venv .venv && .venv/bin/pip install sacrebleu==2.6.0
    .venv/bin/python scripts/make_bleu_fixtures.py
    .venv/bin/python scripts/make_score_fixtures.py

tests/texts/score_metrics.rs and tests/texts/score_significance.rs compare crates/score/src/score with it. The file is the
same on every run; check with git diff.
"""

import json
import logging
import platform
import random
import unicodedata

import sacrebleu
from sacrebleu.metrics import BLEU, CHRF, TER
from sacrebleu.significance import PairedTest

from make_bleu_fixtures import OUTPUT as BLEU_OUTPUT, perturbed, require_sacrebleu, sentence

OUTPUT = BLEU_OUTPUT.with_name("scores.json")

# Keyword arguments, which are the names in crates/score/src/score but for those in RENAMED.
CHRF_SETTINGS = [
    {}, {"word_order": 2}, {"word_order": 1, "beta": 3}, {"word_order": 2, "lowercase": True},
    {"whitespace": True}, {"char_order": 3, "word_order": 4, "beta": 1},
]
TER_SETTINGS = [
    {}, {"case_sensitive": True}, {"normalized": True}, {"no_punct": True}, {"normalized": True, "asian_support": True},
    {"no_punct": True, "asian_support": True},
    {"normalized": True, "no_punct": True, "asian_support": True, "case_sensitive": True},
]
RENAMED = {"char_order": "character_order"}
# TER takes seconds on these.
SLOW = ["thousand tokens", "thousand equal tokens"]


def scored(kind, arguments, cases):
    """Corpus and sentence scores of every case; sentence scores where several sentences differ."""
    results = []
    for case in cases:
        if kind is TER and arguments and case["name"] in SLOW:
            continue
        scorer = kind(**arguments)
        score = scorer.corpus_score(case["hypotheses"], case["references"])
        result = {"case": case["name"], "score": score.score}
        if len(case["hypotheses"]) > 1 and (not arguments or arguments == {"word_order": 2}):
            result["sentences"] = [scorer.sentence_score(hypothesis, list(references)).score
                                   for hypothesis, *references in zip(case["hypotheses"], *case["references"])]
        results.append(result)
    return {
        "name": score.name,
        "config": {RENAMED.get(key, key): value for key, value in arguments.items()},
        # The signature of the last case, which has one reference.
        "signature": str(scorer.get_signature()),
        "short_signature": scorer.get_signature().format(short=True),
        "results": results,
    }


def significance():
    """Two systems against a baseline: one much like it, one better."""
    rng = random.Random(1706)
    references = [sentence(rng, rng.randint(4, 14)) for _ in range(100)]
    worse = [perturbed(rng, perturbed(rng, reference)) for reference in references]
    alike = [perturbed(rng, perturbed(rng, reference)) for reference in references]
    better = [perturbed(rng, line) if rng.random() < 0.5 else line
              for line in (perturbed(rng, reference) for reference in references)]
    systems = [("baseline", worse), ("alike", alike), ("better", better), ("same", worse)]
    written = {"references": references, "systems": [hypotheses for _, hypotheses in systems], "metrics": {}}
    for name, make in [("bleu", BLEU), ("chrf", CHRF), ("ter", TER)]:
        tests = {}
        for kind in ["bs", "ar"]:
            metric = make(force=True) if make is BLEU else make()
            signatures, scores = PairedTest(systems, {name: metric}, [references], test_type=kind)()
            title, signature = next(iter(signatures.items()))
            tests[kind] = {
                "signature": str(signature),
                "systems": [{"score": r.score, "p_value": r.p_value, "mean": r.mean and float(r.mean),
                             "half_width": r.ci and float(r.ci)} for r in scores[title]],
            }
        written["metrics"][name] = tests
    return written


def main():
    require_sacrebleu()
    logging.getLogger("sacrebleu").setLevel(logging.ERROR)
    cases = json.loads(BLEU_OUTPUT.read_text(encoding="ascii"))["cases"]
    assert len(cases[-1]["references"]) == 1
    head = {
        "written_by": "scripts/make_score_fixtures.py",
        "sacrebleu": sacrebleu.__version__,
        "python": platform.python_version(),
        "unicode": unicodedata.unidata_version,
    }
    with open(OUTPUT, "w", encoding="ascii", newline="\n") as file:
        file.write(json.dumps(head)[:-1])
        for key, kind, settings in [("chrf", CHRF, CHRF_SETTINGS), ("ter", TER, TER_SETTINGS)]:
            written = [json.dumps(scored(kind, arguments, cases)) for arguments in settings]
            file.write(f', "{key}": [\n' + ",\n".join(written) + "\n]")
        file.write(', "significance":\n' + json.dumps(significance()) + "\n}\n")
    print(f"{OUTPUT.name}: {OUTPUT.stat().st_size} bytes")


if __name__ == "__main__":
    main()
