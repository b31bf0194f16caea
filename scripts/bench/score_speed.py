#!/usr/bin/env python3
"""Times `ablate score` against sacreBLEU on the same files in one run, and checks that their digits agree.

    python3 -m venv .venv && .venv/bin/pip install sacrebleu==2.6.0
    .venv/bin/python scripts/bench/score_speed.py target/release/ablate [--metrics bleu,chrf] [--lines N]

Both are whole processes, from reading the files to printing the score, on one thread. The texts are
generated from a fixed seed, about 23 words a line in a Zipf distribution, with hypotheses that drop,
replace and move words; no line is repeated. The best of several runs counts for `ablate`, which takes
short; sacreBLEU runs once a metric.
"""

import argparse
import importlib.metadata
import itertools
import json
import os
import pathlib
import platform
import random
import subprocess
import sys
import tempfile
import time

REPEATS = 3
# Decimals that are compared.
WIDTH = 10


def texts(lines):
    """(reference, hypothesis) for every line."""
    rng = random.Random(2017)
    letters = "enirstadhulgocmbfwkzvpü"
    vocabulary = ["".join(rng.choices(letters, k=rng.randint(2, 11))) for _ in range(40_000)]
    vocabulary = [word.capitalize() if rng.random() < 0.3 else word for word in vocabulary]
    weights = list(itertools.accumulate(1 / rank for rank in range(1, len(vocabulary) + 1)))
    for _ in range(lines):
        words = rng.choices(vocabulary, cum_weights=weights, k=max(1, round(rng.gauss(21, 8))))
        reference = [word + rng.choice([",", "", "", "", "", "", "-" + rng.choice(vocabulary)]) for word in words] + ["."]
        hypothesis = [rng.choice(vocabulary) if rng.random() < 0.1 else word for word in reference if rng.random() > 0.08]
        if rng.random() < 0.4:
            start = rng.randrange(len(hypothesis) + 1)
            run, hypothesis = hypothesis[start:start + 3], hypothesis[:start] + hypothesis[start + 3:]
            place = rng.randint(0, len(hypothesis))
            hypothesis = hypothesis[:place] + run + hypothesis[place:]
        yield " ".join(reference).replace(" .", "."), " ".join(hypothesis).replace(" .", ".")


def timed(command):
    """Seconds and standard output of a command."""
    start = time.perf_counter()
    output = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, check=True, text=True).stdout
    return time.perf_counter() - start, output


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("ablate", help="the program")
    parser.add_argument("--metrics", default="bleu,chrf,ter")
    parser.add_argument("--lines", type=int, default=100_000)
    arguments = parser.parse_args()
    print(f"{arguments.lines} lines; sacreBLEU {importlib.metadata.version('sacrebleu')}, "
          f"Python {platform.python_version()}, load {os.getloadavg()[0]:.1f}")
    with tempfile.TemporaryDirectory() as folder:
        reference, hypothesis = (pathlib.Path(folder) / name for name in ["ref", "hyp"])
        columns = zip(*texts(arguments.lines))
        for path, column in zip([reference, hypothesis], columns):
            path.write_text("".join(line + "\n" for line in column), encoding="utf-8")
        different = False
        for metric in arguments.metrics.split(","):
            ours = [arguments.ablate, "score", "--hyp", str(hypothesis), "--ref", str(reference),
                    "--metric", metric, "--json"]
            runs = [timed(ours) for _ in range(REPEATS)]
            our_seconds, output = min(runs)
            our_score = json.loads(output)[metric]["score"]
            theirs = [sys.executable, "-m", "sacrebleu", str(reference), "-i", str(hypothesis), "-m", metric,
                      "-b", "-w", str(WIDTH)]
            their_seconds, output = timed(theirs)
            equal = f"{our_score:.{WIDTH}f}" == output.strip()
            different = different or not equal
            print(f"{metric}: ablate {our_seconds:.2f} s, sacreBLEU {their_seconds:.2f} s, "
                  f"{their_seconds / our_seconds:.0f} times as fast; {our_score:.{WIDTH}f} "
                  f"{'equal' if equal else 'DIFFERS from ' + output.strip()}", flush=True)
        sys.exit(1 if different else 0)


if __name__ == "__main__":
    main()
