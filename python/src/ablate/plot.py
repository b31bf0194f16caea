"""The three figures that everyone draws: learning curves, a score against a setting, and rows beside each other.

Each function takes the directory of a sweep or a frame, draws into ``ax`` or a new figure, and returns the axes, so
that ``ablate.plot.rows("results/demo").figure.savefig("rows.pdf")`` is all that a paper needs.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Hashable, Iterator, Sequence
from typing import TYPE_CHECKING, Any, Literal

import pandas as pd

from ablate import _student
from ablate._frames import SECTIONS, Source, _metrics, _records, by_row, check_name, check_number, row_name, varied
from ablate._read import Error

if TYPE_CHECKING:
    from matplotlib.axes import Axes

#: Colours that readers with colour blindness can tell apart (Okabe and Ito 2008).
_COLOURS = ("#0072b2", "#d55e00", "#009e73", "#cc79a7", "#56b4e9", "#e69f00", "#000000")
_DASHES: tuple[Any, ...] = ("solid", (0, (5, 2)), (0, (1, 1.5)), (0, (5, 1.5, 1, 1.5)))
_MARKERS = ("o", "s", "^", "D", "v", "P", "X")
#: Label of a setting that a configuration does not write.
_DEFAULT = "default"


def curves(source: Source, tag: str = "dev/perplexity", *, ax: Axes | None = None) -> Axes:
    """Learning curves: for each row the mean over its seeds, in a band of one standard deviation to each side.

    The mean is over the finished runs of a row, at the steps that all of them have; if no run of a row has finished, over
    its unfinished ones. The legend has their number, and says how many were left out. A row with one seed is a line
    without a band.

    Args:
        source: As for :func:`ablate.metrics`, or its frame.
        tag: The measured value: ``dev/perplexity``, ``dev/loss``, ``train/loss``, …
    """
    frame = _metrics(source)
    check_name("tag", tag, frame["tag"].unique())
    axes = _axes(ax)
    values = frame[frame["tag"] == tag]
    spread = False
    for (row, lines), style in zip(by_row(values), _styles()):
        finished = lines[lines["finished"]]
        kept = lines if finished.empty else finished
        left_out = lines["seed"].nunique() - kept["seed"].nunique()
        by_seed = kept.pivot_table(index="step", columns="seed", values="value").dropna()
        if by_seed.empty:
            raise Error(f"the seeds of row {row_name(row)} have no step in common for {tag}; leave the row out, or one of its seeds")
        mean, seeds = by_seed.mean(axis="columns"), by_seed.shape[1]
        marker = style.marker if len(mean) == 1 else ""
        label = _with_number(row, seeds, f", {left_out} unfinished left out" if left_out else "")
        axes.plot(mean.index, mean, label=label, color=style.colour, linestyle=style.dash, marker=marker)
        if seeds > 1:
            spread = True
            deviation = by_seed.std(axis="columns")
            axes.fill_between(
                mean.index, mean - deviation, mean + deviation, color=style.colour, alpha=0.2, linewidth=0
            )
    axes.set_xlabel("updates")
    axes.set_ylabel(f"{tag}, mean ± sd over seeds" if spread else tag)
    axes.legend(frameon=False)
    return axes


def setting(source: Source, key: str, metric: str = "dev/bleu", *, ax: Axes | None = None) -> Axes:
    """A score against a setting that was varied: mean over the seeds, with a bar of one standard deviation.

    Rows that differ in other settings too form a line for each combination of these.

    Args:
        source: As for :func:`ablate.records`, or its frame.
        key: The setting: ``model.dropout``.
        metric: A score by its tag, or ``parameters``.
    """
    frame = _records(source)
    if "identity" in frame:
        # A trial that two sweeps, or two rows, have in common is one trial.
        frame = frame.drop_duplicates("identity")
    changed = varied(frame)
    check_number(frame, metric)
    if key not in frame or not key.startswith(SECTIONS):
        check_name("setting", key, changed)
    if key not in changed:
        known = ", ".join(changed) or "none"
        raise Error(f"{key} is {_text(frame[key].iloc[0])} in every row; settings that differ: {known}")
    others = [other for other in changed if other != key]
    numeric = pd.api.types.is_numeric_dtype(frame[key]) and not pd.api.types.is_bool_dtype(frame[key])
    numeric = numeric and not frame[key].isna().any()
    places: dict[Hashable, float]
    if numeric:
        places = {value: float(value) for value in sorted(frame[key].unique())}
    else:
        places = {value: float(index) for index, value in enumerate(dict.fromkeys(map(_text, frame[key])))}

    axes = _axes(ax)
    spread = False
    groups: Iterator[tuple[Any, pd.DataFrame]]
    groups = iter(frame.groupby(others, sort=False, dropna=False)) if others else iter([((), frame)])
    for (values, lines), style in zip(groups, _styles()):
        scores = lines.groupby(key if numeric else lines[key].map(_text), sort=False)[metric]
        points = pd.DataFrame({"mean": scores.mean(), "sd": scores.std(), "place": pd.Series(places)}).dropna(
            subset=["mean"]
        )
        points = points.sort_values("place")
        spread = spread or bool(points["sd"].notna().any())
        axes.errorbar(
            points["place"],
            points["mean"],
            yerr=points["sd"].fillna(0.0),
            label=", ".join(f"{short}={_text(value)}" for short, value in zip(_short(others), values)),
            color=style.colour,
            linestyle=style.dash,
            marker=style.marker,
            capsize=3,
        )
    if numeric and min(places.values()) > 0 and max(places.values()) / min(places.values()) >= 50:
        axes.set_xscale("log")
    if numeric and len(places) <= 8:
        axes.set_xticks(list(places.values()), [_text(value) for value in places])
        axes.minorticks_off()
    if not numeric:
        axes.set_xticks(list(places.values()), [str(value) for value in places])
        axes.margins(x=0.1)
    axes.set_xlabel(key)
    axes.set_ylabel(f"{metric}, mean ± sd over seeds" if spread else metric)
    if others:
        axes.legend(frameon=False)
    return axes


def rows(
    source: Source, metric: str = "dev/bleu", *, interval: Literal["sd", "confidence"] = "sd", ax: Axes | None = None
) -> Axes:
    """The rows of a sweep beside each other: the mean with an interval around it, and below it a dot for each seed.

    Args:
        source: As for :func:`ablate.records`, or its frame.
        metric: A score by its tag, or ``parameters``.
        interval: ``sd``, one standard deviation to each side, as in the table; or ``confidence``, the 95 % interval of
            the mean over seeds by Student's t distribution, which is wide with few seeds. A row with one seed has none.
    """
    if interval not in ("sd", "confidence"):
        raise Error(f'interval is "sd" or "confidence", not "{interval}"')
    frame = _records(source)
    check_number(frame, metric)
    axes = _axes(ax)
    labels = []
    for place, (row, lines) in enumerate(by_row(frame)):
        scores = lines[metric].dropna()
        labels.append(_with_number(row, len(scores)))
        axes.plot(scores, [place + 0.18] * len(scores), "o", color="#777777", markersize=3.5)
        if len(scores) > 0:
            half = float(scores.std()) if len(scores) > 1 else 0.0
            if interval == "confidence" and len(scores) > 1:
                half *= _student.quantile(0.975, len(scores) - 1) / math.sqrt(len(scores))
            axes.errorbar([scores.mean()], [place], xerr=[half], fmt="D", color=_COLOURS[0], markersize=5, capsize=4)
    axes.set_yticks(range(len(labels)), labels)
    axes.set_ylim(len(labels) - 0.4, -0.6)
    axes.grid(axis="x", color="#dddddd", linewidth=0.8)
    axes.set_axisbelow(True)
    words = "mean ± sd over seeds" if interval == "sd" else "mean with 95 % interval over seeds"
    axes.set_xlabel(f"{metric}, {words}")
    return axes


class _Style:
    def __init__(self, number: int) -> None:
        # The colour changes with every line and the dash with every round of colours, so 28 lines differ.
        self.colour = _COLOURS[number % len(_COLOURS)]
        self.marker = _MARKERS[number % len(_MARKERS)]
        self.dash = _DASHES[(number // len(_COLOURS)) % len(_DASHES)]


def _styles() -> Iterator[_Style]:
    return map(_Style, itertools.count())


def _axes(ax: Axes | None) -> Axes:
    if ax is not None:
        return ax
    import matplotlib.pyplot as plt

    axes: Axes = plt.subplots(figsize=(6.4, 3.6), layout="constrained")[1]
    axes.spines[["top", "right"]].set_visible(False)
    return axes


def _with_number(row: Any, seeds: int, remark: str = "") -> str:
    return f"{row_name(row)} (n={seeds}{remark})"


def _short(keys: Sequence[str]) -> list[str]:
    """The last parts of settings, or the whole key where two share it."""
    names = [key.rsplit(".", 1)[-1] for key in keys]
    return [name if names.count(name) == 1 else key for name, key in zip(names, keys)]


def _text(value: object) -> str:
    if value is None or value is pd.NA or (isinstance(value, float) and math.isnan(value)):
        return _DEFAULT
    return f"{value:g}" if isinstance(value, float) else str(value)
