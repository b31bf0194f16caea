#!/usr/bin/env python3
"""Decoding speed of `ablate` beside CTranslate2, JoeyNMT or fairseq, with the same weights, in alternating runs.

    pip install tokenizers==0.23.3
    python3 scripts/bench/decode_speed.py --peer ctranslate2 --run RUN --corpus DIR/RECIPE-HASH
    python3 scripts/bench/decode_speed.py --peer joeynmt --architecture lstm-fed --data DIR --peer-python FILE
    python3 scripts/bench/decode_speed.py --peer fairseq --architecture convs2s-weight-norm --data DIR --peer-python FILE
        [--beams 1 4] [--threads 1 2] [--rounds 5] [--passes 3] [--lines N] [--batch-tokens N] [--steps 600] [--json FILE]

RUN is a finished run and DIR/RECIPE-HASH the prepared corpus that it was trained on, whose test set is translated.
`--architecture` trains one of `architectures/` for `--steps` updates first and keeps the run in DIR, which must lie outside
of the checkout, for the next call. `--rounds 1 --passes 1 --lines 20 --steps 20` shows that everything runs. `--peer-python`
is the Python that has the other program:

    ctranslate2  pip install ctranslate2
    joeynmt      pip install torch==2.11.0 joeynmt==2.3.0 importlib_metadata
    fairseq      Python 3.10: pip install 'pip<24.1' 'setuptools<70' wheel 'numpy<2' cython torch==2.11.0, then
                 READTHEDOCS=1 pip install --no-build-isolation fairseq==0.12.2, which leaves out its C++ extensions

The other program computes in float32 with the run's own weights (`decode_peers.py`). What is timed is token ids to token ids
on both sides, loading and tokenising left out: `ablate bench --only decoding`, and the other's search. Each measurement is a
new process that takes the median of its passes after one to warm up; the two programs take turns, and which of them begins
alternates. The other gets batches of `--batch-tokens` tokens, the longest sentences first, the length penalty of
`--length-penalty` in the formula that it has, and otherwise its defaults.

All three end a search by rules of their own: CTranslate2 and fairseq when as many hypotheses as the beam is wide are
finished, which `--set decoding.early_stopping=true` makes ours; JoeyNMT when the best hypothesis of the beam is finished.
ablate's own rule is to end when no other can win any more. So lines may differ; the share that is equal is printed. Limits
of the length are `--longest` for all lines in CTranslate2 and JoeyNMT, and follow the source in ablate and, by the longest of
a batch, in fairseq: lines that the other translates into more than ablate may are counted apart, and with many of them rates
say more than times.
"""

import argparse
import json
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path

import architectures
from architectures import output
from decode_peers import PEERS, PENALTIES

NAMES = {"ctranslate2": "CTranslate2", "joeynmt": "JoeyNMT", "fairseq": "fairseq"}


def trained(arguments):
    """Returns the run of `--architecture` and its corpus; trains the run if it does not exist."""
    name, steps = arguments.architecture, arguments.steps
    corpus = architectures.prepare(arguments.ablate, arguments.data, name)
    results = arguments.data.resolve() / f"runs-{steps}"
    changes = [f"training.steps={steps}", f"training.checkpoint_interval_steps={steps}", "training.average_checkpoints=1"]
    changes += [f"training.dev_interval_steps={steps}", "run.device=cpu", "run.threads=0", "run.tensorboard=false"]
    command = [arguments.ablate, "--data", arguments.data, "train", architectures.experiment(name)]
    command += [word for change in changes for word in ("--set", change)]
    output(command, env=os.environ | {"ABLATE_RESULTS": str(results)}, stderr=subprocess.DEVNULL)
    return results / name / "seed-1", corpus


