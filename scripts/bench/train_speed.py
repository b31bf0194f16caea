#!/usr/bin/env python3
"""Training speed of `ablate` on the CPU beside Python torch and JoeyNMT, in one alternating run.

    python3 -m venv .venv && .venv/bin/pip install torch==2.11.0
    python3 -m venv .venv-joey && .venv-joey/bin/pip install torch==2.11.0 joeynmt==2.3.0 importlib_metadata
    cargo build --release
    .venv/bin/python scripts/bench/train_speed.py --architectures all --data DIR
    .venv/bin/python scripts/bench/train_speed.py experiments/multi30k/tiny.toml --data DIR \\
        --joeynmt-python .venv-joey/bin/python [--set KEY=VALUE]… [--peers NAME…] [--ablate FILE]
        [--blocks 3] [--warmup 1] [--updates 5] [--threads 2] [--json FILE]

`--architectures` takes the experiments of `architectures/`, by name or all, which need no download: their text is prepared
in DIR, which must lie outside of the checkout. Of another experiment DIR holds the prepared data, as `ablate --data DIR`
made it. `base_multi30k.toml` beside this file is the base model on the data of multi30k/tiny.toml. `--blocks 1 --updates 1`
shows that everything runs. Peers are those of `train_peers.py` and `ablate+bfloat16`; of an experiment by default

    eager, eager+allocator, eager+allocator+kernels, eager+allocator+kernels+fused,
    compile, compile+allocator, compile+allocator+kernels, joeynmt, joeynmt+allocator, ablate+bfloat16

and of an architecture the first three.

torch's side are the models of `torch_models.py`: modules of torch, scaled_dot_product_attention, nn.LSTM, cross_entropy,
nn.Dropout, Adam. It gets the same fresh weights and the same batches; the first update's loss without dropout must be ours
to 1e-5. Its batches are tensors before the clock starts; `ablate` makes them from its store while it runs. JoeyNMT gets the
distinct pairs of our first 60 updates (`EPOCH`) as ids and makes its own batches, of `micro_batch_tokens` padded tokens as it
counts them; its dropout is also on attention weights and inside the feed-forward network; it trains Transformers alone here.
Its rate is the one in its own log. All other rates are medians over the updates of a block; ours, of `ablate bench`, are in
float32.
`ablate+bfloat16` has `training.precision = "bfloat16"`, and is left out where that is refused.

Every Python peer is a process that waits while others compute, and gives back memory that it does not use; `ablate` is
a new process each time. Blocks take turns, every other round backwards, and begin with `--warmup` updates that are not
timed. torch.compile has met every shape before the first block; what it compiles in the timed part is counted.

Prints for each the median milliseconds of an update, the median over blocks of target tokens a second, its matrix
products (by count, forward and backward, padding included, the same for all) as a share of the machine's, and ours over
theirs. The machine's are measured at begin and end, with the kernels that `ablate` uses. `--json` gets everything.
"""

import argparse
import json
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from copy import copy
from pathlib import Path

import architectures
from architectures import output

HERE = Path(__file__).resolve().parent
PAD, EOS = 0, 2
PEERS = [
    "eager",
    "eager+allocator",
    "eager+allocator+kernels",
    "eager+allocator+kernels+fused",
    "compile",
    "compile+allocator",
    "compile+allocator+kernels",
    "joeynmt",
    "joeynmt+allocator",
    "ablate+bfloat16",
]
# Default peers of an architecture.
PLAIN_PEERS = PEERS[:3]
# The settings that each program can have.
SETTINGS = {
    "eager": {"allocator", "kernels", "fused"},
    "compile": {"allocator", "kernels", "fused"},
    "joeynmt": {"allocator", "kernels"},
}
WORDS = {
    "eager": "Python torch eager",
    "compile": "torch.compile",
    "joeynmt": "JoeyNMT",
    "allocator": "our allocator setting",
    "kernels": "our kernel choice",
    "fused": "fused Adam",
    "bfloat16": "bfloat16",
}
# JoeyNMT does not name importlib_metadata, which it imports.
INSTALL = {"joeynmt": "torch==2.11.0 joeynmt==2.3.0 importlib_metadata"}
# Number of updates whose pairs are JoeyNMT's text: more than an epoch of Multi30k in batches of 8,000 tokens, so all of
# its pairs. With a larger corpus or smaller batches they are a part of the pairs.
EPOCH = 60


