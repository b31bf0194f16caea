#!/usr/bin/env python3
"""What the driver of a sweep adds to its trials: 200 short ones, each a process of its own.

    scripts/bench/sweep_overhead.py target/release/ablate [--trials 200] [--workers 2]

A worker's time is split by the ledger and by what each trial noted of itself:

- between trials: from the end of one (or the start of the command) to the start of the next, in which the
  driver looks for finished runs of the same, makes the run directory and writes the ledger; and what follows
  the last trial of all, tables included;
- starting: from the driver's start of a process to the trial's first line of work: loading libtorch, reading
  the configuration, opening the data. Without a driver it takes as long;
- working: the trial itself.

The overhead is the first. The driver's own processor seconds come last: they hold on a busy machine too.
Needs Python alone, and Linux.
"""

import argparse
import os
import json
import pathlib
import resource
import subprocess
import tempfile
import time

SWEEP = """
base = "{demo}"
workers = {workers}
seeds = [{seeds}]

[set]
"training.steps" = 20
"training.dev_interval_steps" = 20
"training.checkpoint_interval_steps" = 20
"training.average_checkpoints" = 1
"data.recipe.corpus.generated.train" = 2000
"data.recipe.corpus.generated.dev" = 20
"data.recipe.corpus.generated.test" = 20
"""


def own_seconds(driver):
    """Waits for a process; returns its processor seconds without those of its children, when it was last polled."""
    own = 0.0
    while driver.poll() is None:
        try:
            fields = pathlib.Path(f"/proc/{driver.pid}/stat").read_text().rsplit(")", 1)[1].split()
        except OSError:
            break
        own = max(own, (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK"))
        time.sleep(0.02)
    driver.wait()
    return own


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("ablate", help="the program")
    parser.add_argument("--trials", type=int, default=200)
    parser.add_argument("--workers", type=int, default=2)
    arguments = parser.parse_args()
    demo = pathlib.Path(__file__).resolve().parents[2] / "experiments/demo.toml"
    with tempfile.TemporaryDirectory() as folder:
        folder = pathlib.Path(folder)
        seeds = ", ".join(str(seed) for seed in range(1, arguments.trials + 1))
        (folder / "many.toml").write_text(SWEEP.format(demo=demo, workers=arguments.workers, seeds=seeds))
        command = [arguments.ablate, "--data", folder / "data", "--results", folder / "results"]
        # Preparing the corpus is not the sweep's work.
        subprocess.run([*command, "sweep", folder / "many.toml", "--max-trials", "1"], capture_output=True)
        begun = time.time()
        usage = resource.getrusage(resource.RUSAGE_CHILDREN)
        with subprocess.Popen(
            [*command, "sweep", folder / "many.toml"], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
        ) as driver:
            own = own_seconds(driver)
        assert driver.returncode == 0, f"the sweep ended with {driver.returncode}"
        ended = time.time()
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
        runs = folder / "results/many"
        events = [json.loads(line) for line in (runs / "ledger.jsonl").read_text().splitlines()]
        events = [event for event in events if event["time"] >= begun]
        starts = {event["seed"]: event["time"] for event in events if event["event"] == "started"}
        ends = {event["seed"]: event["time"] for event in events if event["event"] == "finished"}
        assert len(ends) == arguments.trials - 1, f"{len(ends)} trials finished"
        alive = sum(ends[seed] - starts[seed] for seed in ends)
        working = 0.0
        for seed in ends:
            attempt = json.loads((runs / f"base/seed-{seed}/timing.json").read_text())[-1]
            working += attempt["ended"] - attempt["started"]
    trials = len(ends)
    # Idle workers, until there is no trial left to start.
    last_start, last_end = max(starts.values()), max(ends.values())
    busy = sum(min(ends[seed], last_start) - starts[seed] for seed in ends)
    between = arguments.workers * (last_start - begun) - busy + (ended - last_end)
    cpu = (after.ru_utime + after.ru_stime) - (usage.ru_utime + usage.ru_stime)
    print(f"{trials} trials, {arguments.workers} workers, {ended - begun:.1f} s, {cpu:.1f} s of the processors")
    for name, seconds in [("between trials", between), ("starting", alive - working), ("working", working)]:
        print(f"{name:15} {seconds:7.1f} s  {1e3 * seconds / trials:7.1f} ms a trial  {100 * seconds / working:6.2f} % of the work")
    print(f"{'driver alone':15} {own:7.1f} s  {1e3 * own / trials:7.1f} ms a trial  of the processors")


if __name__ == "__main__":
    main()
