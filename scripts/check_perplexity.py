#!/usr/bin/env python3
"""Computes the perplexities of a finished run with Python torch and compares them with its record.

    pip install torch==2.11.0 safetensors==0.8.0 tokenizers==0.23.3
    scripts/check_perplexity.py RUN --data DATA [--json]

RUN is a run directory with record.json, DATA holds the prepared corpora. The dev and test texts are tokenised
by Hugging Face's tokenizers; `torch_transformer.py` predicts every target token from the scored weights in
float64. Counted are all tokens of the references and one end of sentence a line, no padding; words are
what white space separates, and one end of sentence a line. What comes out must not depend on which
sentences share a batch. Exits with 1 where anything is beyond its tolerance.
"""

import argparse
import json
import math
import sys
from pathlib import Path

import torch
from safetensors.torch import load_file
from tokenizers import Tokenizer

from checks import Checks, package
from stores import read_store
from torch_transformer import MODEL, PAD, Transformer, collate, cross_entropy

# Largest relative gap; ablate computes in float32.
TOLERANCE = 3e-6
# Tokens whose two best predictions may change places in float32.
CLOSE_CALLS = 2


def prepared(root, fingerprint):
    """The prepared corpus of this fingerprint."""
    for manifest in root.glob("*/manifest.json"):
        if json.loads(manifest.read_text(encoding="utf-8"))["fingerprint"] == fingerprint:
            return manifest.parent
    sys.exit(f"{root}: no prepared corpus has the fingerprint {fingerprint} of the record")


def load_model(run, settings, seed, vocabulary):
    known = {key: value for key, value in settings.items() if key in MODEL}
    model = Transformer(MODEL | known | {"seed": seed}, vocabulary)
    weights = load_file(run / "checkpoints/scored.weights.safetensors")
    parameters = dict(model.paths())
    if weights.keys() != parameters.keys():
        sys.exit(f"{run}: the weights are not those of the model: {sorted(weights.keys() ^ parameters.keys())}")
    with torch.no_grad():
        for path, parameter in parameters.items():
            parameter.copy_(weights[path])
    return model.eval()


@torch.no_grad()
def score(model, batches):
    """Returns nats, tokens, and tokens predicted right."""
    nats, tokens, right = 0.0, 0, 0
    for batch in batches:
        source, shifted, target = collate(batch)
        logits = model(source, shifted)
        real = target != PAD
        nats += cross_entropy(logits, target, 0.0).item()
        tokens += int(real.sum())
        right += int((logits.argmax(-1) == target)[real].sum())
    return nats, tokens, right


def lines_of(path):
    return path.read_text(encoding="utf-8").split("\n")[:-1]


def relative(ours, theirs):
    return abs(ours - theirs) / abs(theirs)


def check_split(checks, model, tokenizer, data, split, metrics):
    sides = [lines_of(data / f"{split}.{side}.txt") for side in ("source", "target")]
    words = sum(len(line.split()) + 1 for line in sides[1])
    source, target = ([encoding.ids for encoding in tokenizer.encode_batch(side)] for side in sides)
    pairs = list(zip(source, target))
    by_length = sorted(pairs, key=lambda pair: len(pair[1]))
    cut = lambda pairs, size: [pairs[i : i + size] for i in range(0, len(pairs), size)]  # noqa: E731
    stored = sum(map(len, read_store(data / f"{split}.store")[1])) + len(pairs)
    peer = package("torch", "tokenizers")
    for how, batches in [
        ("one sentence a batch", cut(pairs, 1)),
        ("7 sentences a batch", cut(pairs, 7)),
        ("64 of like length", cut(by_length, 64)),
    ]:
        nats, tokens, right = score(model, batches)
        size = f"{tokens} tokens"
        checks.add(f"{split}: number of target tokens, {how}", peer, size, abs(tokens - stored))
        gap = relative(metrics[f"{split}/perplexity"], math.exp(nats / tokens))
        checks.add(f"{split}/perplexity, {how}", peer, size, gap, TOLERANCE)
        gap = relative(metrics[f"{split}/word_perplexity"], math.exp(nats / words))
        checks.add(f"{split}/word_perplexity, {how}", peer, f"{words} words", gap, TOLERANCE)
        gap = abs(round(metrics[f"{split}/accuracy"] * tokens) - right)
        checks.add(f"{split}/accuracy in tokens, {how}", peer, size, gap, CLOSE_CALLS)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("run", type=Path)
    parser.add_argument("--data", type=Path, required=True, help="directory of prepared corpora")
    parser.add_argument("--json", action="store_true")
    arguments = parser.parse_args()
    torch.set_default_dtype(torch.float64)
    torch.set_num_threads(1)  # the models are small
    record = json.loads((arguments.run / "record.json").read_text(encoding="utf-8"))["record"]
    data = prepared(arguments.data, record["data"]["fingerprint"])
    tokenizer = Tokenizer.from_file(str(data / "tokenizer.json"))
    model = load_model(arguments.run, record["configuration"]["model"], record["seed"], record["data"]["vocabulary"])
    checks = Checks()
    for split in ("dev", "test"):
        check_split(checks, model, tokenizer, data, split, record["metrics"])
    return checks.finish(arguments.json)


if __name__ == "__main__":
    sys.exit(main())
