#!/usr/bin/env python3
"""Writes tests/fixtures/parity/model/*.json: Python torch's results for each variant of the model, in float64.

    pip install torch==2.11.0 numpy transformers==5.23.0
    python3 scripts/make_parity_fixtures.py [CASE…]

`tests/parity/model.rs` computes the same with `ablate` and compares. The model is `torch_transformer.py`, with recurrent
parts `torch_recurrent.py`, with convolutional ones `torch_convolutional.py`, without a decoder `torch_masked.py`, or
Hugging Face's by `torch_gpt.py` and `torch_bert.py` where a case says so; gradients come from torch's autograd, updates
from `torch.optim.Adam` under `LambdaLR`.

No weights are exchanged. Number i of variable `name` is, on both sides,

    centre + scale * (2 u - 1),  u = (mix(fnv1a(name) + i) >> 11) * 2^-53

with FNV-1a's 64-bit hash of the name's bytes, `mix` SplitMix64's output function with its increment,
arithmetic modulo 2^64, and (centre, scale) = (1, 0.2) for names that end in "scale" or "running_variance",
(0, 0.2) for "bias", "offset" and "running_mean", (0, 1.5 / sqrt(columns)) for matrices. A tensor is recorded as its shape, sum, sum of
absolute values, first numbers, and projection: the sum of its products with
2 u - 1 of the variable "projection". The data is stated in the fixture.
"""

import json
import math
import platform
import sys
from pathlib import Path

import numpy as np
import torch

import torch_convolutional
import torch_masked
import torch_recurrent
from torch_bert import Bert
from torch_gpt import Gpt
from torch_transformer import CASES, MODEL, PAD, Transformer, collate, cross_entropy, learning_rate

FOLDER = Path(__file__).parent.parent / "tests/fixtures/parity/model"
VOCABULARY = 11
UPDATES = 10
PAIRS = [
    ([3, 7, 5, 10], [4, 6, 9]),
    ([9], [8, 8, 3, 5, 10]),
    ([6, 4, 4, 8, 3, 7], [10]),
    ([5, 10], [7, 3, 4, 6, 9, 5]),
    ([8, 3, 9], [5]),
]
# The rate is low enough for the biases of keys, whose gradient is 0 but for rounding, which Adam makes steps of:
# after ten updates they are still equal to 1e-9.
TRAINING = {"label_smoothing": 0.1, "learning_rate_scale": 0.02, "warmup_steps": 4}
ADAM = {"adam_beta1": 0.9, "adam_beta2": 0.98, "adam_epsilon": 1e-9}

