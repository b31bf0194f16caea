"""Data frames of records, tables and metrics."""

from __future__ import annotations

import difflib
import json
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeAlias

import pandas as pd

from ablate import _read
from ablate._read import Error

if TYPE_CHECKING:
    from pandas.api.typing import DataFrameGroupBy

#: A source of results: a directory, a file, or a frame that :func:`records` or :func:`metrics` returned.
Source: TypeAlias = "str | Path | pd.DataFrame"

#: Sections of an experiment. Columns that begin with one of them are settings.
SECTIONS = ("data.", "model.", "training.", "decoding.", "run.")
# Sections inside of sections.
SUBSECTIONS = (
    "model.attention",
    "model.recurrent",
    "model.convolutional",
    "model.masked",
    "training.masking",
    "training.words",
)
#: Settings that do not tell rows apart: the seeds of one row differ in the first, equal results may differ in the others.
_NO_CHANGE = ("training.seed", "run.")
#: The scores that a signature belongs to, as in the program's tables.
_SIGNED = ("bleu", "atat", "f1")
_DEFAULT_COLUMNS = ("parameters", "dev/perplexity", "dev/bleu", "test/bleu")


def records(*paths: str | Path) -> pd.DataFrame:
    """One line for each finished trial.

    Args:
        paths: Directories of sweeps or runs, ``records.jsonl`` files, or ``record.json`` files.

    Returns:
        A frame with the columns ``sweep``, ``row``, ``seed``; the settings that differ between rows; the scores by
        their tags (``dev/bleu``); ``parameters``, ``steps``; ``signature`` (of BLEU); ``corpus.*`` and
        ``provenance.*``; then the other settings (``model.heads``) and the hashes. A setting that a configuration
        does not write is missing (NA): it has its default.

    Raises:
        Error: A path does not exist, holds no record, or a file is damaged.
    """
    if not paths:
        raise Error('name at least one sweep: ablate.records("results/demo")')
    lines = [line for path in paths for line in _records_of(_read.existing(Path(path)))]
    frame = pd.DataFrame(lines)
    changed = varied(frame)
    first = ["sweep", "row", "seed", *changed]
    scores = sorted(column for column in frame.columns if "/" in column)
    later = [column for column in frame.columns if column.startswith(SECTIONS) and column not in changed]
    hashes = [column for column in ("identity", "training_identity", "configuration_hash") if column in frame]
    known = {*first, *scores, *later, *hashes}
    others = [column for column in frame.columns if column not in known]
    return frame[[*first, *scores, *others, *sorted(later), *hashes]]


def varied(frame: pd.DataFrame) -> list[str]:
    """The settings in which the lines of :func:`records` differ, without the seed and without ``[run]``."""
    settings = [column for column in frame.columns if column.startswith(SECTIONS)]
    candidates = [column for column in settings if not column.startswith(_NO_CHANGE)]
    return [column for column in candidates if frame[column].nunique(dropna=False) > 1]


def table(source: Source, columns: Sequence[str] | None = None) -> pd.DataFrame:
    """One line for each row of a sweep: the mean over its seeds, and the spread.

    Args:
        source: As for :func:`records`, or its frame.
        columns: Scores by their tags, and ``parameters`` or ``steps``. If absent, parameters, dev perplexity and BLEU.

    Returns:
        A frame with one line for each row, in the order of the records; the settings that differ between rows;
        ``seeds``, their number; and for each column the mean and, as ``<column> sd``, the standard deviation of the
        sample (missing for one seed). Names and values are those of the program's ``table.csv``. The column
        ``signature`` is there if BLEU was not computed in the same way everywhere. The index is the row; of several
        sweeps, whose rows may have the same label, it is ``sweep`` and ``row``.

    Raises:
        Error: As :func:`records`; a column that does not exist; seeds of one row that saw different data, or whose BLEU or
            F1 has different signatures; a seed of a row that occurs twice.
    """
    frame = _records(source)
    if columns is None:
        columns = [column for column in _DEFAULT_COLUMNS if column in frame]
    for column in columns:
        check_number(frame, column)
    groups = by_row(frame)
    result = groups[varied(frame)].first()
    result["seeds"] = groups["seed"].count()
    scores = [column for column in columns if "/" in column]
    if scores:
        for row, texts in groups["corpus.fingerprint"].unique().items():
            if len(texts) > 1:
                raise Error(
                    f"the seeds of row {row_name(row)} saw data of different fingerprints: "
                    f"{', '.join(text[:16] for text in texts)}; train them on one before you tabulate scores"
                )
    if frame["signature"].nunique() > 1:
        signed = [column for column in scores if column.split("/", 1)[1].split("@")[0] in _SIGNED]
        for row, signatures in groups["signature"].unique().items():
            if len(signatures) > 1 and signed:
                raise Error(
                    f"the seeds of row {row_name(row)} have different signatures: {', '.join(signatures)}; "
                    f"score them anew with one version before you tabulate {', '.join(signed)}"
                )
        result["signature"] = groups["signature"].first()
    for column in columns:
        result[column] = groups[column].mean()
        result[f"{column} sd"] = groups[column].std()
    return result


