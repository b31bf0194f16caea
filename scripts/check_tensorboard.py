#!/usr/bin/env python3
"""Reads a log directory with TensorBoard itself and compares it with what the runs recorded.

    scripts/check_tensorboard.py results/SWEEP [--serve] [--json]

Every directory below with a metrics.csv is a run. Its scalars, as TensorBoard's EventAccumulator reads them,
must be the rows of metrics.csv and timing.csv: the same tags, steps that only grow, no point missing or
doubled, the same values in single precision. Likewise its texts and histograms must be those of views.jsonl, and
its pictures those of attention.json and positions.json. Each run has one event file that is not empty.

--serve also starts `tensorboard` on a free port of this machine, once with its fast data loader and once with
the Python one, and asks its web interface for all of that, and for
- the HParams page: its columns with their domains, and its rows, one for each group of runs that equal each other
  but for the seed, each run in one of them with the state that its directory tells, with the mean of the final scores;
- the Custom Scalars page of a sweep: means and spreads over seeds, computed here from metrics.csv;
- the Projector page: as many vectors as labels.

Needs Python with the package `tensorboard` (2.21 was used). Exit status: 0 equal, 1 different, 2 usage.
"""

import argparse
import collections
import csv
import json
import math
import pathlib
import re
import statistics
import struct
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.parse
import urllib.request

from checks import Checks, detail, package
from programs import free_port

PATIENCE_SECONDS = 180  # Time within which a TensorBoard must start and show everything.


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


def views(run_dir):
    """kind -> tag -> [(step, content)] of the texts and histograms of a run."""
    found = {"text": {}, "histogram": {}}
    path = run_dir / "views.jsonl"
    for line in path.read_text().splitlines() if path.exists() else ():
        view = json.loads(line)
        for kind, tags in found.items():
            if kind in view:
                tags.setdefault(view["tag"], []).append((view["step"], view[kind]))
    return found


def pictures_to_show(run_dir):
    """Returns the number of pictures of a run: one for each layer of each kind of attention, and two of its positions."""
    path = run_dir / "attention.json"
    sentences = json.loads(path.read_text())["sentences"] if path.exists() else []
    drawn = sum(len({(map["kind"], map["layer"]) for map in sentence["maps"]}) for sentence in sentences)
    return drawn + (2 if (run_dir / "positions.json").exists() else 0)


def size_of_png(png):
    """Returns width and height of a PNG file, or zeros for other bytes."""
    return struct.unpack(">II", png[16:24]) if png[:8] == b"\x89PNG\r\n\x1a\n" else (0, 0)


def view_differences(run_dir, texts, histograms, pictures):
    """Sentences that say how texts (tag -> steps), histograms (tag -> [(step, count)], None for one that was not read)
    and pictures (tag -> [(step, PNG)]) differ from what is recorded."""
    said, of_run = [], views(run_dir)
    about = {"run/configuration": [0]}
    if (run_dir / "difference.md").exists():
        about["run/difference"] = [0]
    expected = {tag: [step for step, _ in found] for tag, found in of_run["text"].items()} | about
    if texts != expected:
        said.append(f"texts: recorded {expected}, shown {texts}")
    expected = {
        tag: [(step, sum(content["counts"])) for step, content in found]
        for tag, found in of_run["histogram"].items()
    }
    if missing := expected.keys() ^ histograms.keys():
        said.append(f"histograms: {len(missing)} tags on one side only, such as {min(missing)}")
    for tag in expected.keys() & histograms.keys():
        if histograms[tag] is not None and histograms[tag] != expected[tag]:
            said.append(f"{tag}: recorded {expected[tag]}, shown {histograms[tag]}")
    if len(pictures) != pictures_to_show(run_dir):
        said.append(f"{len(pictures)} pictures for {pictures_to_show(run_dir)} recorded")
    for tag, found in pictures.items():
        if len(found) != 1 or not all(80 <= side <= 4000 for side in size_of_png(found[0][1])):
            sizes = [(step, *size_of_png(png)) for step, png in found]
            said.append(f"{tag}: expected one picture of a readable size, found {sizes}")
    return said


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
        kinds = ("scalars", "tensors", "images", "histograms")
        accumulator = EventAccumulator(str(run_dir), size_guidance=dict.fromkeys(kinds, 0))
        accumulator.Reload()
        found = {
            tag: [(event.step, single(event.value)) for event in accumulator.Scalars(tag)]
            for tag in accumulator.Tags()["scalars"]
        }
        expected = recorded(run_dir)
        points += sum(map(len, expected.values()))
        said += [f"{name}: {text}" for text in differences(expected, found)]
        texts = {
            tag: [event.step for event in accumulator.Tensors(tag)]
            for tag in accumulator.Tags()["tensors"]
            if accumulator.SummaryMetadata(tag).plugin_data.plugin_name == "text"
        }
        histograms = {
            tag: [(event.step, sum(event.histogram_value.bucket)) for event in accumulator.Histograms(tag)]
            for tag in accumulator.Tags()["histograms"]
        }
        pictures = {
            tag: [(event.step, event.encoded_image_string) for event in accumulator.Images(tag)]
            for tag in accumulator.Tags()["images"]
        }
        said += [f"{name}: {text}" for text in view_differences(run_dir, texts, histograms, pictures)]
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
        port = free_port()
        self.url = f"http://127.0.0.1:{port}"
        self.log = tempfile.TemporaryFile()
        # Its pages name the directory as it was given: results/SWEEP, and no path of this machine.
        folder = pathlib.Path(self.log_dir).resolve()
        command = [sys.executable, "-m", "tensorboard.main", "--logdir", "/".join(folder.parts[-2:])]
        command += ["--host", "127.0.0.1", "--port", str(port), "--load_fast", "true" if self.fast else "false"]
        # 0 does not ask for all points: the scalars page shows none then.
        command += ["--samples_per_plugin", "scalars=1000000,text=1000000", "--reload_interval", "1"]
        self.process = subprocess.Popen(command, cwd=folder.parent.parent, stdout=self.log, stderr=subprocess.STDOUT)
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
        """Returns the decoded JSON of TensorBoard's answer."""
        return json.loads(self.bytes(path, parameters, body))

    def bytes(self, path, parameters=None, body=None):
        """Returns TensorBoard's answer."""
        query = "?" + urllib.parse.urlencode(parameters) if parameters else ""
        data = None if body is None else json.dumps(body).encode()
        headers = {"Content-Type": "application/json"}
        request = urllib.request.Request(f"{self.url}/data/{path}{query}", data, headers)
        with urllib.request.urlopen(request, timeout=30) as answer:
            return answer.read()

    def output(self):
        self.log.seek(0)
        return self.log.read().decode(errors="replace")[-2000:]


