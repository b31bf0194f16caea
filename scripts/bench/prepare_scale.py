#!/usr/bin/env python3
"""Prepares a text of the size of WMT 2014 English-German with `ablate` and lets peers learn and encode the same text.

    pip install numpy==2.4.6 subword-nmt==0.3.8 tokenizers==0.23.3 sentencepiece==0.2.2
    scripts/bench/prepare_scale.py target/release/ablate [--pairs 4500000] [--peer-pairs 450000] [--peers NAME,…]

Each program runs in a process of its own on the first two processors: seconds by the clock, seconds of both
processors, the most memory at once, and bytes left on the disk. `ablate prepare` does all of its work: it reads,
cleans and hashes the text, learns 37,000 merges, encodes, and writes the store with its checksums. Peers only learn
37,000 merges and encode both sides, and keep nothing. They get the first `--peer-pairs` pairs, because some take hours
on all; `ablate` is timed on these too, so that the rows compare, and nothing is extrapolated here.

Prints one JSON object. The load of the machine before and after is part of it: what other programs take shows in
seconds by the clock, hardly in seconds of the processors.
"""

import argparse
import importlib.metadata
import io
import itertools
import json
import os
import pathlib
import resource
import subprocess
import sys
import tempfile
import time

MERGES = 37_000

RECIPE = """name = "scale"
source_language = "en"
target_language = "de"

[corpus.files]
{splits}
"""


def measured(command):
    """Runs a command; returns its time by the clock and of the processors, its memory, and its output."""
    started, before = time.perf_counter(), resource.getrusage(resource.RUSAGE_CHILDREN)
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    output, errors = process.communicate()
    if process.returncode:
        raise SystemExit(f"{' '.join(map(str, command))}: exit code {process.returncode}\n{errors}")
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    processor = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    return {"seconds": time.perf_counter() - started, "processor_seconds": processor}, output


def run_ablate(arguments, source, work):
    """Runs `ablate prepare` on the files in `source`."""
    recipe, experiment, data = work / "scale.toml", work / "experiment.toml", work / "data"
    sides = {split: f'{{ source = "{split}.en", target = "{split}.de" }}' for split in ["train", "dev", "test"]}
    splits = "\n".join(f"{split} = {f'[{pair}]' if split == 'train' else pair}" for split, pair in sides.items())
    recipe.write_text(RECIPE.format(splits=splits))
    experiment.write_text(f'[data]\nrecipe = "scale.toml"\nmerges = {MERGES}\n')
    command = [arguments.ablate, "prepare", experiment, "--source", source, "--data", data]
    found, output = measured([sys.executable, __file__, "--run", *map(str, command)])
    prepared = pathlib.Path(output.splitlines()[0])
    found["peak_memory_bytes"] = json.loads(output.splitlines()[-1])["peak_memory_bytes"]
    found["disk_bytes"] = sum(file.stat().st_size for file in prepared.iterdir())
    manifest = json.loads((prepared / "manifest.json").read_text())
    found["counts"], found["fingerprint"] = manifest["counts"], manifest["fingerprint"]
    return found


def run_child(command):
    """Runs a command as the only child, and prints the most memory that it held."""
    process = subprocess.run(command, stdout=subprocess.PIPE, text=True)
    sys.stdout.write(process.stdout)
    peak = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss * 1024
    print(json.dumps({"peak_memory_bytes": peak}))
    return process.returncode


def lines(source, language):
    with open(source / f"train.{language}", encoding="utf-8") as file:
        yield from (line.rstrip("\n") for line in file)


def subword_nmt(source):
    from subword_nmt.apply_bpe import BPE
    from subword_nmt.learn_bpe import learn_bpe

    codes = io.StringIO()
    learn_bpe(itertools.chain(lines(source, "en"), lines(source, "de")), codes, MERGES)
    bpe = BPE(io.StringIO(codes.getvalue()))
    return sum(len(bpe.segment_tokens(line.split(" "))) for side in ["en", "de"] for line in lines(source, side))


