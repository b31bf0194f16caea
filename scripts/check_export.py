#!/usr/bin/env python3
"""Holds what `ablate export` writes to the packages that it is written for.

    pip install -r scripts/requirements.txt
    scripts/check_export.py --ablate target/release/ablate
    scripts/check_export.py --ablate target/release/ablate --run RUN --data DATA --source test.en

The first compares small models of every variant, given the whole target: logits of MarianMTModel and
log-probabilities of CTranslate2 against `torch_transformer.py`, which `tests/parity` holds to
ablate, on ablate's own exported weights. It also compares small language models, of which GPT's and BERT's architectures
are exported (`exported_language_models.py`). The second also compares beam search: RUN translates SOURCE with ablate and with
both packages, under length penalties that all three can express.

Exits with 1 where anything is beyond its tolerance. Speed and the lines that differ go to standard error.
"""

import argparse
import gzip
import json
import math
import os
import random
import sys
import tempfile
import time

import ctranslate2
import safetensors.torch
import tokenizers
import torch
import torch_transformer
import transformers
from checks import Checks, detail, package
from exported import FLOAT32_TOLERANCE, HUGGING_FACE, TRANSLATING, Ablate, check_logits, reference, train
from exported_language_models import check_language_models
from programs import output
from torch.nn import functional as F
from torch_transformer import EOS, PAD

CTRANSLATE2 = package("ctranslate2")
# Beam of the search of a run, and the largest number of tokens of a translation by the packages.
BEAM = 4
LONGEST = 100

# Absolute gap of a whole translation's log-probability over the length penalty, in float32 on both sides.
SCORE_TOLERANCE = 1e-4
# Largest shares of lines. Of the 2 × beam candidates of a step, ablate finishes every one that ends, the packages only
# those among the first `beam`: ablate's search finds what theirs finds or better, up to the rounding of a choice.
# With `decoding.early_stopping` all three follow one rule.
DIFFERENT_LINES = 0.01
WORSE_LINES = 0.002

# Settings of each variant, and the setting that a MarianMTModel cannot express, if there is one.
VARIANTS = {
    "paper": ({}, None),
    "halves": ({"position": "sinusoidal_halves"}, None),
    "learned positions": ({"position": "learned", "learned_positions": 300}, None),
    "no positions": ({"position": "none"}, None),
    "decoder tied": ({"tying": "decoder"}, None),
    "untied": ({"tying": "none"}, None),
    "no biases": ({"attention_biases": False}, None),
    "torch's epsilon": ({"layer_norm_epsilon": 1e-5}, None),
    "large epsilon": ({"layer_norm_epsilon": 0.01, "tying": "none"}, None),
    "narrow keys": ({"d_k": 3}, None),
    "narrow values": ({"d_v": 5, "attention_biases": False}, None),
    "padded rows": ({"embedding_rows": 700}, None),
    "GELU": ({"activation": "gelu"}, None),
    "Swish": ({"activation": "swish"}, None),
    "GLU": ({"activation": "glu"}, "model.activation"),
    "SwiGLU": ({"activation": "swiglu"}, "model.activation"),
    "GEGLU": ({"activation": "geglu", "norm": "pre"}, "model.activation"),
    "pre-norm": ({"norm": "pre"}, "model.norm"),
    "wide keys": ({"d_k": 11}, "model.d_k"),
    "wide values": ({"d_v": 9}, "model.d_v"),
    "odd heads": ({"heads": 3, "d_k": 8, "d_v": 4}, "model.heads"),
}


def random_pairs(vocabulary):
    """Sentences of random tokens, of 1 to 20 a side."""
    draw = random.Random(7)
    sentence = lambda: [draw.randrange(3, vocabulary) for _ in range(draw.randint(1, 20))]  # noqa: E731
    return [(sentence(), sentence()) for _ in range(24)]


def check_ctranslate2(checks, variant, folder, pairs, batch, expected, real):
    """Compares log-probabilities of the tokens of the targets, ends of sentences among them."""
    with open(os.path.join(folder, "shared_vocabulary.json"), encoding="utf-8") as file:
        tokens = json.load(file)
    translator = ctranslate2.Translator(folder, device="cpu", compute_type="float32", intra_threads=1)
    words = [[[tokens[id] for id in side] for side in pair] for pair in pairs]
    results = translator.score_batch([source for source, _ in words], [target for _, target in words])
    found = torch.tensor([value for result in results for value in result.log_probs], dtype=torch.float64)
    outputs = batch[2]
    wanted = F.log_softmax(expected, -1).gather(-1, outputs.unsqueeze(-1)).squeeze(-1)[real]
    gap = (found - wanted).abs().max().item() if found.shape == wanted.shape else math.inf
    what = f"{variant}: log-probabilities of tokens, float32"
    checks.add(what, CTRANSLATE2, f"{len(wanted)} tokens", gap, FLOAT32_TOLERANCE)


