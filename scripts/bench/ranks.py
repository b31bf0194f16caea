#!/usr/bin/env python3
"""Two processes of one thread each beside one process of two threads: the same updates, in turns.

    scripts/bench/ranks.py target/release/ablate experiments/multi30k/tiny.toml --data DIR [--rounds 3] [--steps 40]
        [--set KEY=VALUE]…

DIR holds the prepared data. Each run is `ablate train` from the first update, its results in a temporary folder, and
ended by SIGTERM when it has told of the last. The time of an update is the mean over all but the first ten, from rank
0's `timing.csv`. Prints the medians over rounds, and the time of one process over that of two in each round: above 1, two
processes are faster. The last losses must agree to 1e-3. Needs Python alone.
"""

import argparse
import csv
import os
import pathlib
import signal
import statistics
import subprocess
import sys
import tempfile
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent))
from programs import free_port  # noqa: E402

WARM_UP = 10
# Exit code of a run that saved its state when it was stopped.
STOPPED = 75


def rows(file, tag):
    """Steps and values of one tag."""
    with open(file, encoding="utf-8") as lines:
        return [(int(row["step"]), float(row["value"])) for row in csv.DictReader(lines) if row["tag"] == tag]


def train(arguments, ranks):
    """Trains one run; returns its milliseconds per update and its last training loss."""
    sets = [f"run.threads={2 // ranks}", "run.device=cpu", f"run.log_interval_steps={WARM_UP}", *arguments.set]
    with tempfile.TemporaryDirectory(prefix="ranks") as folder:
        command = [arguments.ablate, "train", arguments.experiment, "--name", "timed"]
        command += ["--data", arguments.data, "--results", folder]
        command += [word for change in sets for word in ("--set", change)]
        world = {"WORLD_SIZE": str(ranks), "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(free_port())}
        started = []
        for rank in range(ranks):
            own = os.environ | (world | {"RANK": str(rank)} if ranks > 1 else {})
            with open(pathlib.Path(folder, f"rank-{rank}.txt"), "w", encoding="utf-8") as log:
                started.append(subprocess.Popen(command, env=own, stdout=log, stderr=subprocess.STDOUT))
        while started[0].poll() is None:
            time.sleep(0.2)
            logs = list(pathlib.Path(folder).glob("timed/seed-*/timing.csv"))
            if logs and any(step >= arguments.steps for step, _ in rows(logs[0], "time/step_ms")):
                started[0].send_signal(signal.SIGTERM)
                break
        for rank, process in enumerate(started):
            if process.wait() != STOPPED:
                log = pathlib.Path(folder, f"rank-{rank}.txt").read_text(encoding="utf-8")
                sys.exit(f"{' '.join(command)} ended with {process.returncode}:\n{log}")
        times = [value for step, value in rows(logs[0], "time/step_ms") if WARM_UP < step <= arguments.steps]
        losses = dict(rows(logs[0].with_name("metrics.csv"), "train/loss"))
    return statistics.mean(times), losses[arguments.steps]


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("ablate", help="the program")
    parser.add_argument("experiment")
    parser.add_argument("--data", required=True)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--steps", type=int, default=40)
    parser.add_argument("--set", action="append", default=[], help="a setting of the experiment's")
    arguments = parser.parse_args()
    times = {1: [], 2: []}
    for number in range(arguments.rounds):
        losses = {}
        for ranks in [1, 2][:: 1 if number % 2 == 0 else -1]:
            milliseconds, losses[ranks] = train(arguments, ranks)
            times[ranks].append(milliseconds)
        if abs(losses[1] - losses[2]) > 1e-3 * losses[1]:
            sys.exit(f"the losses differ: {losses[1]} with one process, {losses[2]} with two")
        print(f"round {number + 1}: {times[1][-1]:.0f} ms, {times[2][-1]:.0f} ms", file=sys.stderr)
    ratios = [one / two for one, two in zip(times[1], times[2])]
    print(f"one process, two threads:    {statistics.median(times[1]):.0f} ms an update")
    print(f"two processes, one thread:   {statistics.median(times[2]):.0f} ms an update")
    print(f"one over two: {statistics.median(ratios):.2f} ({min(ratios):.2f} to {max(ratios):.2f})")


if __name__ == "__main__":
    main()