def metrics(*paths: str | Path, tags: Sequence[str] | None = None) -> pd.DataFrame:
    """The curves of runs, finished or not: one line for each value that was measured.

    Args:
        paths: Directories of sweeps, rows or runs, or ``metrics.csv`` files, under any name.
        tags: The tags to keep, such as ``dev/perplexity``. If absent, all.

    Returns:
        A frame with the columns ``sweep``, ``row``, ``seed``, ``finished``, ``step``, ``tag`` and ``value``. The row
        of a single file is its name without ending, its seed is 0, and it counts as finished.

    Raises:
        Error: A path does not exist, has no ``metrics.csv``, a file is damaged, or no run has one of the tags.
    """
    if not paths:
        raise Error('name at least one sweep: ablate.metrics("results/demo")')
    lines = [line for path in paths for line in _metrics_of(_read.existing(Path(path)))]
    frame = pd.DataFrame(lines, columns=["sweep", "row", "seed", "finished", "step", "tag", "value"])
    if tags is None:
        return frame
    known = frame["tag"].unique().tolist()
    for tag in tags:
        check_name("tag", tag, known)
    return frame[frame["tag"].isin(list(tags))].reset_index(drop=True)


def by_row(frame: pd.DataFrame) -> DataFrameGroupBy[Any, Any]:
    """Groups the lines by row. Rows of different sweeps are different rows, even if they have the same label."""
    return frame.groupby(["sweep", "row"] if _has_several_sweeps(frame) else "row", sort=False)


def row_name(row: Any) -> str:
    """Returns a key of :func:`by_row` in readable form."""
    return "/".join(row) if isinstance(row, tuple) else str(row)


def _has_several_sweeps(frame: pd.DataFrame) -> bool:
    return "sweep" in frame and frame["sweep"].nunique() > 1


def check_number(frame: pd.DataFrame, column: str) -> None:
    """Refuses a column that a frame of records does not have, or that holds no numbers."""
    numeric = [name for name in frame.columns if "/" in name or name in ("parameters", "steps", "training_flops")]
    check_name("column", column, numeric)


def check_name(kind: str, name: str, known: Iterable[str]) -> None:
    """Refuses a name that is not known, with the nearest one that is."""
    known = sorted(known)
    if name in known:
        return
    near = difflib.get_close_matches(name, known, n=1)
    hint = f"did you mean {near[0]}? " if near else ""
    raise Error(f"there is no {kind} {name}; {hint}known: {', '.join(known) or 'none'}")


def _records(source: Source) -> pd.DataFrame:
    if not isinstance(source, pd.DataFrame):
        return records(source)
    missing = {"row", "seed", "signature"} - set(source.columns)
    if missing:
        raise Error(f"this frame is not one of ablate.records: it has no column {', '.join(sorted(missing))}")
    if source.empty:
        raise Error("this frame has no lines; nothing is left to show")
    _refuse_twice(source, ["sweep", "row", "seed"])
    return source