def run(command, **options):
    try:
        return subprocess.run([str(part) for part in command], text=True, check=False, **options)
    except OSError as error:
        sys.exit(f"{command[0]}: {error.strerror}")


def call(command):
    """Returns the JSON that a program prints."""
    return json.loads(output(command))


def program_of(peer):
    return peer.split("+")[0]


def python_of(arguments, peer):
    return arguments.joeynmt_python if program_of(peer) == "joeynmt" else sys.executable


def versions(arguments):
    """Returns the packages of all peers by program; if one is missing, exits and says what to install."""
    found = {}
    for program in sorted({program_of(peer) for peer in arguments.peers} - {"ablate"} | {"peak"}):
        python = python_of(arguments, program)
        result = run([python, HERE / "train_peers.py", "--peer", program, "--packages"], capture_output=True)
        if result.returncode != 0:
            wanted = INSTALL.get(program, "torch==2.11.0")
            reason = result.stderr.strip().splitlines()[-1]
            sys.exit(f"{program}: {reason}\ninstall it ({python} -m pip install {wanted}) or choose other --peers")
        found[program] = json.loads(result.stdout)
    if "compile" in found and not shutil.which(os.environ.get("CXX", "g++")):
        sys.exit("torch.compile needs a C++ compiler (Debian: apt install g++), or choose other --peers")
    return found


class Ablate:
    """`ablate bench`, a new process each block, whose report has medians over updates."""

    ready = {}

    def __init__(self, arguments, precision):
        self.command = [*ours(arguments, precision), "--only", "training", "--seconds", 3600, "--json"]
        self.effort = ["--warmup", arguments.warmup, "--updates", arguments.updates]

    def refused(self):
        """Returns why this precision is refused, after a trial with one update; None if it is not."""
        result = run([*self.command, "--warmup", 0, "--updates", 1], capture_output=True)
        return None if result.returncode == 0 else result.stderr.strip().splitlines()[0]

    def block(self):
        report = call([*self.command, *self.effort])
        training = report["training"]
        return {
            "rate": training["target_tokens_per_second"],
            "milliseconds": [1e3 * training["seconds_per_step"]],
            "peak": report["peak"],
        }

    def end(self):
        pass


class Peer:
    """A process of `train_peers.py` that waits for its turns."""

    def __init__(self, name, arguments, folder):
        self.log = folder / f"{name}.log"
        command = [python_of(arguments, name), HERE / "train_peers.py", "--peer", name, "--folder", folder]
        command += ["--threads", arguments.threads, "--warmup", arguments.warmup, "--updates", arguments.updates]
        environment = {**os.environ, "TORCHINDUCTOR_CACHE_DIR": str(folder / "inductor")}
        if "kernels" in name.split("+"):
            environment["LD_PRELOAD"] = str(folder / "libmkl_any.so")
        self.process = subprocess.Popen(
            [str(part) for part in command],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self.log.open("w"),
            text=True,
            env=environment,
        )
        begun = time.perf_counter()
        self.ready = self.answer()
        self.ready["seconds"] = time.perf_counter() - begun

    def answer(self):
        line = self.process.stdout.readline()
        if not line:
            last = "\n".join(self.log.read_text(errors="replace").splitlines()[-20:])
            sys.exit(f"{last}\n{self.log.stem} ended with {self.process.wait()}")
        return json.loads(line)

    def block(self):
        print(file=self.process.stdin, flush=True)
        return self.answer()

    def end(self):
        self.process.stdin.close()
        try:
            self.process.wait(60)
        except subprocess.TimeoutExpired:
            self.process.kill()


def ours(arguments, precision):
    """`ablate bench` of the experiment in this precision."""
    changes = [*arguments.set, f"run.threads={arguments.threads}", "run.device=cpu", f"training.precision={precision}"]
    sets = [word for change in changes for word in ("--set", change)]
    return [arguments.ablate, "bench", arguments.experiment, "--data", arguments.data, *sets]