def give(arguments, folder, lines):
    """Writes the input of the other program."""
    import tokenizers

    tokenizer = tokenizers.Tokenizer.from_file(str(arguments.corpus / "tokenizer.json"))
    sources = [tokenizer.encode(line, add_special_tokens=False).ids for line in lines]
    vocabulary = [tokenizer.id_to_token(token) for token in range(tokenizer.get_vocab_size())]
    (folder / "lines.json").write_text(json.dumps({"sources": sources, "vocabulary": vocabulary}))
    ablate = [arguments.ablate, "--data", arguments.corpus.parent]
    quiet = {"stderr": subprocess.DEVNULL}
    if arguments.peer == "ctranslate2":
        output([*ablate, "export", arguments.run, "--format", "ctranslate2", "--out", folder / "model"], **quiet)
    else:
        settings = [arguments.run / "config.toml", "--warmup", 0, "--updates", 1, "--export", folder / "exported"]
        output([*ablate, "bench", *settings], **quiet)
        shutil.copy(arguments.run / "checkpoints/scored.weights.safetensors", folder)
    return tokenizer, [len(source) + 1 for source in sources]


def setting(arguments, folder, lines, given, beam, threads):
    """Runs all rounds of one beam and number of threads."""
    tokenizer, lengths = given
    changes = [f"decoding.beam={beam}", f"run.threads={threads}", "run.device=cpu"]
    changes += [f"decoding.length_penalty_form={PENALTIES[arguments.peer]}"]
    changes += [f"decoding.length_penalty={arguments.length_penalty}", f"decoding.max_extra_length={arguments.extra}"]
    sets = [word for change in [*changes, *arguments.set] for word in ("--set", change)]
    ablate = [arguments.ablate, "--data", arguments.corpus.parent]
    text = output([*ablate, "translate", arguments.run, *sets], input="".join(f"{line}\n" for line in lines))
    own = text.split("\n")[:-1]
    ours = [*ablate, "bench", arguments.run / "config.toml", "--run", arguments.run, "--only", "decoding", *sets]
    ours += ["--sentences", len(lines), "--passes", arguments.passes, "--seconds", 3600, "--json"]
    theirs = [arguments.peer_python, Path(__file__).parent / "decode_peers.py", "--peer", arguments.peer]
    theirs += ["--folder", folder, "--threads", threads, "--beam", beam, "--passes", arguments.passes]
    theirs += ["--batch-tokens", arguments.batch_tokens, "--length-penalty", arguments.length_penalty]
    theirs += ["--longest", arguments.longest, "--extra", arguments.extra]
    found = {"beam": beam, "threads": threads, "ablate": [], "peer": []}
    for number in range(arguments.rounds):
        for name in ["ablate", "peer"][:: 1 if number % 2 == 0 else -1]:
            if name == "ablate":
                report = json.loads(output(ours))
                [decoding] = [one for one in report["decoding"] if one["beam"] == beam]
                found[name].append(decoding["seconds_per_pass"])
                found["tokens"], found["split"] = decoding["target_tokens"], decoding["split"]
                found["hardware"] = report["provenance"]
            else:
                result = json.loads(output(theirs))
                found[name].append(result["seconds"])
                compare_lines(found, tokenizer, own, result["ids"], lengths, arguments.extra)
        times = ", ".join(f"{found[name][-1]:.3f} s" for name in ("ablate", "peer"))
        print(f"  beam {beam}, {threads} threads, round {number + 1}: {times}", file=sys.stderr)
    return found


def compare_lines(found, tokenizer, own, ids, lengths, extra):
    """Counts the other program's tokens, its lines that equal ours, and its lines that are longer than ours may be."""
    end = tokenizer.token_to_id("</s>")
    texts = [tokenizer.decode([token for token in line if token != end]) for line in ids]
    ended = [len(line) + (end not in line) for line in ids]
    found["their_tokens"] = sum(ended)
    within = [target <= source + extra for source, target in zip(lengths, ended)]
    equal = [a == b for a, b, ends in zip(own, texts, within) if ends]
    found["equal_lines"] = sum(equal) / len(equal) if equal else None
    found["beyond"] = len(own) - len(equal)


