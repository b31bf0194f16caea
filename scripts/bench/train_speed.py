#!/usr/bin/env python3
"""Training speed of `ablate` beside Python torch eager, on the same batches, in alternating blocks.

    pip install torch==2.11.0 numpy safetensors
    cargo bench --bench train_speed --no-run          # prints the path of the benchmark's binary
    python3 scripts/bench/train_speed.py --binary target/release/deps/train_speed-… \\
        experiments/multi30k/tiny.toml --data DIR [--set KEY=VALUE]… \\
        [--blocks 5] [--warmup 3] [--updates 20] [--threads 2] [--fused both] [--output FILE]

DIR holds the prepared data, as `ablate --data DIR` made it. The Python side is
`../torch_transformer.py`: modules of torch, scaled_dot_product_attention, cross_entropy, nn.Dropout,
Adam with and without `fused`. `tests/parity` shows that it computes what `ablate` does, and the first batch's
loss is compared here once more. Its batches are tensors before the clock starts; `ablate`
makes them from its store while it runs.

Each block is a new process of one variant, and the variants take turns:

    ablate                   the benchmark's binary
    eager                    Python as it comes
    eager+allocator          with the mallopt of src/device.rs
    eager+allocator+mkl      and with src/mkl.rs's function, from a small library in LD_PRELOAD

Prints for each variant the median milliseconds of an update, the median over blocks of target tokens
a second, and ours over theirs. `--output` gets everything as JSON.
"""

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

VARIANTS = ["eager", "eager+allocator", "eager+allocator+mkl"]


def allocator():
    """What `keep_freed_memory` in src/device.rs asks of glibc."""
    import ctypes

    libc = ctypes.CDLL(None)
    m_trim_threshold, m_top_pad, m_mmap_threshold = -1, -2, -3
    for option, value in ((m_mmap_threshold, 1 << 30), (m_trim_threshold, -1), (m_top_pad, 64 << 20)):
        if libc.mallopt(option, value) != 1:
            raise RuntimeError(f"mallopt({option}, {value}) was refused")


def worker(arguments):
    """One block: prints milliseconds and tokens of each update, or with --check the first loss."""
    if "allocator" in arguments.worker:
        allocator()
    import torch
    from safetensors.torch import load_file

    sys.path.insert(0, str(Path(__file__).resolve().parent.parent))
    from torch_transformer import PAD, Transformer, collate, cross_entropy, learning_rate

    torch.set_num_threads(arguments.threads)
    settings = json.loads((arguments.folder / "experiment.json").read_text())
    model_config, training = settings["model"], settings["training"]
    model_config.setdefault("embedding_rows", None)
    batches = json.loads((arguments.folder / "batches.json").read_text())
    updates = [[collate(micro) for micro in update] for update in batches]
    model = Transformer(model_config, settings["vocabulary"])
    weights = load_file(arguments.folder / "scored.weights.safetensors")
    paths = dict(model.paths())
    if paths.keys() != weights.keys():
        raise RuntimeError(f"other variables: {paths.keys() ^ weights.keys()}")
    with torch.no_grad():
        for path, parameter in paths.items():
            parameter.copy_(weights[path])
    smoothing = training["label_smoothing"]

    if arguments.check:
        model.eval()
        with torch.no_grad():
            nats = sum(cross_entropy(model(s, i).double(), t, smoothing).item() for s, i, t in updates[0])
        print(json.dumps({"loss": nats / sum(int((t != PAD).sum()) for _, _, t in updates[0])}))
        return

    betas = (training["adam_beta1"], training["adam_beta2"])
    adam = torch.optim.Adam(
        model.parameters(), lr=1.0, betas=betas, eps=training["adam_epsilon"], fused=arguments.fused == "yes"
    )
    scale, warmup = training["learning_rate_scale"], training["warmup_steps"]
    rate = lambda done: learning_rate(done + 1, model_config["d_model"], scale, warmup)  # noqa: E731
    schedule = torch.optim.lr_scheduler.LambdaLR(adam, rate)
    tokens = [sum(int((t != PAD).sum()) for _, _, t in update) for update in updates]
    milliseconds = []
    model.train()
    for update, count in zip(updates, tokens):
        begun = time.perf_counter()
        adam.zero_grad()
        total = 0.0
        for source, shifted, target in update:
            loss = cross_entropy(model(source, shifted), target, smoothing) / count
            loss.backward()
            total += loss.item()
        adam.step()
        schedule.step()
        milliseconds.append(1e3 * (time.perf_counter() - begun))
    skip = arguments.warmup
    print(json.dumps({"milliseconds": milliseconds[skip:], "target_tokens": tokens[skip:], "loss": total}))


def preload(folder):
    """The library that gives MKL the answer of src/mkl.rs."""
    library = folder / "libmkl_any.so"
    code = "int mkl_serv_intel_cpu_true(void) { return 1; }\n"
    compiler = ["cc", "-shared", "-fPIC", "-O2", "-x", "c", "-", "-o", str(library)]
    subprocess.run(compiler, input=code, text=True, check=True)
    return library