def served_differences(server, runs, groups):
    """Describes the differences between the web interface at this moment and the recorded values."""
    said = []
    tags = server.ask("plugin/scalars/tags")
    for name, run_dir in runs.items():
        found = {}
        for tag in tags.get(name, {}):
            answer = server.ask("plugin/scalars/scalars", {"run": name, "tag": tag})
            found[tag] = [(step, single(value)) for _, step, value in answer]
        said += [f"{name}: {text}" for text in differences(recorded(run_dir), found)]
        said += [f"{name}: {text}" for text in view_differences(run_dir, *served_views(server, name))]
        said += [f"{name}: {text}" for text in projector_differences(server, name, run_dir)]
    said += custom_scalars_differences(server, runs)
    return said + (hparams_differences(server, runs, groups) if groups else [])


def served_views(server, run):
    """Returns texts, histograms and pictures of a run as the web interface has them."""
    texts = {
        tag: [event["step"] for event in server.ask("plugin/text/text", {"run": run, "tag": tag})]
        for tag in server.ask("plugin/text/tags").get(run, [])
    }
    histograms = {}
    for number, tag in enumerate(sorted(server.ask("plugin/histograms/tags").get(run, {}))):
        # There are hundreds of them: every tag must be there, and every tenth is read.
        histograms[tag] = None
        if number % 10 == 0:
            answer = server.ask("plugin/histograms/histograms", {"run": run, "tag": tag})
            histograms[tag] = [(step, sum(count for *_, count in bins)) for _, step, bins in answer]
    pictures = {}
    for tag in server.ask("plugin/images/tags").get(run, {}):
        answer = server.ask("plugin/images/images", {"run": run, "tag": tag, "sample": 0})
        pictures[tag] = [
            (event["step"], server.bytes("plugin/images/individualImage?" + event["query"])) for event in answer
        ]
    return texts, histograms, pictures


def projector_differences(server, run, run_dir):
    if not (run_dir / "projector_config.pbtxt").exists():
        return []
    if run not in server.ask("plugin/projector/runs"):
        return ["not on the Projector page"]
    (embedding,) = server.ask("plugin/projector/info", {"run": run})["embeddings"]
    chosen = {"run": run, "name": embedding["tensorName"]}
    numbers = len(server.bytes("plugin/projector/tensor", chosen)) // 4
    head, *labels = server.bytes("plugin/projector/metadata", chosen).decode().splitlines()
    first = (run_dir / embedding["tensorPath"]).read_text().split("\n", 1)[0]
    said = [] if head == "token\tcount" else [f"projector: labels begin with {head!r}"]
    if numbers != len(labels) * (first.count("\t") + 1) or not labels:
        said.append(f"projector: {numbers} numbers for {len(labels)} labels")
    return said


def rows_of_sweeps(runs):
    """Directory of a row of a sweep -> directories of its finished seeds."""
    rows = collections.defaultdict(list)
    for run_dir in runs.values():
        if (run_dir.parent.parent / "sweep.toml").exists() and (run_dir / "record.json").exists():
            rows[run_dir.parent].append(run_dir)
    return rows


