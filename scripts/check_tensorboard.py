#!/usr/bin/env python3
"""Reads a log directory with TensorBoard itself and compares it with what the runs recorded.

    scripts/check_tensorboard.py results/SWEEP [--serve] [--json]

Every directory below with a metrics.csv is a run. Its scalars, as TensorBoard's EventAccumulator reads them,
must be the rows of metrics.csv and timing.csv: the same tags, steps that only grow, no point missing or
doubled, the same values in single precision. Each run has one event file that is not empty.

--serve also starts `tensorboard` on a free port of this machine, once with its fast data loader and once with
the Python one, and asks its web interface for the same points, for the columns of the HParams page and for
its rows: one for each group of runs that equal each other but for the seed, each run in one of them.

Needs Python with the package `tensorboard` (2.21 was used). Exit status: 0 equal, 1 different, 2 usage.
"""

import argparse
import csv
import json
import math
import pathlib
import socket
import struct
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.parse
import urllib.request

from checks import Checks, detail, package

PATIENCE_SECONDS = 90  # How long a TensorBoard may take to start and to show everything.


def single(value):
    """The value as TensorBoard stores it, in single precision; all NaN are one."""
    value = float(value)
    if math.isnan(value):
        return "NaN"
    try:
        return struct.unpack("<f", struct.pack("<f", value))[0]
    except OverflowError:
        return math.copysign(math.inf, value)


def find_runs(log_dir):
    """TensorBoard's name of each run -> its directory."""
    directories = sorted(path.parent for path in log_dir.rglob("metrics.csv"))
    return {str(directory.relative_to(log_dir)): directory for directory in directories}


def recorded(run_dir):
    """tag -> [(step, value)] from the text files of a run, in their order."""
    points = {}
    for name in ("metrics.csv", "timing.csv"):
        path = run_dir / name
        if path.exists():
            with path.open(newline="") as file:
                for row in csv.DictReader(file):
                    points.setdefault(row["tag"], []).append((int(row["step"]), single(row["value"])))
    return points


def differences(expected, found):
    """Sentences that say how the points `found` in TensorBoard differ from those `expected`."""
    said = []
    for tag in sorted(expected.keys() | found.keys()):
        want, have = expected.get(tag, []), found.get(tag, [])
        wanted_steps, steps = [step for step, _ in want], [step for step, _ in have]
        if any(later <= earlier for earlier, later in zip(steps, steps[1:])):
            said.append(f"{tag}: steps do not only grow: {steps[:40]}")
        elif missing := sorted(set(wanted_steps) - set(steps)):
            said.append(f"{tag}: {len(missing)} of {len(want)} points missing, first at step {missing[0]}")
        elif extra := sorted(set(steps) - set(wanted_steps)):
            said.append(f"{tag}: {len(extra)} points that were not recorded, first at step {extra[0]}")
        elif len(want) != len(have):
            said.append(f"{tag}: recorded {len(want)} points at {len(have)} steps")
        elif want != have:
            first = next(pair for pair in zip(want, have) if pair[0] != pair[1])
            said.append(f"{tag}: recorded {first[0]}, shown {first[1]}")
    return said


def check_files(runs):
    """Compares the runs through EventAccumulator. Returns the differences, the groups of runs (run -> group)
    and the number of points compared."""
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
    from tensorboard.plugins.hparams.plugin_data_pb2 import HParamsPluginData

    said, groups, points = [], {}, 0
    for name, run_dir in runs.items():
        files = [path for path in run_dir.iterdir() if "tfevents" in path.name]
        events = sorted(path.name for path in files if path.stat().st_size)
        if len(events) != 1:
            said.append(f"{name}: expected one event file with content, found {events}")
        accumulator = EventAccumulator(str(run_dir), size_guidance={"scalars": 0, "tensors": 0})
        accumulator.Reload()
        found = {
            tag: [(event.step, single(event.value)) for event in accumulator.Scalars(tag)]
            for tag in accumulator.Tags()["scalars"]
        }
        expected = recorded(run_dir)
        points += sum(map(len, expected.values()))
        said += [f"{name}: {text}" for text in differences(expected, found)]
        try:
            content = accumulator.PluginTagToContent("hparams")
        except KeyError:
            continue
        for data in map(HParamsPluginData.FromString, content.values()):
            if data.HasField("session_start_info"):
                groups[name] = data.session_start_info.group_name
    return said, groups, points