def call(command, environment=None):
    result = subprocess.run(
        [str(part) for part in command], stdout=subprocess.PIPE, text=True, env=environment, check=False
    )
    if result.returncode != 0:
        sys.exit(f"{' '.join(map(str, command))} ended with {result.returncode}")
    return json.loads(result.stdout.splitlines()[-1])


def rate_of(block):
    return sum(block["target_tokens"]) / sum(block["milliseconds"]) * 1e3


def compare(arguments, folder):
    library = preload(folder)
    ours = [arguments.binary, arguments.experiment, "--data", arguments.data]
    ours += ["--warmup", arguments.warmup, "--updates", arguments.updates]
    for change in [*arguments.set, f"run.threads={arguments.threads}", "run.device=cpu"]:
        ours += ["--set", change]
    theirs = [sys.executable, __file__, "--folder", folder, "--threads", arguments.threads]
    theirs += ["--warmup", arguments.warmup]

    exported = call([*ours, "--export", folder])
    loss = call([*theirs, "--worker", "eager", "--check"])["loss"]
    gap = abs(loss - exported["loss"]) / exported["loss"]
    print(f"loss of the first update: {exported['loss']:.7f} ours, {loss:.7f} theirs, gap {gap:.1e}")
    if not gap < 1e-5:
        sys.exit("the two programs do not compute the same; a comparison of speed would mean nothing")

    fused = {"both": ["no", "yes"], "yes": ["yes"], "no": ["no"]}[arguments.fused]
    variants = {"ablate": (ours, None)}
    for variant in VARIANTS:
        for choice in fused:
            environment = dict(os.environ)
            if "mkl" in variant:
                environment["LD_PRELOAD"] = str(library)
            name = variant + (", fused Adam" if choice == "yes" else "")
            variants[name] = ([*theirs, "--worker", variant, "--fused", choice], environment)
    blocks = {name: [] for name in variants}
    for number in range(arguments.blocks):
        # Every other round runs backwards, so that a machine that drifts favours nobody.
        for name in list(variants)[:: 1 if number % 2 == 0 else -1]:
            command, environment = variants[name]
            blocks[name].append(call(command, environment))
            print(f"  block {number + 1}, {name}: {rate_of(blocks[name][-1]):,.0f} tokens/s", file=sys.stderr)

    hardware = json.loads((folder / "experiment.json").read_text())["hardware"]
    print(f"{hardware}, {arguments.threads} threads, {arguments.blocks} blocks of {arguments.updates} updates")
    print("| variant | median ms an update | target tokens/s | ablate over it (each round) |")
    print("| --- | ---: | ---: | ---: |")
    summary = {}
    for name, runs in blocks.items():
        median_ms = statistics.median(ms for run in runs for ms in run["milliseconds"])
        rates = [rate_of(run) for run in runs]
        ratios = [rate_of(own) / rate for own, rate in zip(blocks["ablate"], rates)]
        summary[name] = {
            "median_ms": median_ms,
            "tokens_per_second": statistics.median(rates),
            "ratio": statistics.median(ratios),
            "ratios": ratios,
        }
        spread = f"{min(ratios):.2f} to {max(ratios):.2f}"
        print(f"| {name} | {median_ms:.1f} | {statistics.median(rates):,.0f} | {statistics.median(ratios):.2f} ({spread}) |")
    if arguments.output:
        record = {"arguments": {k: str(v) for k, v in vars(arguments).items()}, "hardware": hardware}
        record |= {"loss": {"ours": exported["loss"], "theirs": loss}, "summary": summary, "blocks": blocks}
        arguments.output.write_text(json.dumps(record, indent=1) + "\n")


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("experiment", nargs="?")
    parser.add_argument("--binary", type=Path)
    parser.add_argument("--data", default="data")
    parser.add_argument("--set", action="append", default=[])
    parser.add_argument("--blocks", type=int, default=5)
    parser.add_argument("--warmup", type=int, default=3)
    parser.add_argument("--updates", type=int, default=20)
    parser.add_argument("--threads", type=int, default=os.cpu_count())
    parser.add_argument("--fused", choices=["yes", "no", "both"], default="both")
    parser.add_argument("--output", type=Path)
    # What the script calls itself with.
    parser.add_argument("--worker", choices=VARIANTS, help=argparse.SUPPRESS)
    parser.add_argument("--folder", type=Path, help=argparse.SUPPRESS)
    parser.add_argument("--check", action="store_true", help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.worker:
        worker(arguments)
    elif arguments.binary and arguments.experiment:
        with tempfile.TemporaryDirectory(prefix="train_speed") as folder:
            compare(arguments, Path(folder))
    else:
        parser.error("EXPERIMENT and --binary are needed")


if __name__ == "__main__":
    main()
