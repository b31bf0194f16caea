#!/usr/bin/env python3
"""Training speed of a character language model in the settings of nanoGPT's run on a CPU, beside plain Python torch.

    pip install torch==2.11.0
    python3 scripts/bench/nanogpt.py [--data DIR] [--blocks 5] [--warmup 10] [--updates 100] [--threads N] [--json FILE]

The settings are those of nanoGPT's README for a laptop (commit 3adf61e): four layers 128 wide with four heads, 12 blocks of
64 characters an update, no dropout, no biases, AdamW with (0.9, 0.99) and weight decay 0.1 on matrices, gradients clipped
at 1, a cosine after 100 updates of warm-up, no torch.compile. torch's side is written here from the papers (Radford et al.
2019, §2.3) as nanoGPT's block is described: one projection for queries, keys and values, scaled_dot_product_attention, GELU,
norms before the sub-layers and at the end, one matrix for embeddings and softmax. Its loop does what nanoGPT's does in an
update: blocks from random places of one array of 16-bit ids, forward, backward, clipping, AdamW, and the loss fetched.

Ours is `ablate bench --only training` on `experiments/language-model/shakespeare-char.toml`, which adds biases of the
feed-forward layers and of the norms (see the file). With DIR it reads the prepared text there; without, random characters,
which take as long. torch reads random characters. Blocks take turns, every other round backwards; a block of ours is a new
process, which takes the median of its updates. Printed are medians over blocks and the ratio of each pair of blocks.
"""

import argparse
import json
import math
import os
import statistics
import sys
import time
from pathlib import Path

import numpy as np
import torch
from torch import nn
from torch.nn import functional as F

from architectures import ROOT, built, output

EXPERIMENT = ROOT / "experiments/language-model/shakespeare-char.toml"
LAYERS, HEADS, WIDTH, BLOCK, BATCH, CHARACTERS = 4, 4, 128, 64, 12, 65
PEAK, LOWEST, WARMUP, UPDATES = 1e-3, 1e-4, 100, 2000


class Attention(nn.Module):
    def __init__(self):
        super().__init__()
        self.inputs = nn.Linear(WIDTH, 3 * WIDTH, bias=False)
        self.output = nn.Linear(WIDTH, WIDTH, bias=False)

    def forward(self, x):
        heads = lambda part: part.unflatten(-1, (HEADS, -1)).transpose(1, 2)  # noqa: E731
        queries, keys, values = map(heads, self.inputs(x).chunk(3, -1))
        mixed = F.scaled_dot_product_attention(queries, keys, values, is_causal=True)
        return self.output(mixed.transpose(1, 2).flatten(2))


class Layer(nn.Module):
    def __init__(self):
        super().__init__()
        self.first, self.second = nn.LayerNorm(WIDTH, bias=False), nn.LayerNorm(WIDTH, bias=False)
        self.attention = Attention()
        inner, outer = nn.Linear(WIDTH, 4 * WIDTH, bias=False), nn.Linear(4 * WIDTH, WIDTH, bias=False)
        self.feed_forward = nn.Sequential(inner, nn.GELU(), outer)

    def forward(self, x):
        x = x + self.attention(self.first(x))
        return x + self.feed_forward(self.second(x))


class Gpt(nn.Module):
    def __init__(self):
        super().__init__()
        self.tokens, self.positions = nn.Embedding(CHARACTERS, WIDTH), nn.Embedding(BLOCK, WIDTH)
        self.layers = nn.Sequential(*(Layer() for _ in range(LAYERS)))
        self.norm = nn.LayerNorm(WIDTH, bias=False)
        for name, parameter in self.named_parameters():
            if parameter.dim() > 1:
                last = name.endswith(("output.weight", "feed_forward.2.weight"))
                nn.init.normal_(parameter, std=0.02 / math.sqrt(2 * LAYERS) if last else 0.02)

    def forward(self, ids, targets):
        """Ids [B, T] and the id that follows each → mean loss in nats."""
        x = self.tokens(ids) + self.positions(torch.arange(ids.size(1)))
        scores = F.linear(self.norm(self.layers(x)), self.tokens.weight)
        return F.cross_entropy(scores.flatten(0, 1), targets.flatten())


def rate(update):
    """Learning rate of an update, counted from 0."""
    if update < WARMUP:
        return PEAK * (update + 1) / (WARMUP + 1)
    share = min(1.0, (update - WARMUP) / (UPDATES - WARMUP))
    return LOWEST + 0.5 * (1 + math.cos(math.pi * share)) * (PEAK - LOWEST)


