#!/usr/bin/env python3
"""Counts the operations of the reference model with torch's FlopCounterMode and compares them with ours.

    pip install torch==2.11.0
    scripts/check_flops.py [--json]      compares with tests/fixtures/flops.json; exits with 1 where a count differs
    scripts/check_flops.py --write       writes that file anew

`cargo test --test models flops::` holds crates/trial/src/model/cost.rs to the same file, exactly. Attention runs as plain
matrix products here: fused kernels count their recomputation.
"""

import argparse
import json
import math
import os
import sys

import torch
import torch_convolutional
import torch_masked
import torch_recurrent
from torch.nn.attention import SDPBackend, sdpa_kernel
from torch.utils.flop_counter import FlopCounterMode

from checks import Checks, package
from torch_recurrent import without_absent
from torch_transformer import MODEL, Transformer

FIXTURE = os.path.join(os.path.dirname(__file__), "..", "tests", "fixtures", "flops.json")
PRODUCTS_OF_ATTENTION = {torch.ops.aten.bmm, torch.ops.aten.baddbmm}

# (name, changes of MODEL, vocabulary, pairs, source length, target length, scored positions)
CASES = [
    ("small", {}, 31, 3, 7, 5, 11),
    ("one pair", {"layers": 2, "heads": 4}, 50, 1, 9, 13, 13),
    ("d_k and d_v", {"layers": 2, "d_model": 24, "d_ff": 40, "heads": 3, "d_k": 5, "d_v": 7}, 40, 4, 6, 8, 29),
    ("pre, learned, no biases", {"layers": 3, "norm": "pre", "position": "learned", "attention_biases": False}, 64, 2, 16, 10, 17),
    ("three matrices, rows", {"tying": "none", "embedding_rows": 96, "d_model": 16}, 80, 5, 4, 12, 41),
    ("gate", {"layers": 2, "activation": "swiglu", "d_ff": 40}, 31, 3, 7, 5, 11),
    ("attention alone", {"layers": 2, "feed_forward": False, "residual": False}, 31, 3, 7, 5, 11),
    ("relative", {"position": {"relative": 3}, "d_k": 5, "d_v": 7, "layers": 2}, 31, 3, 7, 5, 11),
    ("t5", {"position": "t5", "layers": 2}, 31, 3, 7, 5, 11),
    ("rotary", {"position": "rotary"}, 31, 3, 7, 5, 11),
    ("alibi", {"position": "alibi"}, 31, 3, 7, 5, 11),
    ("demo", {"layers": 2, "d_model": 64, "d_ff": 128, "heads": 4}, 1112, 40, 24, 25, 760),
    ("additive", {"layers": 2, "attention": {"score": "additive"}}, 31, 3, 7, 5, 11),
    ("multiplicative, dot", {"d_k": 3, "d_v": 5, "attention": {"score": "multiplicative", "cross_score": "dot"}}, 31, 3, 7, 5, 11),
    ("shared query and key", {"attention": {"projections": "shared_query_key"}}, 31, 3, 7, 5, 11),
    ("values only", {"d_v": 7, "attention": {"projections": "values_only"}}, 31, 3, 7, 5, 11),
    ("no projections", {"attention": {"projections": "none", "score": "dot"}}, 31, 3, 7, 5, 11),
    ("local", {"layers": 2, "attention": {"span": {"local": 4}}}, 31, 3, 19, 16, 11),
    ("local decoder", {"attention": {"decoder_span": {"local": 3}, "score": "additive"}}, 31, 3, 7, 8, 11),
    ("local, short", {"attention": {"span": {"local": 9}}}, 31, 3, 17, 5, 11),
    ("linformer", {"d_k": 3, "d_v": 5, "learned_positions": 40, "attention": {"span": {"linformer": 6}}}, 31, 3, 19, 5, 11),
    ("big_bird", {"attention": {"span": {"big_bird": {"block": 2, "random": 2, "global": 1}}}}, 31, 3, 26, 5, 11),
    ("big_bird, short", {"attention": {"span": {"big_bird": {"block": 4, "random": 2, "global": 1}}}}, 31, 3, 24, 5, 11),
    ("decoder alone", {"encoder": "none", "layers": 2, "tying": "none"}, 31, 3, 0, 7, 11),
    ("base", {"layers": 6, "d_model": 512, "d_ff": 2048, "heads": 8}, 37000, 8, 30, 32, 229),
]

# The same for torch_recurrent.MODEL: its parity cases by name, and a model of usual sizes.
OF_PARITY = ["recurrent", "recurrent_lstm", "recurrent_luong", "recurrent_dot", "recurrent_bahdanau", "recurrent_before_readout",
             "recurrent_last_state", "recurrent_summary", "recurrent_residual", "recurrent_encoder", "recurrent_decoder",
             "recurrent_decoder_mean", "recurrent_alone_fed"]