def preload(folder):
    """The library that gives MKL the answer of crates/compute/src/mkl.rs."""
    code = "int mkl_serv_intel_cpu_true(void) { return 1; }\n"
    if not shutil.which("cc"):
        sys.exit("the kernel choice needs a C compiler (Debian: apt install gcc)")
    run(["cc", "-shared", "-fPIC", "-O2", "-x", "c", "-", "-o", folder / "libmkl_any.so"], input=code)


def peak(arguments, folder):
    """Operations a second of a large product of matrices, with ablate's kernels and with MKL's own."""
    found = {}
    for name in ["peak+kernels", "peak"]:
        peer = Peer(name, arguments, folder)
        found[name] = peer.block()["flops_per_second"]
        peer.end()
    return found


class Work:
    """The computation of all programs: `experiment.json`, the first loss, target tokens of each timed update, and the
    operations of their matrix products for each of them."""

    def __init__(self, arguments, folder):
        effort = ["--warmup", arguments.warmup, "--updates", arguments.updates]
        self.loss = call([*ours(arguments, "float32"), *effort, "--export", folder])["loss"]
        self.experiment = json.loads((folder / "experiment.json").read_text())
        if any(program_of(peer) == "joeynmt" for peer in arguments.peers):
            model = self.experiment["model"]
            if {model["encoder"], model["decoder"]} != {"self_attention"}:
                sys.exit("joeynmt trains Transformers alone here; choose other --peers")
            write_pairs(arguments, folder)
        timed = json.loads((folder / "batches.json").read_text())[arguments.warmup :]
        predicted = lambda micro: sum(1 for row in micro["target"] for token in row if token != PAD)  # noqa: E731
        self.tokens = [sum(map(predicted, update)) for update in timed]
        self.flops_per_token = sum(self.experiment["flops"][arguments.warmup :]) / sum(self.tokens)

    def gap(self, loss):
        return abs(loss - self.loss) / self.loss


def write_pairs(arguments, folder):
    """Writes the distinct pairs of the first `EPOCH` updates, for JoeyNMT to make batches of."""
    text = folder / "text"
    text.mkdir()
    call([*ours(arguments, "float32"), "--warmup", 0, "--updates", EPOCH, "--export", text])
    updates = json.loads((text / "batches.json").read_text())
    pairs = {json.dumps(pair): pair for update in updates for micro in update for pair in pairs_of(micro)}
    (folder / "pairs.json").write_text(json.dumps(list(pairs.values())))
    shutil.rmtree(text)


def pairs_of(micro):
    """Source and target of each row, without padding and the end of the sentence."""
    words = lambda row: [token for token in row if token > EOS]  # noqa: E731
    return [[words(source), words(target)] for source, target in zip(micro["source"], micro["target"])]


def describe(name):
    program, *settings = name.split("+")
    if program == "ablate":
        return " ".join(["`ablate`", *settings])
    return WORDS[program] + (" with " if settings else "") + ", ".join(WORDS[setting] for setting in settings)


def rate_of(block):
    """Median of the updates' target tokens per second, as in `ablate bench`, or the rate that a program states."""
    if "rate" in block:
        return block["rate"]
    return statistics.median(1e3 * n / ms for n, ms in zip(block["target_tokens"], block["milliseconds"]))


def start(arguments, folder, work, peers):
    """Fills `peers` with all programs, ready; exits if one computes something else than ablate."""
    peers["ablate"] = Ablate(arguments, "float32")
    for name in arguments.peers:
        if name == "ablate+bfloat16":
            peer = Ablate(arguments, "bfloat16")
            reason = peer.refused()
            if reason:
                print(f"ablate+bfloat16 is left out: {reason}\n")
                continue
        else:
            peer = Peer(name, arguments, folder)
            print(f"  {name} is ready after {peer.ready['seconds']:.0f} s", file=sys.stderr)
            theirs = peer.ready.get("loss", work.loss)
            if not work.gap(theirs) < 1e-5:
                sys.exit(f"{name} has the loss {theirs}, ablate {work.loss}: a comparison of speed would mean nothing")
        peers[name] = peer