class Torch:
    def __init__(self, arguments):
        torch.set_num_threads(arguments.threads)
        torch.manual_seed(1)
        self.arguments, self.model, self.done = arguments, Gpt(), 0
        self.text = np.random.default_rng(1).integers(0, CHARACTERS, 1_000_000, dtype=np.uint16)
        parameters = list(self.model.parameters())
        groups = [
            {"params": [p for p in parameters if p.dim() > 1], "weight_decay": 0.1},
            {"params": [p for p in parameters if p.dim() <= 1], "weight_decay": 0.0},
        ]
        self.optimizer = torch.optim.AdamW(groups, lr=PEAK, betas=(0.9, 0.99))

    def batch(self):
        starts = torch.randint(len(self.text) - BLOCK, (BATCH,)).tolist()
        cut = lambda shift: torch.stack(  # noqa: E731
            [torch.from_numpy(self.text[start + shift : start + shift + BLOCK].astype(np.int64)) for start in starts]
        )
        return cut(0), cut(1)

    def update(self):
        for group in self.optimizer.param_groups:
            group["lr"] = rate(self.done)
        loss = self.model(*self.batch())
        loss.backward()
        torch.nn.utils.clip_grad_norm_(self.model.parameters(), 1.0)
        self.optimizer.step()
        self.optimizer.zero_grad(set_to_none=True)
        self.done += 1
        return loss.item()

    def block(self):
        """Runs a block; returns target tokens per second, by the median of the updates."""
        seconds = []
        for number in range(self.arguments.warmup + self.arguments.updates):
            begun = time.perf_counter()
            self.update()
            if number >= self.arguments.warmup:
                seconds.append(time.perf_counter() - begun)
        return BATCH * BLOCK / statistics.median(seconds)


class Ablate:
    def __init__(self, arguments):
        self.command = [arguments.ablate or built("ablate"), "bench", EXPERIMENT, "--only", "training", "--json"]
        self.command += ["--warmup", arguments.warmup, "--updates", arguments.updates, "--seconds", 3600]
        self.command += ["--set", f"run.threads={arguments.threads}", "--set", "run.device=cpu"]
        # Without text the model has the rows of torch's; random text has no size of its own.
        rows = [] if arguments.data else ["--set", f"model.embedding_rows={CHARACTERS}"]
        self.command += ["--data", arguments.data] if arguments.data else ["--data", os.devnull + "/none", *rows]
        self.report = None

    def block(self):
        self.report = json.loads(output(self.command))
        return self.report["training"]["target_tokens_per_second"]


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--ablate", type=Path, help="default: target/release/ablate")
    parser.add_argument("--data", type=Path, metavar="DIR", help="prepared text; default: random characters")
    parser.add_argument("--blocks", type=int, default=5)
    parser.add_argument("--warmup", type=int, default=10)
    parser.add_argument("--updates", type=int, default=100)
    parser.add_argument("--threads", type=int, default=os.cpu_count())
    parser.add_argument("--json", type=Path, metavar="FILE")
    arguments = parser.parse_args()
    sides = {"ablate": Ablate(arguments), "torch": Torch(arguments)}
    rates = {name: [] for name in sides}
    for number in range(arguments.blocks):
        for name in list(sides)[:: 1 if number % 2 == 0 else -1]:
            rates[name].append(sides[name].block())
            print(f"  block {number + 1}, {name}: {rates[name][-1]:,.0f} tokens/s", file=sys.stderr)
    report = sides["ablate"].report
    text = "random characters" if report["random_text"] else "the text"
    parameters = sum(parameter.numel() for parameter in sides["torch"].model.parameters())
    ratios = [ours / theirs for ours, theirs in zip(rates["ablate"], rates["torch"])]
    print(
        f"{report['provenance']['device_name']}, {arguments.threads} threads, torch {torch.__version__}, "
        f"{arguments.blocks} alternating blocks of {arguments.updates} updates after {arguments.warmup}, {text} on our side; "
        f"{report['parameters']:,} parameters, torch's {parameters:,}."
    )
    print("| program | ms an update | tokens/s | `ablate` over it (each block) |\n| --- | ---: | ---: | ---: |")
    spread = f"{statistics.median(ratios):.2f} ({min(ratios):.2f} to {max(ratios):.2f})"
    for name, ratio in (("ablate", "1"), ("torch", spread)):
        median = statistics.median(rates[name])
        print(f"| {name} | {1e3 * BATCH * BLOCK / median:,.1f} | {median:,.0f} | {ratio} |")
    if arguments.json:
        record = {"rates": rates, "ratios": ratios, "report": report, "torch": torch.__version__}
        arguments.json.write_text(json.dumps(record, indent=1) + "\n")


if __name__ == "__main__":
    main()
