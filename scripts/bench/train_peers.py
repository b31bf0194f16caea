"""One peer of `train_speed.py` in a process of its own, so that its settings do not leak into another's.

    python3 train_peers.py --peer eager+allocator --folder DIR --threads 2 --warmup 1

DIR holds what `train_speed.py` wrote. The first line of standard output says that the peer is ready; each line of
standard input then asks for a block and is answered by one line of JSON, until there are no more. A peer's name is a
program and its settings, joined by +:

    eager       the models of `torch_models.py` as they come
    compile     the same with its loss in torch.compile(dynamic=True)
    joeynmt     JoeyNMT's own training loop
    peak        no training: operations a second of a large product of matrices
    +allocator  the mallopt of crates/compute/src/device.rs
    +kernels    the function of crates/compute/src/mkl.rs, which `train_speed.py` preloads
    +fused      Adam(fused=True)
"""

import argparse
import ctypes
import gc
import json
import logging
import os
import sys
import time
from importlib import import_module
from importlib.metadata import version
from pathlib import Path


def keep_freed_memory():
    """Makes the settings of glibc that `keep_freed_memory` in crates/compute/src/device.rs makes."""
    m_trim_threshold, m_top_pad, m_mmap_threshold = -1, -2, -3
    for option, value in ((m_mmap_threshold, 1 << 30), (m_trim_threshold, -1), (m_top_pad, 64 << 20)):
        if ctypes.CDLL(None).mallopt(option, value) != 1:
            raise RuntimeError(f"mallopt({option}, {value}) was refused")


def torch_peer(arguments, settings):
    """The modules of torch, trained as `ablate` trains: same weights, same batches."""
    import torch
    import torch._dynamo

    from torch_peer import Peer

    class Alternating(Peer):
        """The peer of `torch_peer.py`, which runs a block each time that it is asked to."""

        def __init__(self):
            # By default, Adam chooses among its implementations itself.
            super().__init__(arguments.folder, fused=True if "fused" in settings else None)
            self.variant = "compiled" if "compile" in settings else "eager"
            self.warm_up(self.variant)

        def graphs(self):
            return torch._dynamo.utils.counters["stats"]["unique_graphs"]

        def ready(self):
            return {"loss": self.loss(), "graphs": self.graphs()}

        def block(self):
            graphs = self.graphs()
            found = super().block(self.variant, arguments.warmup)
            found["recompilations"] = self.graphs() - graphs
            # Unused memory goes back to the system, so that waiting peers leave room.
            gc.collect()
            ctypes.CDLL(None).malloc_trim(0)
            return found

    return Alternating()


class Peak:
    """The fastest of some products of two square matrices."""

    def ready(self):
        return {}

    def block(self, side=2048, repetitions=5):
        import torch

        a, b, c = (torch.ones(side, side) for _ in range(3))
        seconds = []
        with torch.no_grad():
            for _ in range(1 + repetitions):
                begun = time.perf_counter()
                torch.mm(a, b, out=c)
                seconds.append(time.perf_counter() - begun)
        return {"flops_per_second": 2 * side**3 / min(seconds[1:])}


