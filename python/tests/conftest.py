"""Sweeps on disk: the committed demo, and one with run directories that is made from it."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from pathlib import Path

import matplotlib
import matplotlib.pyplot as plt
import pytest

matplotlib.use("agg")

ROOT = Path(__file__).resolve().parents[2]
DEMO = ROOT / "results" / "demo"


@pytest.fixture
def demo() -> Path:
    return DEMO


@pytest.fixture
def sweep(tmp_path: Path) -> Path:
    """A sweep as the program leaves it, with a run directory for each record of the demo.

    The curves of the trials are those of the first one, multiplied by the number of the trial. The last trial has
    not finished: it has half of its curve and no record.
    """
    directory = tmp_path / "results" / "demo"
    directory.mkdir(parents=True)
    lines = (DEMO / "records.jsonl").read_text().splitlines()
    header, *points = (DEMO / "base-seed-1.csv").read_text().splitlines()
    for number, line in enumerate(lines, start=1):
        record = json.loads(line)
        run = directory / record["label"] / f"seed-{record['seed']}"
        run.mkdir(parents=True)
        last = number == len(lines)
        if not last:
            checksum = record.pop("checksum")
            (run / "record.json").write_text(json.dumps({"checksum": checksum, "record": record}))
        scaled = [point.rsplit(",", 1) for point in (points[: len(points) // 2] if last else points)]
        text = "".join(f"{start},{float(value) * number}\n" for start, value in scaled)
        (run / "metrics.csv").write_text(f"{header}\n{text}")
    superseded = directory.parent / ".superseded" / "demo" / "old" / "seed-1"
    shutil.copytree(directory / "base" / "seed-1", superseded)
    return directory


@pytest.fixture(autouse=True)
def closed_figures() -> Iterator[None]:
    yield
    plt.close("all")