def table(arguments, results, count):
    name = NAMES[arguments.peer]
    print(f"{results[0]['hardware']['device_name']}, {count} lines, {arguments.rounds} rounds")
    heads = ["beam", "threads", "ablate, tokens/s", f"{name}, tokens/s", "ablate over it, tokens/s"]
    heads += [f"{name}'s time over ablate's (each round)", "equal lines", "lines beyond our limit"]
    print(f"| {' | '.join(heads)} |\n|{' ---: |' * len(heads)}")
    for found in results:
        ratios = [theirs / ours for ours, theirs in zip(found["ablate"], found["peer"])]
        found["ratio"] = statistics.median(ratios)
        rates = [found["tokens"] / statistics.median(found["ablate"])]
        rates.append(found["their_tokens"] / statistics.median(found["peer"]))
        equal = "–" if found["equal_lines"] is None else f"{100 * found['equal_lines']:.1f} %"
        cells = [found["beam"], found["threads"], f"{rates[0]:,.0f}", f"{rates[1]:,.0f}", f"{rates[0] / rates[1]:.2f}"]
        cells += [f"{found['ratio']:.2f} ({min(ratios):.2f} to {max(ratios):.2f})", equal, found["beyond"]]
        print(f"| {' | '.join(map(str, cells))} |")


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--ablate", type=Path, help="default: target/release/ablate")
    parser.add_argument("--peer", choices=PEERS, default="ctranslate2")
    parser.add_argument("--peer-python", default=sys.executable, metavar="FILE", help="the Python that has the peer")
    parser.add_argument("--run", type=Path)
    parser.add_argument("--corpus", type=Path, help="directory of the prepared corpus")
    parser.add_argument("--architecture", choices=architectures.TRANSLATING, help="train this one instead of taking a run")
    parser.add_argument("--data", type=Path, help="where --architecture puts its corpus and its run")
    parser.add_argument("--steps", type=int, default=600, help="updates of --architecture")
    parser.add_argument("--beams", type=int, nargs="+", default=[1, 4])
    parser.add_argument("--threads", type=int, nargs="+", default=[1, 2])
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--passes", type=int, default=3)
    parser.add_argument("--lines", type=int, help="only so many lines, spread over the test set")
    parser.add_argument("--batch-tokens", type=int, default=2048, help="of the peer")
    parser.add_argument("--length-penalty", type=float, default=0.6, help="exponent of the length, for both")
    parser.add_argument("--longest", type=int, default=100, help="most tokens of a translation by CTranslate2 or JoeyNMT")
    parser.add_argument("--extra", type=int, default=50, help="decoding.max_extra_length, and fairseq's max_len_b")
    parser.add_argument("--set", action="append", default=[], help="a setting of ablate's")
    parser.add_argument("--json", type=Path, metavar="FILE")
    arguments = parser.parse_args()
    arguments.ablate = arguments.ablate or architectures.built("ablate")
    if arguments.architecture and arguments.data:
        arguments.run, arguments.corpus = trained(arguments)
    elif not (arguments.run and arguments.corpus):
        parser.error("--run and --corpus, or --architecture and --data are needed")
    text = (arguments.corpus / "test.source.txt").read_text(encoding="utf-8").split("\n")[:-1]
    count = min(arguments.lines or len(text), len(text))
    lines = [text[number * len(text) // count] for number in range(count)]
    with tempfile.TemporaryDirectory(prefix="decode_speed") as folder:
        folder = Path(folder)
        given = give(arguments, folder, lines)
        settings = [(beam, threads) for beam in arguments.beams for threads in arguments.threads]
        results = [setting(arguments, folder, lines, given, beam, threads) for beam, threads in settings]
    table(arguments, results, count)
    if arguments.json:
        record = {"arguments": {key: str(value) for key, value in vars(arguments).items()}, "results": results}
        arguments.json.write_text(json.dumps(record, indent=1) + "\n")


if __name__ == "__main__":
    main()
