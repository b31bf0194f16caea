#!/usr/bin/env python3
"""Decoding speed of `ablate` beside CTranslate2, with the same weights, in alternating runs.

    pip install ctranslate2 tokenizers
    python3 scripts/bench/decode_speed.py --ablate target/release/ablate --run RUN --corpus DIR/RECIPE-HASH \\
        [--beams 1 4] [--threads 1 2] [--rounds 5] [--lines N] [--batch-tokens N] [--output FILE]

RUN is a finished run and DIR/RECIPE-HASH the prepared corpus that it was trained on, whose test set is translated.
`ablate export` writes the run for CTranslate2, which computes in float32. What is timed is token ids to token ids on
both sides, loading and tokenising left out: `ablate bench --only decoding`, and `translate_batch`. Each measurement
is a new process that takes the median of its passes after one to warm up; the two programs take turns, and which of
them begins alternates.

CTranslate2 gets batches of `--batch-tokens` tokens, the length penalty of the run, and otherwise its defaults. It ends
a search when as many hypotheses as the beam is wide are finished, ablate when no other can win any more, so lines may
differ; the share that is equal is printed. Its limit is `--longest` for all lines, ablate's follows the source: lines
that CTranslate2 translates into more than ablate may are counted apart, and with many of them rates say more than times.
"""

import argparse
import json
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path


def call(command, **options):
    command = [str(part) for part in command]
    result = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=False, **options)
    if result.returncode != 0:
        sys.exit(f"{' '.join(command)} ended with {result.returncode}")
    return result.stdout


def worker(arguments):
    """One measurement of CTranslate2: prints seconds and translations as JSON."""
    import ctranslate2
    import tokenizers

    model = arguments.folder / "model"
    tokenizer = tokenizers.Tokenizer.from_file(str(model / "tokenizer.json"))
    sources = [tokenizer.encode(line).tokens for line in json.loads((arguments.folder / "lines.json").read_text())]
    translator = ctranslate2.Translator(
        str(model), device="cpu", compute_type="float32", inter_threads=1, intra_threads=arguments.threads[0]
    )
    seconds = []
    for number in range(arguments.passes + 1):
        begun = time.perf_counter()
        results = translator.translate_batch(
            sources,
            beam_size=arguments.beams[0],
            length_penalty=arguments.length_penalty,
            max_batch_size=arguments.batch_tokens,
            batch_type="tokens",
            max_decoding_length=arguments.longest,
            # As on our side: </s> counts in the length that scores are divided by, and may be the first token.
            return_end_token=True,
            min_decoding_length=0,
        )
        if number > 0:
            seconds.append(time.perf_counter() - begun)
    ids = [[tokenizer.token_to_id(token) for token in result.hypotheses[0] if token != "</s>"] for result in results]
    texts = [tokenizer.decode(line) for line in ids]
    lengths = [[len(source), len(line) + 1] for source, line in zip(sources, ids)]
    found = {"seconds": statistics.median(seconds), "texts": texts, "lengths": lengths}
    print(json.dumps(found | {"tokens": sum(target for _, target in lengths)}))


