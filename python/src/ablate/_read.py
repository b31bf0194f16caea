"""Reads the files of a sweep into plain Python values. Each error names the file, and the line where there is one."""

from __future__ import annotations

import csv
import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

RECORDS_FILE = "records.jsonl"
RECORD_FILE = "record.json"
METRICS_FILE = "metrics.csv"
_METRICS_HEADER = ["step", "tag", "value"]
_SEED_DIRECTORY = re.compile(r"seed-(\d+)")

#: Parts that every record has, with their types.
_PARTS: Mapping[str, type] = {
    "identity": str,
    "label": str,
    "seed": int,
    "metrics": dict,
    "configuration": dict,
    "provenance": dict,
    "data": dict,
}


class Error(ValueError):
    """A file that is missing or damaged, or a name that does not exist. The message says which, and what to do."""


@dataclass(frozen=True)
class Run:
    """The directory of one trial: ``results/<sweep>/<row>/seed-<n>/``."""

    directory: Path
    row: str
    seed: int


@dataclass(frozen=True)
class Point:
    """A line of ``metrics.csv``: a value that was measured after ``step`` updates."""

    step: int
    tag: str
    value: float


def existing(path: Path) -> Path:
    if not path.exists():
        raise Error(f"{path} does not exist; name the directory of a sweep, of a run, or one of its files")
    return path


def run_of(directory: Path) -> Run | None:
    """The run that a directory holds, by its name."""
    match = _SEED_DIRECTORY.fullmatch(directory.name)
    if match is None or not directory.is_dir():
        return None
    return Run(directory, directory.parent.name, int(match[1]))


def runs_in(directory: Path) -> list[Run]:
    """The runs in a directory: of a sweep, of one of its rows, or of one run. Hidden directories are left out."""
    own = run_of(directory.resolve())
    if own is not None:
        return [own]
    places = [*directory.glob("seed-*"), *directory.glob("[!.]*/seed-*")]
    found = [run for run in map(run_of, (place.resolve() for place in places)) if run is not None]
    return sorted(found, key=lambda run: (run.row, run.seed))


def sweep_name(path: Path) -> str:
    """The name of the sweep that a path belongs to: of its directory, of a row, of a run, or of a file in one of them."""
    place = path.resolve()
    place = place.parent if place.is_file() else place
    if run_of(place) is not None:
        place = place.parent
    is_row = any(run_of(below) is not None for below in place.glob("seed-*"))
    return place.parent.name if is_row else place.name


def record_lines(path: Path) -> Iterator[tuple[str, dict[str, Any]]]:
    """The records of a ``records.jsonl``, each with its place."""
    for number, line in enumerate(_text(path).split("\n"), start=1):
        if line.strip():
            place = f"{path}:{number}"
            yield place, checked_record(place, _json(place, line))


def record_file(path: Path) -> tuple[str, dict[str, Any]]:
    """The record of one run: ``record.json`` has it below ``record``, beside the checksum over its text."""
    content = _json(str(path), _text(path))
    if not isinstance(content, dict) or not isinstance(content.get("record"), dict):
        raise Error(f'{path} is no record of a run: it has no table "record"; the program writes this file')
    return str(path), checked_record(str(path), content["record"])


def checked_record(place: str, record: object) -> dict[str, Any]:
    if not isinstance(record, dict):
        raise Error(f"{place} is no record: expected a JSON object, found {type(record).__name__}")
    for part, kind in _PARTS.items():
        if part not in record:
            raise Error(f'{place} is no record of a trial: "{part}" is missing')
        if not isinstance(record[part], kind) or isinstance(record[part], bool):
            raise Error(
                f'{place}: "{part}" should be {_NAMES[kind]}, and is {json.dumps(record[part])[:60]}; '
                "the file was changed or damaged"
            )
    for tag, value in record["metrics"].items():
        if not isinstance(value, (int, float)) or isinstance(value, bool):
            raise Error(f"{place}: the metric {tag} should be a number, and is {json.dumps(value)[:60]}")
    return record


_NAMES = {str: "a text", int: "an integer", dict: "a table"}


def metrics_file(path: Path) -> list[Point]:
    """The points of a ``metrics.csv``. A last line without a line end is still being written and is left out."""
    text = _text(path)
    lines = text.splitlines()
    if text and not text.endswith("\n"):
        lines.pop()
    reader = csv.reader(lines)
    header = next(reader, None)
    if header != _METRICS_HEADER:
        found = "nothing" if header is None else ",".join(header)[:60]
        raise Error(f"{path}:1: expected the header step,tag,value, found {found}; this is no metrics.csv")
    points = []
    for line in reader:
        try:
            step, tag, value = line
            points.append(Point(int(step), tag, float(value)))
        except ValueError:
            raise Error(
                f"{path}:{reader.line_num}: expected step,tag,value with two numbers, found {','.join(line)[:60]}; "
                "the file was changed or damaged"
            ) from None
    return points


def _text(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8")
    except UnicodeDecodeError as error:
        raise Error(f"{path}: byte {error.start + 1} is not UTF-8; the file is damaged or of another kind") from None
    except OSError as error:
        raise Error(f"{path} cannot be read: {error.strerror}") from None


def _json(place: str, text: str) -> object:
    try:
        content: object = json.loads(text)
    except json.JSONDecodeError as error:
        raise Error(f"{place}: not JSON at column {error.colno}: {error.msg}; the file is damaged or cut") from None
    return content