def alternate(peers, rounds):
    blocks = {name: [] for name in peers}
    for number in range(rounds):
        # Every other round runs backwards, so that a machine that drifts favours no program.
        for name in list(peers)[:: 1 if number % 2 == 0 else -1]:
            blocks[name].append(peers[name].block())
            print(f"  block {number + 1}, {name}: {rate_of(blocks[name][-1]):,.0f} tokens/s", file=sys.stderr)
    return blocks


def summarise(name, blocks, flops_per_token, best):
    rates = [rate_of(block) for block in blocks[name]]
    ratios = [rate_of(own) / rate for own, rate in zip(blocks["ablate"], rates)]
    rate = statistics.median(rates)
    return {
        "median_ms": statistics.median(ms for block in blocks[name] for ms in block["milliseconds"]),
        "tokens_per_second": rate,
        # The operations of JoeyNMT's own batches are not counted.
        "peak_share": None if program_of(name) == "joeynmt" else rate * flops_per_token / best,
        "ratio": statistics.median(ratios),
        "ratios": ratios,
        "recompilations": sum(block.get("recompilations", 0) for block in blocks[name]),
    }


def table(summary):
    print("| program | median ms an update | target tokens/s | share of the peak | `ablate` over it (each block) |")
    print("| --- | ---: | ---: | ---: | ---: |")
    for name, row in summary.items():
        ratio = f"{row['ratio']:.2f} ({min(row['ratios']):.2f} to {max(row['ratios']):.2f})"
        share = f"{100 * row['peak_share']:.0f} %" if row["peak_share"] else "–"
        cells = [describe(name), f"{row['median_ms']:,.0f}", f"{row['tokens_per_second']:,.0f}", share]
        print(f"| {' | '.join(cells)} | {'1' if name == 'ablate' else ratio} |")


def heading(arguments, work, packages, peers, losses):
    experiment = work.experiment
    sets = "".join(f" --set {change}" for change in arguments.set)
    print(
        f"{arguments.experiment}{sets}: {experiment['parameters'] / 1e6:.2f} M parameters, "
        f"dropout {experiment['model']['dropout']}, float32, {arguments.threads} threads, "
        f"{arguments.blocks} alternating blocks of {arguments.updates} updates after {arguments.warmup} of warm-up, "
        f"{statistics.median(work.tokens):,.0f} target tokens an update."
    )
    if losses:
        gap = max(work.gap(loss) for loss in losses.values())
        print(f"First loss {work.loss:.7f}; at most {gap:.1e} of it away: {', '.join(losses)}.")
    for name, peer in peers.items():
        if "parameters" in peer.ready:
            print(f"{describe(name)} has {peer.ready['parameters'] / 1e6:.2f} M parameters.")
    for program, of in packages.items():
        print(f"{program}: {', '.join(f'{name} {which}' for name, which in of.items())}.")


def machine(work, load, minutes, peaks):
    loads = ["/".join(f"{one:.1f}" for one in when) for when in load]
    print(
        f"{work.experiment['hardware']}, {os.cpu_count()} cores, load {loads[0]} at begin and {loads[1]} at end, "
        f"{minutes:.0f} minutes, {time.strftime('%Y-%m-%d')}, commit {work.experiment['commit']}."
    )
    best = [max(found[name] for found in peaks) / 1e9 for name in ("peak+kernels", "peak")]
    print(f"Peak: {best[0]:,.0f} GFLOP/s with ablate's kernels, {best[1]:,.0f} with those that MKL chooses.\n")


def compilations(summary, peers):
    compiled = {name: row["recompilations"] for name, row in summary.items() if program_of(name) == "compile"}
    for name, count in compiled.items():
        seconds = peers[name].ready["seconds"]
        print(f"{describe(name)}: {count} compilations in the timed part, ready after {seconds:.0f} s.")


