#!/usr/bin/env python3
"""Times `ablate score` against sacreBLEU on the same files in one run, and checks that their digits agree.

    python3 -m venv .venv && .venv/bin/pip install sacrebleu==2.6.0
    .venv/bin/python scripts/bench/score_speed.py target/release/ablate [--metrics bleu,chrf] [--lines N] [--rounds N]

Both are whole processes, from reading the files to printing the score, on one thread. The texts are
generated from a fixed seed, about 23 words a line in a Zipf distribution, with hypotheses that drop,
replace and move words; no line is repeated. The programs take turns; the best round of each counts. Seconds
of the processor (user and system) are given beside those of the clock, because they say more on a machine
that others use too.
"""

import argparse
import importlib.metadata
import itertools
import json
import os
import pathlib
import platform
import random
import resource
import subprocess
import sys
import tempfile
import time

# Number of decimals that are compared.
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
    """Runs a command; returns seconds by the clock, seconds of the processor, and standard output."""
    def used():
        usage = resource.getrusage(resource.RUSAGE_CHILDREN)
        return usage.ru_utime + usage.ru_stime

    start, used_before = time.perf_counter(), used()
    output = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, check=True, text=True).stdout
    return time.perf_counter() - start, used() - used_before, output


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("ablate", help="the program")
    parser.add_argument("--metrics", default="bleu,chrf,ter")
    parser.add_argument("--lines", type=int, default=100_000)
    parser.add_argument("--rounds", type=int, default=3)
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
            theirs = [sys.executable, "-m", "sacrebleu", str(reference), "-i", str(hypothesis), "-m", metric,
                      "-b", "-w", str(WIDTH)]
            # (ours, theirs) of every round.
            rounds = [(timed(ours), timed(theirs)) for _ in range(arguments.rounds)]
            our_score = f"{json.loads(rounds[0][0][2])[metric]['score']:.{WIDTH}f}"
            their_score = rounds[0][1][2].strip()
            different = different or our_score != their_score
            for index, clock in [(0, "s"), (1, "s of the processor")]:
                mine, peer = (min(run[side][index] for run in rounds) for side in [0, 1])
                print(f"{metric}: ablate {mine:.2f} {clock}, sacreBLEU {peer:.2f} {clock}, {peer / mine:.1f} times as fast")
            equal = "equal" if our_score == their_score else f"DIFFERS from {their_score}"
            print(f"{metric}: {our_score} {equal}; load {os.getloadavg()[0]:.1f}", flush=True)
        sys.exit(1 if different else 0)


if __name__ == "__main__":
    main()