def check_variants(checks, binary, folder):
    ablate = Ablate(binary, os.path.join(folder, "data"), os.path.join(folder, "results"))
    experiment = os.path.join(folder, "small.toml")
    with open(experiment, "w", encoding="utf-8") as file:
        file.write(TRANSLATING)
    for variant, (settings, no_place) in VARIANTS.items():
        trained = train(ablate, experiment, variant, settings)
        out = {format: os.path.join(trained, "exported", format) for format in ["safetensors", "marian", "ctranslate2"]}
        ablate.export(trained, "safetensors", out["safetensors"])
        model, vocabulary = reference(out["safetensors"], torch_transformer.Transformer, torch_transformer.MODEL)
        pairs = random_pairs(vocabulary)
        batch = torch_transformer.collate(pairs)
        real = batch[2] != PAD
        with torch.no_grad():
            expected = model(*batch[:2])
        if no_place:
            refused = no_place in ablate.refusal(trained, "marian", out["marian"])
            checks.add(f"{variant}: refused, naming {no_place}", HUGGING_FACE, "1 export", int(not refused))
        else:
            ablate.export(trained, "marian", out["marian"])
            source, inputs, _ = batch
            given = {"input_ids": source, "attention_mask": (source != PAD).long(), "decoder_input_ids": inputs}
            check_logits(checks, variant, transformers.MarianMTModel, out["marian"], given, expected, real)
        ablate.export(trained, "ctranslate2", out["ctranslate2"])
        check_ctranslate2(checks, variant, out["ctranslate2"], pairs, batch, expected, real)


def lines_of(path):
    with (gzip.open if path.endswith(".gz") else open)(path, "rt", encoding="utf-8", newline="\n") as file:
        return [line.rstrip("\r\n") for line in file]


def ablate_translations(ablate, trained, lines, beam, penalty, early_stopping):
    """(score, text) of each line."""
    sets = [f"decoding.length_penalty={penalty}", "decoding.length_penalty_form=power", f"decoding.beam={beam}"]
    sets.append(f"decoding.early_stopping={str(early_stopping).lower()}")
    words = [word for set in sets for word in ("--set", set)]
    text = ablate.call("translate", trained, "--n-best", "1", *words, input="".join(f"{line}\n" for line in lines))
    rows = [row.split(" ||| ", 2) for row in text.split("\n")[:-1]]
    return [(float(score), hypothesis) for _, score, hypothesis in rows]


def timed(name, count, started):
    seconds = time.monotonic() - started
    detail(f"{name}: {count} target tokens in {seconds:.1f} s, {count / seconds:.0f} tokens/s")


def hugging_face_translations(folder, lines, beam, penalty, longest, early_stopping):
    """(score, text) of each line; without `early_stopping` an open hypothesis that could still win is waited for."""
    tokenizer = transformers.AutoTokenizer.from_pretrained(folder)
    model = transformers.MarianMTModel.from_pretrained(folder).eval()
    found, count, started = {}, 0, time.monotonic()
    order = sorted(range(len(lines)), key=lambda at: len(tokenizer(lines[at]).input_ids))
    for first in range(0, len(order), 50):
        part = order[first : first + 50]
        inputs = tokenizer([lines[at] for at in part], return_tensors="pt", padding=True)
        outputs = model.generate(
            **inputs,
            num_beams=beam,
            length_penalty=penalty,
            early_stopping=early_stopping or "never",
            max_new_tokens=longest,
            return_dict_in_generate=True,
            output_scores=True,
        )
        count += (outputs.sequences > EOS).sum().item() + len(part)  # one </s> a line, whatever follows it
        texts = tokenizer.batch_decode(outputs.sequences, skip_special_tokens=True)
        found.update(zip(part, zip(outputs.sequences_scores.tolist(), texts)))
    timed(f"{HUGGING_FACE}, {search_name(penalty, early_stopping)}", count, started)
    return [found[at] for at in range(len(lines))]


def ctranslate2_translations(folder, lines, beam, penalty, longest, early_stopping):
    """(score, text) of each line; without `early_stopping` four times as many hypotheses are waited for."""
    tokenizer = tokenizers.Tokenizer.from_file(os.path.join(folder, "tokenizer.json"))
    translator = ctranslate2.Translator(folder, device="cpu", compute_type="float32", intra_threads=1)
    sources = [tokenizer.encode(line).tokens for line in lines]
    started = time.monotonic()
    results = translator.translate_batch(
        sources,
        beam_size=beam,
        length_penalty=penalty,
        patience=1 if early_stopping else 4,
        return_scores=True,
        # </s> then counts in the length, as it does for the others.
        return_end_token=True,
        max_batch_size=2048,
        batch_type="tokens",
        # By default the first token must not be </s>, which then gives its probability to the others.
        min_decoding_length=0,
        max_decoding_length=longest,
    )
    ids = [[tokenizer.token_to_id(token) for token in result.hypotheses[0]] for result in results]
    timed(f"{CTRANSLATE2}, {search_name(penalty, early_stopping)}", sum(map(len, ids)), started)
    texts = [tokenizer.decode([id for id in row if id != EOS]) for row in ids]
    return [(result.scores[0], text) for result, text in zip(results, texts)]