class Server:
    """A `tensorboard` over a log directory, for the length of a `with`."""

    def __init__(self, log_dir, fast):
        self.log_dir, self.fast = log_dir, fast

    def __enter__(self):
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            port = probe.getsockname()[1]
        self.url = f"http://127.0.0.1:{port}"
        self.log = tempfile.TemporaryFile()
        command = [sys.executable, "-m", "tensorboard.main", "--logdir", str(self.log_dir)]
        command += ["--host", "127.0.0.1", "--port", str(port), "--load_fast", "true" if self.fast else "false"]
        # 0 is no way to ask for all points: the scalars page takes it for a wish to see none.
        command += ["--samples_per_plugin", "scalars=1000000", "--reload_interval", "1"]
        self.process = subprocess.Popen(command, stdout=self.log, stderr=subprocess.STDOUT)
        return self

    def __exit__(self, *_):
        # Its data server ends with it: they are joined by a pipe.
        self.process.terminate()
        try:
            self.process.wait(10)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
        self.log.close()

    def ask(self, path, parameters=None, body=None):
        """The decoded JSON that TensorBoard answers."""
        query = "?" + urllib.parse.urlencode(parameters) if parameters else ""
        data = None if body is None else json.dumps(body).encode()
        headers = {"Content-Type": "application/json"}
        request = urllib.request.Request(f"{self.url}/data/{path}{query}", data, headers)
        with urllib.request.urlopen(request, timeout=30) as answer:
            return json.load(answer)

    def output(self):
        self.log.seek(0)
        return self.log.read().decode(errors="replace")[-2000:]


def served_differences(server, runs, groups):
    """How what the web interface shows now differs from what was recorded."""
    said = []
    tags = server.ask("plugin/scalars/tags")
    for name, run_dir in runs.items():
        found = {}
        for tag in tags.get(name, {}):
            answer = server.ask("plugin/scalars/scalars", {"run": name, "tag": tag})
            found[tag] = [(step, single(value)) for _, step, value in answer]
        said += [f"{name}: {text}" for text in differences(recorded(run_dir), found)]
    return said + (hparams_differences(server, groups) if groups else [])


def hparams_differences(server, groups):
    experiment = server.ask("plugin/hparams/experiment", body={"experimentName": ""})
    columns = experiment.get("hparamInfos", [])
    if not columns or not experiment.get("metricInfos"):
        return ["HParams: no columns"]
    statuses = ["STATUS_SUCCESS", "STATUS_FAILURE", "STATUS_RUNNING", "STATUS_UNKNOWN"]
    chosen = [{"hparam": column["name"]} for column in columns]
    chosen += [{"metric": column["name"]} for column in experiment["metricInfos"]]
    body = {"experimentName": "", "allowedStatuses": statuses, "colParams": chosen}
    rows = server.ask("plugin/hparams/session_groups", body=body | {"startIndex": 0, "sliceSize": 10_000})
    shown = {
        session["name"]: row["name"] for row in rows.get("sessionGroups", []) for session in row["sessions"]
    }
    said = []
    if shown != groups:
        said.append(f"HParams: runs are grouped as {shown}, expected {groups}")
    if len(rows.get("sessionGroups", [])) != len(set(groups.values())):
        said.append(f"HParams: {len(rows.get('sessionGroups', []))} rows for {len(set(groups.values()))} groups")
    varying = {column["name"] for column in columns if column.get("differs")}
    values = {}
    for row in rows.get("sessionGroups", []):
        for name, value in row["hparams"].items():
            values.setdefault(name, set()).add(value)
    if wrong := {name for name in values if (len(values[name]) > 1) != (name in varying)}:
        said.append(f"HParams: columns whose mark of varying is wrong so far: {sorted(wrong)}")
    return said


def wait_until_equal(server, runs, groups):
    """The differences that remain when TensorBoard has had time to load."""
    deadline = time.monotonic() + PATIENCE_SECONDS
    while True:
        try:
            said = served_differences(server, runs, groups)
        except (urllib.error.URLError, ConnectionError, TimeoutError) as error:
            said = [f"no answer: {error}"]
        if server.process.poll() is not None:
            return [f"tensorboard ended:\n{server.output()}"]
        if not said or time.monotonic() > deadline:
            return said
        time.sleep(0.5)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("log_dir", type=pathlib.Path)
    parser.add_argument("--serve", action="store_true", help="also ask a running TensorBoard, with both loaders")
    parser.add_argument("--json", action="store_true")
    arguments = parser.parse_args()
    runs = find_runs(arguments.log_dir)
    if not runs:
        parser.error(f"{arguments.log_dir}: no metrics.csv below")

    said, groups, points = check_files(runs)
    checks, size = Checks(), f"{len(runs)} runs, {points} points"

    def add(what, said):
        for text in said:
            detail(f"{what}: {text}")
        checks.add(f"what is recorded, read by {what}", package("tensorboard"), size, len(said))

    add("EventAccumulator", said)
    for fast in (True, False) if arguments.serve else ():
        with Server(arguments.log_dir, fast) as server:
            add(f"tensorboard --load_fast {str(fast).lower()}", wait_until_equal(server, runs, groups))
    return checks.finish(arguments.json)


if __name__ == "__main__":
    sys.exit(main())