def setting(arguments, folder, lines, beam, threads):
    """All rounds of one beam and number of threads."""
    changes = [f"decoding.beam={beam}", f"run.threads={threads}", "run.device=cpu"]
    changes += ["decoding.length_penalty_form=power", f"decoding.length_penalty={arguments.length_penalty}"]
    sets = [word for change in [*changes, *arguments.set] for word in ("--set", change)]
    ablate = [arguments.ablate, "--data", arguments.corpus.parent]
    text = call([*ablate, "translate", arguments.run, *sets], input="".join(f"{line}\n" for line in lines))
    own = text.split("\n")[:-1]
    ours = [*ablate, "bench", arguments.run / "config.toml", "--run", arguments.run, "--only", "decoding", *sets]
    ours += ["--sentences", len(lines), "--passes", arguments.passes, "--seconds", 3600, "--json"]
    theirs = [sys.executable, __file__, "--folder", folder, "--threads", threads, "--beams", beam]
    theirs += ["--passes", arguments.passes, "--batch-tokens", arguments.batch_tokens]
    theirs += ["--length-penalty", arguments.length_penalty, "--longest", arguments.longest]
    found = {"beam": beam, "threads": threads, "ablate": [], "ctranslate2": []}
    for number in range(arguments.rounds):
        for name in ["ablate", "ctranslate2"][:: 1 if number % 2 == 0 else -1]:
            if name == "ablate":
                report = json.loads(call(ours))
                [decoding] = [one for one in report["decoding"] if one["beam"] == beam]
                found[name].append(decoding["seconds_per_pass"])
                found["tokens"], found["split"] = decoding["target_tokens"], decoding["split"]
                found["hardware"] = report["provenance"]
            else:
                result = json.loads(call(theirs))
                found[name].append(result["seconds"])
                found["their_tokens"] = result["tokens"]
                extra = arguments.extra
                within = [target <= source + extra for source, target in result["lengths"]]
                equal = [a == b for a, b, ends in zip(own, result["texts"], within) if ends]
                found["equal_lines"], found["beyond"] = sum(equal) / len(equal), len(lines) - len(equal)
        print(f"  beam {beam}, {threads} threads, round {number + 1}: {found['ablate'][-1]:.3f} s, {found['ctranslate2'][-1]:.3f} s", file=sys.stderr)
    return found


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--ablate", type=Path)
    parser.add_argument("--run", type=Path)
    parser.add_argument("--corpus", type=Path, help="directory of the prepared corpus")
    parser.add_argument("--beams", type=int, nargs="+", default=[1, 4])
    parser.add_argument("--threads", type=int, nargs="+", default=[1, 2])
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--passes", type=int, default=3)
    parser.add_argument("--lines", type=int, help="only so many lines, spread over the test set")
    parser.add_argument("--batch-tokens", type=int, default=2048, help="of CTranslate2")
    parser.add_argument("--length-penalty", type=float, default=0.6, help="exponent of the length, for both")
    parser.add_argument("--longest", type=int, default=100, help="most tokens of a translation by CTranslate2")
    parser.add_argument("--extra", type=int, default=50, help="the run's decoding.max_extra_length")
    parser.add_argument("--set", action="append", default=[], help="a setting of ablate's")
    parser.add_argument("--output", type=Path)
    # What the script calls itself with.
    parser.add_argument("--folder", type=Path, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.folder:
        return worker(arguments)
    if not (arguments.ablate and arguments.run and arguments.corpus):
        parser.error("--ablate, --run and --corpus are needed")
    text = (arguments.corpus / "test.source.txt").read_text(encoding="utf-8").split("\n")[:-1]
    count = min(arguments.lines or len(text), len(text))
    lines = [text[number * len(text) // count] for number in range(count)]
    with tempfile.TemporaryDirectory(prefix="decode_speed") as folder:
        folder = Path(folder)
        (folder / "lines.json").write_text(json.dumps(lines))
        export = [arguments.ablate, "--data", arguments.corpus.parent, "export", arguments.run]
        call([*export, "--format", "ctranslate2", "--out", folder / "model"], stderr=subprocess.DEVNULL)
        settings = [(beam, threads) for beam in arguments.beams for threads in arguments.threads]
        results = [setting(arguments, folder, lines, beam, threads) for beam, threads in settings]
    print(f"{results[0]['hardware']['device_name']}, {count} lines, {arguments.rounds} rounds")
    print("| beam | threads | ablate, tokens/s | CTranslate2, tokens/s | CTranslate2's time over ablate's (each round) | equal lines | lines beyond our limit |")
    print("| ---: | ---: | ---: | ---: | ---: | ---: | ---: |")
    for found in results:
        ratios = [theirs / ours for ours, theirs in zip(found["ablate"], found["ctranslate2"])]
        found["ratio"] = statistics.median(ratios)
        rates = [found["tokens"] / statistics.median(found["ablate"])]
        rates.append(found["their_tokens"] / statistics.median(found["ctranslate2"]))
        print(
            f"| {found['beam']} | {found['threads']} | {rates[0]:,.0f} | {rates[1]:,.0f} "
            f"| {found['ratio']:.2f} ({min(ratios):.2f} to {max(ratios):.2f}) | {100 * found['equal_lines']:.1f} % | {found['beyond']} |"
        )
    if arguments.output:
        record = {"arguments": {key: str(value) for key, value in vars(arguments).items()}, "results": results}
        arguments.output.write_text(json.dumps(record, indent=1) + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