def uniforms(name, count):
    """`count` numbers in [0, 1) of the variable `name`."""
    base = 0xCBF29CE484222325
    for byte in name.encode():
        base = ((base ^ byte) * 0x100000001B3) % 2**64
    with np.errstate(over="ignore"):
        z = np.arange(count, dtype=np.uint64) + np.uint64(base) + np.uint64(0x9E3779B97F4A7C15)
        z = (z ^ (z >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
        z = (z ^ (z >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
        z = z ^ (z >> np.uint64(31))
    return (z >> np.uint64(11)).astype(np.float64) * 2.0**-53


def start(name, shape):
    centre, scale = 0.0, 0.2
    if name.endswith(("scale", "running_variance")):
        centre = 1.0
    elif not name.endswith(("bias", "offset", "running_mean")):
        scale = 1.5 / math.sqrt(shape[-1])
    values = centre + scale * (2 * uniforms(name, math.prod(shape)) - 1)
    return torch.from_numpy(values).view(shape)


def summary(tensor):
    flat = tensor.detach().contiguous().flatten()
    direction = torch.from_numpy(2 * uniforms("projection", flat.numel()) - 1)
    return {
        "shape": list(tensor.shape),
        "sum": flat.sum().item(),
        "abs_sum": flat.abs().sum().item(),
        "projection": flat.dot(direction).item(),
        "first": flat[:3].tolist(),
    }


def make(changes, build=Transformer, settings=MODEL):
    model_config = settings | {k: v for k, v in changes.items() if k in settings}
    training = TRAINING | {k: v for k, v in changes.items() if k in TRAINING} | ADAM
    model = build(model_config, VOCABULARY, longest=32).eval()
    with torch.no_grad():
        for path, parameter in [*model.paths(), *model.buffer_paths()]:
            parameter.copy_(start(path, parameter.shape))
    # A masked language model has its own inputs and targets.
    pairs, to_batch = getattr(model, "pairs", PAIRS), getattr(model, "collate", collate)
    source, shifted, target = to_batch(pairs)
    tokens = int((target != PAD).sum())
    outputs = {"logits": summary(model(source, shifted)[target != PAD])}
    if model.reads:
        outputs["encoder"] = summary(model.encode(source)[0][source != PAD])
    # Predictions of a masked language model about second texts; other models have none.
    next_scores = getattr(model, "next_scores", lambda _: None)
    if (scores := next_scores(source)) is not None:
        outputs["next_sentence"] = summary(scores)
    evaluation_loss = (cross_entropy(model(source, shifted), target, 0.0) / tokens).item()
    # ablate's updates have two micro-batches. Only batch normalisation makes a difference between them and one.
    parts = [pairs[:2], pairs[2:]] if model_config["norm_kind"] == "batch" else [pairs]
    micro_batches = [to_batch(part) for part in parts]
    model.train()
    betas = (training["adam_beta1"], training["adam_beta2"])
    adam = torch.optim.Adam(model.parameters(), lr=1.0, betas=betas, eps=training["adam_epsilon"])
    scale, warmup = training["learning_rate_scale"], training["warmup_steps"]
    rate = lambda done: learning_rate(done + 1, model_config["d_model"], scale, warmup)  # noqa: E731
    schedule = torch.optim.lr_scheduler.LambdaLR(adam, rate)
    updates = []
    for update in range(1, UPDATES + 1):
        adam.zero_grad()
        loss, unsmoothed = 0.0, 0.0
        for source, shifted, target in micro_batches:
            logits = model(source, shifted)
            loss += cross_entropy(logits, target, training["label_smoothing"]) / tokens
            unsmoothed += cross_entropy(logits, target, 0.0) / tokens
            if (scores := next_scores(source)) is not None:
                loss += torch_masked.next_sentence_loss(scores, source, target) / tokens
        loss.backward()
        gradients = {path: p.grad for path, p in model.paths()}
        if update == 1:
            first_gradients = {path: summary(gradient) for path, gradient in gradients.items()}
        norm = torch.linalg.vector_norm(torch.stack([g.norm() for g in gradients.values()])).item()
        updates.append(
            {
                "loss": loss.item(),
                "unsmoothed_loss": unsmoothed.item(),
                "gradient_norm": norm,
                "learning_rate": schedule.get_last_lr()[0],
            }
        )
        adam.step()
        schedule.step()
        model.end_update()
        if update == 1:
            first_statistics = {path: summary(buffer) for path, buffer in model.buffer_paths()}
    of_batch_norm = {"evaluation_loss": evaluation_loss, "first_statistics": first_statistics}
    of_second_texts = {"second_texts": torch_masked.SECOND}
    return {
        "versions": {"torch": torch.__version__, "numpy": np.__version__, "python": platform.python_version()}
        | model.versions,
        "vocabulary": VOCABULARY,
        "pairs": pairs,
        "model": torch_recurrent.without_absent(model_config),
        "training": training,
        "outputs": outputs,
        "gradients": first_gradients,
        "updates": updates,
        "weights": {path: summary(p) for path, p in [*model.paths(), *model.buffer_paths()]},
    } | (of_batch_norm if first_statistics else {}) | (of_second_texts if "next_sentence" in outputs else {})


def main():
    torch.set_default_dtype(torch.float64)
    torch.set_num_threads(1)
    torch.use_deterministic_algorithms(True)
    FOLDER.mkdir(parents=True, exist_ok=True)
    recurrent = (torch_recurrent.Model, torch_recurrent.MODEL)
    peer = lambda changes: Gpt if changes.get("peer") == "gpt" else Transformer  # noqa: E731
    cases = [(name, changes, (peer(changes), MODEL)) for name, changes in CASES.items()]
    cases += [(name, changes, recurrent) for name, changes in torch_recurrent.CASES.items()]
    convolutional = (torch_convolutional.Model, torch_convolutional.MODEL)
    cases += [(name, changes, convolutional) for name, changes in torch_convolutional.CASES.items()]
    masked = lambda changes: Bert if changes.get("peer") == "bert" else torch_masked.Masked  # noqa: E731
    of_masked = torch_masked.CASES.items()
    cases += [(name, changes, (masked(changes), torch_masked.MODEL)) for name, changes in of_masked]
    for name, changes, (build, settings) in cases:
        if sys.argv[1:] and name not in sys.argv[1:]:
            continue
        # One line a tensor, so that a diff shows which one moved.
        text = json.dumps(make(changes, build, settings), separators=(",", ":")).replace('},"', '},\n"')
        (FOLDER / f"{name}.json").write_text(text + "\n")
        print(f"{name}: {len(text)} bytes")


if __name__ == "__main__":
    main()
