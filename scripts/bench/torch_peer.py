"""Python torch training what `ablate bench EXPERIMENT --export FOLDER` wrote: the same model, weights and batches.

The models are those of `torch_models.py`; needs torch alone. `../gpu-check` times them beside `ablate` on a card,
`train_peers.py` on a processor.

    torch_peer.py FOLDER [--device cuda]

As a program it reads lines from standard input, `loss` (of the first update, without dropout, in float32), `eager`
or `compiled` (a block of updates), and answers each with a line of JSON: so that one process, which compiles once,
takes turns with others. The precision is the exported experiment's; bfloat16 is torch's autocast over float32
weights. Batches are on the device before the clock starts, and the loss is fetched once an update. The optimizer is Adam,
or AdamW where the experiment has weight decay, and gradients are clipped by clip_grad_norm_ where it says so. Updates
behind the exported ones repeat their batches at the last of their learning rates.
"""

import argparse
import json
import struct
import sys
import time
from pathlib import Path

import torch
import torch._dynamo

from torch_models import PAD, build, cross_entropy, stated

# Graphs of one function after which torch.compile silently goes on without compiling; its own limit is 8.
RECOMPILE_LIMIT = 64


def read_weights(path):
    """The tensors of a safetensors file of float32, by name."""
    data = bytearray(Path(path).read_bytes())
    (length,) = struct.unpack_from("<Q", data)
    header = json.loads(data[8 : 8 + length])
    tensors = {}
    for name, entry in header.items():
        if name == "__metadata__":
            continue
        if entry["dtype"] != "F32":
            raise ValueError(f"{name} is {entry['dtype']}, not F32")
        begin, end = (8 + length + offset for offset in entry["data_offsets"])
        numbers = torch.frombuffer(data, dtype=torch.float32, offset=begin, count=(end - begin) // 4)
        tensors[name] = numbers.reshape(entry["shape"])
    return tensors


def micro_batch_of(rows, masked):
    """Returns the inputs of the model, two tensors, and the tokens to predict, one tensor."""
    source, given, target = (torch.tensor(rows[side]) for side in ("source", "input", "target"))
    # A masked language model is told which tokens are to be found, and projects these alone.
    return (source, target, target[target != PAD]) if masked else (source, given, target)


def optimizer(model, training, fused):
    """Adam; with weight decay AdamW, where matrices decay and vectors do not."""
    settings = {"lr": 1.0, "betas": (training["adam_beta1"], training["adam_beta2"]), "eps": training["adam_epsilon"]}
    if training["weight_decay"] == 0.0:
        return torch.optim.Adam(model.parameters(), **settings, fused=fused)
    matrices = [parameter for parameter in model.parameters() if parameter.dim() > 1]
    vectors = [parameter for parameter in model.parameters() if parameter.dim() <= 1]
    groups = [{"params": matrices, "weight_decay": training["weight_decay"]}, {"params": vectors, "weight_decay": 0.0}]
    return torch.optim.AdamW(groups, **settings, fused=fused)


class Peer:
    """The exported model with its batches and an Adam, on a device."""

    def __init__(self, folder, device="cpu", fused=True):
        settings = json.loads((folder / "experiment.json").read_text())
        self.training, self.device = settings["training"], torch.device(device)
        self.rates = settings["learning_rates"]
        self.narrow = self.training["precision"] == "bfloat16"
        # The random blocks of a span are drawn from the seed.
        self.settings = stated(settings["model"]) | {"seed": self.training["seed"]}
        masked = self.settings["decoder"] == "none"
        batches = json.loads((folder / "batches.json").read_text())
        tensors = [[micro_batch_of(micro, masked) for micro in update] for update in batches]
        self.tokens = [sum(int((target != PAD).sum()) for _, _, target in update) for update in tensors]
        on_device = lambda micro: tuple(tensor.to(self.device) for tensor in micro)  # noqa: E731
        self.updates = [[on_device(micro) for micro in update] for update in tensors]
        self.model = build(self.settings, settings["vocabulary"]).to(self.device)
        weights = read_weights(folder / "scored.weights.safetensors")
        paths = dict(self.model.paths())
        if paths.keys() != weights.keys():
            raise RuntimeError(f"other variables: {paths.keys() ^ weights.keys()}")
        with torch.no_grad():
            for path, parameter in paths.items():
                parameter.copy_(weights[path])
        self.adam = optimizer(self.model, self.training, fused)
        self.done, self.compiled = 0, None

    def micro_batch(self, source, given, target):
        """Returns the sum of the smoothed loss of a micro-batch."""
        with torch.autocast(self.device.type, dtype=torch.bfloat16, enabled=self.narrow):
            return cross_entropy(self.model(source, given), target, self.training["label_smoothing"])

    def loss(self):
        """Smoothed loss of the first update in nats per target token, without dropout, in float32."""
        self.model.eval()
        smoothing = self.training["label_smoothing"]
        with torch.no_grad():
            nats = sum(cross_entropy(self.model(s, i).double(), t, smoothing).item() for s, i, t in self.updates[0])
        return nats / self.tokens[0]

    def warm_up(self, variant):
        """Lets torch.compile compile for every shape before the clock starts."""
        if variant != "compiled" or self.compiled is not None:
            return
        torch._dynamo.config.recompile_limit = RECOMPILE_LIMIT
        self.compiled = torch.compile(self.micro_batch, dynamic=True)
        self.model.train()
        for update in self.updates:
            for micro in update:
                self.compiled(*micro).backward()

    def block(self, variant, skip):
        """Makes all updates; returns milliseconds and target tokens of those behind the first `skip`."""
        self.warm_up(variant)
        work = self.compiled if variant == "compiled" else self.micro_batch
        self.model.train()
        milliseconds = []
        for update, count in zip(self.updates, self.tokens):
            begun = time.perf_counter()
            self.adam.zero_grad()
            total = 0.0
            for micro in update:
                loss = work(*micro) / count
                loss.backward()
                total = total + loss.detach()
            self.done += 1
            if self.training.get("clip_norm") is not None:
                torch.nn.utils.clip_grad_norm_(self.model.parameters(), self.training["clip_norm"])
            for group in self.adam.param_groups:
                group["lr"] = self.rates[min(self.done, len(self.rates)) - 1]
            self.adam.step()
            self.model.end_update()
            total = total.item()
            if self.device.type == "cuda":
                torch.cuda.synchronize()
            milliseconds.append(1e3 * (time.perf_counter() - begun))
        return {"milliseconds": milliseconds[skip:], "target_tokens": self.tokens[skip:], "loss": total}


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--threads", type=int)
    parser.add_argument("--warmup", type=int, default=3, help="updates of a block that are not timed")
    arguments = parser.parse_args()
    if arguments.threads:
        torch.set_num_threads(arguments.threads)
    peer = Peer(arguments.folder, arguments.device)
    on_card = arguments.device.startswith("cuda")
    for line in sys.stdin:
        try:
            task = line.strip()
            if on_card:
                torch.cuda.reset_peak_memory_stats()
            answer = {"loss": peer.loss()} if task == "loss" else peer.block(task, arguments.warmup)
            if on_card:
                answer["peak_bytes"] = torch.cuda.max_memory_allocated()
                torch.cuda.empty_cache()  # the card is the other program's now
        except Exception as error:  # noqa: BLE001 - the other side decides what a failure means
            answer = {"error": f"{type(error).__name__}: {error}"[:2000]}
        print(json.dumps(answer), flush=True)


if __name__ == "__main__":
    main()