def custom_scalars_differences(server, runs):
    """Describes the differences between the charts and what follows from metrics.csv."""
    rows = rows_of_sweeps(runs)
    if not rows:
        return []
    layout = server.ask("plugin/custom_scalars/layout")
    charts = [chart for category in layout.get("category", []) for chart in category["chart"]]
    said = [] if charts else ["Custom Scalars: no charts"]
    names = {run_dir: name for name, run_dir in runs.items()}
    series = [series for chart in charts for series in chart.get("margin", {}).get("series", [])]
    for run_dirs in rows.values():
        mean_run = str(pathlib.PurePath(names[run_dirs[0]]).parent / "mean")
        seeds = [points_of(run_dir) for run_dir in run_dirs]
        shown = 0
        for bound, tag in (pair for one in series for pair in one.items()):
            answer = server.ask("plugin/custom_scalars/scalars", {"run": mean_run, "tag": f"^{re.escape(tag)}$"})
            found = {step: value for _, step, value in answer["tag_to_events"].get(tag, [])}
            expected = spread(seeds, "/".join(tag.split("/")[2:-1]), bound)
            shown += len(found)
            # A row is in the charts of its own group.
            if found and not close(found, expected):
                said.append(f"{mean_run}: {tag}: shown {found}, expected {expected}")
        if series and not shown:
            said.append(f"{mean_run}: no chart shows it")
    return said


def points_of(run_dir):
    """(tag, step) -> value in metrics.csv."""
    with (run_dir / "metrics.csv").open(newline="") as file:
        return {(row["tag"], int(row["step"])): float(row["value"]) for row in csv.DictReader(file)}


def spread(seeds, metric, bound):
    """step -> mean over the seeds, or that minus or plus their standard deviation, where all of them have a value."""
    expected = {}
    for tag, step in seeds[0]:
        values = [seed[tag, step] for seed in seeds if (tag, step) in seed]
        if tag == metric and len(values) == len(seeds):
            sign = {"value": 0, "lower": -1, "upper": 1}[bound]
            if sign == 0 or len(values) > 1:
                expected[step] = statistics.fmean(values) + (sign * statistics.stdev(values) if sign else 0)
    return expected


def close(found, expected):
    return found.keys() == expected.keys() and all(
        math.isclose(found[step], expected[step], rel_tol=1e-5, abs_tol=1e-6) for step in found
    )


def hparams_differences(server, runs, groups):
    experiment = server.ask("plugin/hparams/experiment", body={"experimentName": ""})
    columns = experiment.get("hparamInfos", [])
    if not columns or not experiment.get("metricInfos"):
        return ["HParams: no columns"]
    statuses = ["STATUS_SUCCESS", "STATUS_FAILURE", "STATUS_RUNNING", "STATUS_UNKNOWN"]
    chosen = [{"hparam": column["name"]} for column in columns]
    chosen += [{"metric": column["name"]} for column in experiment["metricInfos"]]
    body = {"experimentName": "", "allowedStatuses": statuses, "colParams": chosen}
    rows = server.ask("plugin/hparams/session_groups", body=body | {"startIndex": 0, "sliceSize": 10_000})
    rows = rows.get("sessionGroups", [])
    shown = {session["name"]: row["name"] for row in rows for session in row["sessions"]}
    said = []
    if shown != groups:
        said.append(f"HParams: runs are grouped as {shown}, expected {groups}")
    if len(rows) != len(set(groups.values())):
        said.append(f"HParams: {len(rows)} rows for {len(set(groups.values()))} groups")
    varying = {column["name"] for column in columns if column.get("differs")}
    values = {}
    for row in rows:
        for name, value in row["hparams"].items():
            values.setdefault(name, set()).add(value)
        said += score_differences(runs, row)
        for session in row["sessions"]:
            wanted, found = state(runs[session["name"]]), session.get("status", "STATUS_UNKNOWN")
            if found != wanted:
                said.append(f"HParams: {session['name']} is {found}, expected {wanted}")
    if wrong := {name for name in values if (len(values[name]) > 1) != (name in varying)}:
        said.append(f"HParams: columns whose mark of varying is wrong so far: {sorted(wrong)}")
    for column in columns if rows_of_sweeps(runs) else ():
        discrete, interval = column.get("domainDiscrete"), column.get("domainInterval")
        shown = values.get(column["name"], set())
        if not (interval or (discrete and shown <= set(discrete))):
            said.append(f"HParams: {column['name']} has the domain {discrete}, shown are {sorted(map(str, shown))}")
    return said


def state(run_dir):
    """Returns the state in which a run ended, from its directory."""
    if (run_dir / "record.json").exists():
        return "STATUS_SUCCESS"
    return "STATUS_FAILURE" if (run_dir / "failure.json").exists() else "STATUS_UNKNOWN"


def score_differences(runs, row):
    """Describes the differences between the scores of a row of the HParams page and the means of its seeds."""
    said = []
    for metric in row.get("metricValues", []):
        tag = metric["name"]["tag"]
        curves = [recorded(runs[session["name"]]).get(tag) for session in row["sessions"]]
        last = [curve[-1][1] for curve in curves if curve]
        if last and not math.isclose(metric["value"], statistics.fmean(last), rel_tol=1e-5):
            said.append(f"HParams: {row['name']}: {tag} is {metric['value']}, expected the mean of {last}")
    return said


def wait_until_equal(server, runs, groups):
    """Returns the differences that remain after TensorBoard has had time to load."""
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