def sentencepiece(source):
    import sentencepiece

    with tempfile.TemporaryDirectory() as folder:
        sentencepiece.SentencePieceTrainer.train(
            input=[str(source / "train.en"), str(source / "train.de")], model_prefix=f"{folder}/model", model_type="bpe",
            vocab_size=MERGES, num_threads=2, byte_fallback=True, minloglevel=2, train_extremely_large_corpus=True,
        )
        model = sentencepiece.SentencePieceProcessor(model_file=f"{folder}/model.model")
    return sum(encoded(source, lambda block: map(len, model.encode(block, num_threads=2))))


def tokenizers(source):
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers

    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel()
    tokenizer.decoder = decoders.ByteLevel()
    alphabet = pre_tokenizers.ByteLevel.alphabet()
    trainer = trainers.BpeTrainer(vocab_size=MERGES + len(alphabet), initial_alphabet=alphabet, show_progress=False)
    tokenizer.train([str(source / "train.en"), str(source / "train.de")], trainer)
    return sum(encoded(source, lambda block: (len(found.ids) for found in tokenizer.encode_batch(block))))


def encoded(source, lengths):
    """Yields the number of tokens of each line; lines are encoded in blocks."""
    for language in ["en", "de"]:
        text = lines(source, language)
        while block := list(itertools.islice(text, 50_000)):
            yield from lengths(block)


PEERS = {"subword-nmt": subword_nmt, "sentencepiece": sentencepiece, "tokenizers": tokenizers}


def run_peer(name, source):
    found, output = measured([sys.executable, __file__, "--peer", name, source])
    return found | json.loads(output) | {"version": importlib.metadata.version(name)}


def fraction(source, pairs, folder):
    """Writes the files of `source` with only the first `pairs` training pairs."""
    folder.mkdir()
    for language in ["en", "de"]:
        with open(folder / f"train.{language}", "w", encoding="utf-8") as file:
            file.writelines(line + "\n" for line in itertools.islice(lines(source, language), pairs))
        for split in ["dev", "test"]:
            (folder / f"{split}.{language}").symlink_to((source / f"{split}.{language}").resolve())
    return folder


def main():
    if sys.argv[1:2] == ["--run"]:
        return run_child(sys.argv[2:])
    if sys.argv[1:2] == ["--peer"]:
        tokens = PEERS[sys.argv[2]](pathlib.Path(sys.argv[3]))
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
        print(json.dumps({"tokens": tokens, "peak_memory_bytes": peak}))
        return 0
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("ablate", type=pathlib.Path)
    parser.add_argument("--pairs", type=int, default=4_500_000)
    parser.add_argument("--peer-pairs", type=int, default=450_000, help="0: no peers")
    parser.add_argument("--peers", default=",".join(PEERS))
    parser.add_argument("--text", type=pathlib.Path, help="where the generated text is, or goes; else it is removed")
    arguments = parser.parse_args()
    os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[:2])
    report = {"load_before": os.getloadavg(), "pairs": arguments.pairs, "programs": {}}
    with tempfile.TemporaryDirectory() as folder:
        work = pathlib.Path(folder)
        text = arguments.text or work / "text"
        if not (text / "train.de").exists():
            generator = pathlib.Path(__file__).with_name("scale_corpus.py")
            report["generation"], _ = measured([sys.executable, generator, text, "--pairs", str(arguments.pairs)])
        report["text_bytes"] = sum((text / f"train.{side}").stat().st_size for side in ["en", "de"])
        (work / "whole").mkdir()
        report["programs"]["ablate"] = run_ablate(arguments, text, work / "whole")
        if arguments.peer_pairs:
            part = fraction(text, arguments.peer_pairs, work / "part")
            report["peer_pairs"] = arguments.peer_pairs
            (work / "again").mkdir()
            report["programs"]["ablate, part"] = run_ablate(arguments, part, work / "again")
            for name in filter(None, arguments.peers.split(",")):
                report["programs"][f"{name}, part"] = run_peer(name, part)
    report["load_after"] = os.getloadavg()
    print(json.dumps(report, indent=1))
    return 0


if __name__ == "__main__":
    sys.exit(main())