def _metrics(source: Source) -> pd.DataFrame:
    if not isinstance(source, pd.DataFrame):
        return metrics(source)
    missing = {"row", "seed", "finished", "step", "tag", "value"} - set(source.columns)
    if missing:
        raise Error(f"this frame is not one of ablate.metrics: it has no column {', '.join(sorted(missing))}")
    _refuse_twice(source, ["sweep", "row", "seed", "tag", "step"])
    return source


def _refuse_twice(frame: pd.DataFrame, keys: list[str]) -> None:
    """Refuses a frame in which a trial occurs twice, which would count as two seeds."""
    twice = frame[frame.duplicated([key for key in keys if key in frame])]
    if not twice.empty:
        first = twice.iloc[0]
        raise Error(
            f"seed {first['seed']} of row {first['row']} is there twice; name each place once, and give sweeps of the same "
            "name different ones in the column sweep"
        )


def _records_of(path: Path) -> list[dict[str, Any]]:
    """Returns the lines of one path. A run directory takes precedence over ``records.jsonl`` for the same row and seed."""
    if path.is_file():
        found = [_read.record_file(path)] if path.suffix == ".json" else list(_read.record_lines(path))
    else:
        collected = path / _read.RECORDS_FILE
        found = list(_read.record_lines(collected)) if collected.exists() else []
        files = (run.directory / _read.RECORD_FILE for run in _read.runs_in(path))
        found += [_read.record_file(file) for file in files if file.exists()]
    trials = {(record["label"], record["seed"]): record for _, record in found}
    if not trials:
        raise Error(
            f"{path} holds no record of a finished trial: expected {_read.RECORDS_FILE} or "
            f"<row>/seed-<n>/{_read.RECORD_FILE}; name the directory of a sweep below results/"
        )
    sweep = _read.sweep_name(path)
    return [_line(sweep, record) for record in trials.values()]


def _line(sweep: str, record: dict[str, Any]) -> dict[str, Any]:
    line: dict[str, Any] = {"sweep": sweep, "row": record["label"], "seed": record["seed"], **record["metrics"]}
    special = {"label", "seed", "metrics", "configuration", "provenance", "data", "checksums", "checksum"}
    line |= {key: value for key, value in record.items() if key not in special}
    line |= {f"corpus.{key}": value for key, value in record["data"].items()}
    line |= {f"provenance.{key}": value for key, value in record["provenance"].items()}
    for section, settings in record["configuration"].items():
        if isinstance(settings, dict):
            for key, value in settings.items():
                line |= _setting(f"{section}.{key}", value)
    line.setdefault("signature", None)
    return line


def _setting(key: str, value: object) -> dict[str, object]:
    """A setting as columns. The parts of a recipe and of a section inside of a section are settings of their own, as in a
    sweep file."""
    if isinstance(value, dict) and (key.startswith("data.recipe") or key in SUBSECTIONS):
        return {name: part for below, inner in value.items() for name, part in _setting(f"{key}.{below}", inner).items()}
    if isinstance(value, (dict, list)):
        return {key: json.dumps(value)}
    return {key: value}


def _metrics_of(path: Path) -> list[tuple[str, str, int, bool, int, str, float]]:
    sweep = _read.sweep_name(path)
    run = _read.run_of(path.resolve().parent) if path.is_file() else None
    if path.is_file() and run is None:
        return [(sweep, path.stem, 0, True, point.step, point.tag, point.value) for point in _read.metrics_file(path)]
    files = [(run, path)] if run else [(each, each.directory / _read.METRICS_FILE) for each in _read.runs_in(path)]
    lines = []
    for run, file in files:
        if file.exists():
            finished = (run.directory / _read.RECORD_FILE).exists()
            points = _read.metrics_file(file)
            lines += [(sweep, run.row, run.seed, finished, point.step, point.tag, point.value) for point in points]
    if not lines:
        raise Error(
            f"{path} holds no curves: expected <row>/seed-<n>/{_read.METRICS_FILE}, which a run writes and git does not "
            "keep; run the sweep, or name a metrics.csv"
        )
    return lines