def compare(arguments, folder):
    packages = versions(arguments)
    begun, load = time.time(), [os.getloadavg()]
    preload(folder)
    work = Work(arguments, folder)
    peaks = [peak(arguments, folder)]
    peers = {}
    try:
        start(arguments, folder, work, peers)
        blocks = alternate(peers, arguments.blocks)
    finally:
        for peer in peers.values():
            peer.end()
    peaks.append(peak(arguments, folder))
    load.append(os.getloadavg())
    best = max(found["peak+kernels"] for found in peaks)
    summary = {name: summarise(name, blocks, work.flops_per_token, best) for name in peers}
    losses = {name: peer.ready["loss"] for name, peer in peers.items() if "loss" in peer.ready}

    heading(arguments, work, packages, peers, losses)
    machine(work, load, (time.time() - begun) / 60, peaks)
    table(summary)
    print()
    compilations(summary, peers)
    record = {"arguments": {key: str(value) for key, value in vars(arguments).items()}}
    record |= {"experiment": work.experiment, "packages": packages, "load": load, "peaks": peaks}
    record |= {"loss": {"ablate": work.loss, **losses}, "flops_per_token": work.flops_per_token}
    return record | {"summary": summary, "blocks": blocks}


def compare_in_own_folder(arguments):
    with tempfile.TemporaryDirectory(prefix="train_speed") as folder:
        return compare(arguments, Path(folder))


def compare_all(arguments):
    """Each architecture by itself; then a table of all."""
    records = {}
    for name in architectures.chosen(arguments.architectures):
        print(f"\n## {name}\n", flush=True)
        architectures.prepare(arguments.ablate, arguments.data, name)
        own = copy(arguments)
        own.experiment = str(architectures.experiment(name))
        records[name] = compare_in_own_folder(own)
    peers = [peer for peer in arguments.peers if any(peer in record["summary"] for record in records.values())]
    print("\n| architecture | M parameters | median ms an update | target tokens/s | share of the peak | "
          + " | ".join(f"over {describe(peer)}" for peer in peers) + " |")
    print(f"| --- |{' ---: |' * (4 + len(peers))}")
    for name, record in records.items():
        own = record["summary"]["ablate"]
        cells = [name, f"{record['experiment']['parameters'] / 1e6:.2f}", f"{own['median_ms']:,.0f}"]
        cells += [f"{own['tokens_per_second']:,.0f}", f"{100 * own['peak_share']:.0f} %"]
        for peer in peers:
            row = record["summary"].get(peer)
            cells.append(f"{row['ratio']:.2f} ({min(row['ratios']):.2f} to {max(row['ratios']):.2f})" if row else "–")
        print(f"| {' | '.join(cells)} |")
    return records


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("experiment", nargs="?")
    parser.add_argument("--architectures", nargs="+", metavar="NAME", help=f"{', '.join(architectures.NAMES)}, or all")
    parser.add_argument("--ablate", type=Path, help="default: target/release/ablate")
    parser.add_argument("--data", required=True, metavar="DIR")
    parser.add_argument("--set", action="append", default=[], metavar="KEY=VALUE")
    parser.add_argument("--peers", nargs="*", metavar="NAME", help=f"default: {' '.join(PEERS)}")
    parser.add_argument("--joeynmt-python", default=sys.executable, metavar="FILE", help="the Python that has JoeyNMT")
    parser.add_argument("--blocks", type=int, default=3)
    parser.add_argument("--warmup", type=int, default=1)
    parser.add_argument("--updates", type=int, default=5)
    parser.add_argument("--threads", type=int, default=os.cpu_count())
    parser.add_argument("--json", type=Path, metavar="FILE")
    arguments = parser.parse_args()
    if (arguments.experiment is None) == (arguments.architectures is None):
        parser.error("give an experiment or --architectures")
    if arguments.peers is None:
        arguments.peers = PLAIN_PEERS if arguments.architectures else PEERS
    for peer in arguments.peers:
        program, *settings = peer.split("+")
        if peer not in PEERS and (program not in SETTINGS or not SETTINGS[program].issuperset(settings)):
            parser.error(f"no peer {peer!r}; there are {', '.join(PEERS)}")
    arguments.ablate = arguments.ablate or architectures.built("ablate")
    record = compare_all(arguments) if arguments.architectures else compare_in_own_folder(arguments)
    if arguments.json:
        arguments.json.write_text(json.dumps(record, indent=1) + "\n")


if __name__ == "__main__":
    main()