def joeynmt_files(folder, arguments):
    """The configuration of JoeyNMT for the experiment, and its text: ids as words."""
    experiment = json.loads((arguments.folder / "experiment.json").read_text())
    model, training = experiment["model"], experiment["training"]
    pairs = json.loads((arguments.folder / "pairs.json").read_text())
    for name, some in (("train", pairs), ("dev", pairs[:4])):
        for side in (0, 1):
            lines = (" ".join(f"w{i}" for i in pair[side]) for pair in some)
            (folder / f"{name}.{'st'[side]}").write_text("".join(f"{line}\n" for line in lines))
    (folder / "vocabulary").write_text("".join(f"w{i}\n" for i in range(3, experiment["vocabulary"])))
    side = {"level": "word", "voc_file": str(folder / "vocabulary")}
    stack = {
        "type": "transformer",
        "num_layers": model["layers"],
        "num_heads": model["heads"],
        "embeddings": {"embedding_dim": model["d_model"], "scale": True, "dropout": model["dropout"]},
        "hidden_size": model["d_model"],
        "ff_size": model["d_ff"],
        "dropout": model["dropout"],
        "layer_norm": model["norm"],
    }
    micro = training["micro_batch_tokens"]
    return {
        "name": "train_speed",
        "joeynmt_version": "2.3.0",
        "model_dir": str(folder / "model"),
        "use_cuda": False,
        "data": {
            "train": str(folder / "train"),
            "dev": str(folder / "dev"),
            "dataset_type": "plain",
            "src": {"lang": "s", **side},
            "trg": {"lang": "t", **side},
        },
        "testing": {"beam_size": 1},
        "training": {
            "optimizer": "adam",
            "adam_betas": [training["adam_beta1"], training["adam_beta2"]],
            "scheduling": "noam",
            "learning_rate": 1.0,
            "learning_rate_min": 0.0,
            "learning_rate_factor": training["learning_rate_scale"],
            "learning_rate_warmup": training["warmup_steps"],
            "label_smoothing": training["label_smoothing"],
            "normalization": "tokens",
            "batch_size": micro,
            "batch_type": "token",
            "batch_multiplier": max(1, round(training["batch_tokens"] / micro)),
            "epochs": 1_000_000,
            "logging_freq": arguments.updates,
            "validation_freq": 1_000_000 * arguments.updates,
        },
        "model": {
            "initializer": "xavier_uniform",
            "embed_initializer": "xavier_uniform",
            "tied_embeddings": model["tying"] == "all",
            "tied_softmax": True,
            "encoder": stack,
            "decoder": stack,
        },
    }


class Log(logging.Handler):
    """Reads JoeyNMT's own log of its training: one line a block. JoeyNMT's clock stops while it logs, so the peer
    waits for its turn there. The first block is its warm-up."""

    def __init__(self, answer, updates):
        super().__init__()
        self.answer, self.updates, self.begun, self.parameters = answer, updates, None, None

    def emit(self, record):
        message = str(record.msg)
        if message.startswith("Total params"):
            self.parameters = int(record.args[0])
        if not message.startswith("Epoch %3d, Step"):
            return
        if self.begun:
            milliseconds = 1e3 * (time.perf_counter() - self.begun) / self.updates
            self.answer({"rate": record.args[4], "milliseconds": [milliseconds]})
        else:
            self.answer({"parameters": self.parameters})
        if not sys.stdin.readline():
            # Without the checkpoint that it would write.
            os._exit(0)
        self.begun = time.perf_counter()


def joeynmt(arguments, answer):
    from joeynmt.__main__ import main

    folder = arguments.folder / arguments.peer
    folder.mkdir()
    config = folder / "config.yaml"
    # JSON is YAML.
    config.write_text(json.dumps(joeynmt_files(folder, arguments)))
    log = Log(answer, arguments.updates)
    for name in ("joeynmt.model", "joeynmt.training"):
        logging.getLogger(name).addHandler(log)
    sys.argv = ["joeynmt", "train", str(config), "--skip-test"]
    main()


def packages(program):
    """Returns the packages that a peer imports, with versions."""
    names = {"joeynmt": ["torch", "joeynmt"]}.get(program, ["torch"])
    for name in names:
        # JoeyNMT's modules need more than the package that holds them.
        import_module("joeynmt.training" if name == "joeynmt" else name)
    return {"python": sys.version.split()[0], **{name: version(name) for name in names}}


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--peer", required=True)
    parser.add_argument("--packages", action="store_true", help="only print the versions of what it needs")
    parser.add_argument("--folder", type=Path)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--warmup", type=int, default=1)
    parser.add_argument("--updates", type=int, default=1)
    arguments = parser.parse_args()
    program, *settings = arguments.peer.split("+")
    # Answers go to the original standard output; output of packages goes to standard error.
    answers = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)

    def answer(found):
        print(json.dumps(found), file=answers, flush=True)

    if arguments.packages:
        return answer(packages(program))
    if "allocator" in settings:
        keep_freed_memory()
    import torch

    torch.set_num_threads(arguments.threads)
    if program == "joeynmt":
        return joeynmt(arguments, answer)
    peer = Peak() if program == "peak" else torch_peer(arguments, [program, *settings])
    answer(peer.ready())
    for _ in sys.stdin:
        answer(peer.block())


if __name__ == "__main__":
    main()