def search_name(penalty, early_stopping):
    return f"length penalty {penalty}" + (", early stopping" if early_stopping else "")


def compare_translations(checks, peer, search, ours, theirs):
    same = [(a, b) for (a, text), (b, other) in zip(ours, theirs) if text == other]
    different = [(at, a, b) for at, (a, b) in enumerate(zip(ours, theirs)) if a[1] != b[1]]
    what = f"beam search, {search}"
    size = f"{len(ours)} lines"
    checks.add(f"{what}: share of lines that differ", peer, size, len(different) / len(ours), DIFFERENT_LINES)
    gap = max((abs(a - b) for a, b in same), default=math.inf)
    checks.add(f"{what}: scores of equal lines, float32", peer, f"{len(same)} lines", gap, SCORE_TOLERANCE)
    better = sum(a[0] > b[0] + SCORE_TOLERANCE for _, a, b in different)
    worse = sum(b[0] > a[0] + SCORE_TOLERANCE for _, a, b in different)
    checks.add(f"{what}: share of lines that score less than the peer's", peer, size, worse / len(ours), WORSE_LINES)
    detail(
        f"{peer}, {search}: {len(different)} of {len(ours)} lines differ; "
        f"ablate's score is higher in {better}, lower in {worse}, equal in {len(different) - better - worse}"
    )
    for at, a, b in different:
        detail(f"  line {at + 1}\n    ablate {a[0]:.6f} {a[1]}\n    theirs {b[0]:.6f} {b[1]}")


def check_trained(checks, arguments, folder):
    ablate = Ablate(arguments.ablate, arguments.data, os.path.join(folder, "results"))
    lines = lines_of(arguments.source)
    out = {format: os.path.join(folder, "trained", format) for format in ["safetensors", "marian", "ctranslate2"]}
    programs = {format: ablate.export(arguments.run, format, out[format]) for format in out}
    sample = f"{lines[0]}\n"
    # The printed programs use the printed settings: the run's penalty in the packages' form.
    form = ["--set", "decoding.length_penalty_form=power"]
    wanted = ablate.call("translate", arguments.run, *form, input=sample)
    for format, peer in [("marian", HUGGING_FACE), ("ctranslate2", CTRANSLATE2)]:
        found = output([sys.executable, "-c", programs[format]], quiet=True, input=sample)
        checks.add("the printed program's translation", peer, "1 line", int(found != wanted))
    names = output([sys.executable, "-c", programs["safetensors"]], quiet=True).count("\n")
    stored = len(safetensors.torch.load_file(os.path.join(out["safetensors"], "model.safetensors")))
    checks.add("the printed program's list of weights", package("safetensors"), f"{stored} tensors", abs(names - stored))
    for penalty in arguments.length_penalty:
        # Without a penalty CTranslate2 ends by a third rule: as soon as the best of the beam has ended.
        for early_stopping in [False, True] if penalty > 0 else [False]:
            search = search_name(penalty, early_stopping)
            ours = ablate_translations(ablate, arguments.run, lines, BEAM, penalty, early_stopping)
            settings = (lines, BEAM, penalty, LONGEST, early_stopping)
            theirs = hugging_face_translations(out["marian"], *settings)
            compare_translations(checks, HUGGING_FACE, search, ours, theirs)
            theirs = ctranslate2_translations(out["ctranslate2"], *settings)
            compare_translations(checks, CTRANSLATE2, search, ours, theirs)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--ablate", required=True, help="the program")
    parser.add_argument("--run", help="directory of a finished run, for beam search")
    parser.add_argument("--data", help="directory of the prepared corpora that the run was trained on")
    parser.add_argument("--source", help="text to translate with the run, one sentence a line; plain or .gz")
    parser.add_argument("--only-run", action="store_true", help="leave the small models of every variant out")
    parser.add_argument("--length-penalty", type=float, action="append", help="exponents, by default 0 and 0.6")
    parser.add_argument("--json", action="store_true")
    arguments = parser.parse_args()
    arguments.length_penalty = arguments.length_penalty or [0.0, 0.6]
    if bool(arguments.run) != bool(arguments.data and arguments.source):
        parser.error("--run, --data and --source go together")
    transformers.logging.disable_progress_bar()
    torch.set_num_threads(1)

    checks = Checks()
    with tempfile.TemporaryDirectory() as folder:
        if not arguments.only_run:
            check_variants(checks, arguments.ablate, folder)
            check_language_models(checks, arguments.ablate, folder)
        if arguments.run:
            check_trained(checks, arguments, folder)
    return checks.finish(arguments.json)


if __name__ == "__main__":
    sys.exit(main())