RECURRENT_CASES = [(name, torch_recurrent.CASES[name], 31, 3, 7, 5, 11) for name in OF_PARITY]
BRITZ = torch_recurrent.both(hidden=512, softmax_bias=True, tying="none") | {"d_model": 512}
RECURRENT_CASES.append(("recurrent, 512 wide", BRITZ, 37000, 8, 30, 32, 229))

# The same for torch_convolutional.MODEL.
CONVOLUTIONAL_CASES = [
    (name, changes, 31, 3, 7, 5, 11) for name, changes in torch_convolutional.CASES.items()
]
CONVS2S = torch_convolutional.both(channels=512, encoder_layers=4, decoder_layers=4) | {"d_model": 256, "learned_positions": 64}
CONVOLUTIONAL_CASES.append(("convolutional, 512 wide", CONVS2S, 37000, 8, 30, 32, 229))


MASKED_CASES = [
    (name, torch_masked.CASES[name], 31, 3, 7, 0, 5)
    for name in (
        "masked",
        "masked_plain",
        "masked_gate",
        "masked_linformer",
        "masked_next_sentence",
        "masked_recurrent",
        "masked_recurrent_plain",
    )
]


def count(name, build, model, vocabulary, pairs, source, target, scored):
    """Returns the operations of the forward pass, those of attention in it, and those of the backward pass."""
    # A sequence that is too short for blocks of a span is computed with a mask over all pairs.
    model = build({**model, "in_blocks": "short" not in name}, vocabulary)
    sources = torch.randint(3, vocabulary, (pairs, source))
    targets = torch.randint(3, vocabulary, (pairs, target))
    tells = hasattr(model, "next_sentence")
    if tells:
        model.segments = torch.zeros_like
    with sdpa_kernel(SDPBackend.MATH):
        with FlopCounterMode(display=False) as forward:
            encoded = model.encode(sources) if model.reads else ()
            if isinstance(model, torch_masked.Masked):
                # The head is computed where a token is to be found.
                hidden = model.transform(encoded[0].flatten(0, 1)[:scored])
            else:
                hidden = model.decode(targets, *encoded).flatten(0, 1)[:scored]
            loss = model.logits(hidden).square().mean()
            if tells:
                loss = loss + model.tell(encoded[0]).square().mean()
        with FlopCounterMode(display=False) as backward:
            loss.backward()
    products = forward.get_flop_counts()["Global"]
    attention = sum(flops for op, flops in products.items() if op in PRODUCTS_OF_ATTENTION)
    return {"forward": forward.get_total_flops(), "attention": attention, "backward": backward.get_total_flops()}


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--json", action="store_true", help="print the comparison as checks.py says")
    parser.add_argument("--write", action="store_true", help="write tests/fixtures/flops.json")
    arguments = parser.parse_args()
    # oneDNN computes a whole LSTM layer as one operation, for which FlopCounterMode has no count.
    torch.backends.mkldnn.enabled = False
    cases = []
    of_kinds = [
        (CASES, Transformer, MODEL),
        (RECURRENT_CASES, torch_recurrent.Model, torch_recurrent.MODEL),
        (CONVOLUTIONAL_CASES, torch_convolutional.Model, torch_convolutional.MODEL),
        (MASKED_CASES, torch_masked.Masked, torch_masked.MODEL),
    ]
    of_all = [(build, settings, case) for known, build, settings in of_kinds for case in known]
    for build, settings, (name, changes, vocabulary, pairs, source, target, scored) in of_all:
        shape = {"pairs": pairs, "source": source, "target": target, "scored": scored}
        model = settings | changes
        counted = count(name, build, model, vocabulary, pairs, source, target, scored)
        model = without_absent(model)
        cases.append({"name": name, "model": model, "vocabulary": vocabulary, "shape": shape, **counted})
    if arguments.write:
        with open(FIXTURE, "w", encoding="utf-8") as file:
            json.dump({"torch": torch.__version__, "cases": cases}, file, indent=1)
            file.write("\n")
        return 0
    with open(FIXTURE, encoding="utf-8") as file:
        ours = {case["name"]: case for case in json.load(file)["cases"]}
    checks = Checks()
    for case in cases:
        mine = ours.get(case["name"], {})
        # A file that was written before a setting was added lacks it.
        mine["model"] = without_absent(MODEL) | mine.get("model", {})
        same = all(mine.get(key) == case[key] for key in ("model", "vocabulary", "shape"))
        for term in ("forward", "attention", "backward"):
            gap = abs(mine[term] - case[term]) if same else math.inf
            peer = f"{package('torch')}: FlopCounterMode"
            checks.add(f"operations {term}: {case['name']}", peer, f"{case[term]:,} operations", gap)
    return checks.finish(arguments.json)


if __name__ == "__main__":
    sys.exit(main())
