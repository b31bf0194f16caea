"""The figures hold the numbers of the frames."""

from __future__ import annotations

from pathlib import Path

import matplotlib.pyplot as plt
import pandas as pd
import pytest
from matplotlib.axes import Axes
from matplotlib.collections import PolyCollection

import ablate
from ablate import _student


def legend(axes: Axes) -> list[str]:
    found = axes.get_legend()
    assert found is not None
    return [text.get_text() for text in found.get_texts()]


def test_curves_are_means_in_bands_of_one_standard_deviation(sweep: Path) -> None:
    axes = ablate.plot.curves(sweep, "dev/perplexity")
    assert legend(axes) == ["base (n=2)", "no-positions (n=2)", "one-layer (n=1, 1 unfinished left out)"]
    frame = ablate.metrics(sweep, tags=["dev/perplexity"])
    base = frame[frame["row"] == "base"].pivot(index="step", columns="seed", values="value")
    line = axes.lines[0]
    assert list(line.get_xdata()) == [500, 1000, 1500, 2000, 2500]
    assert list(line.get_ydata()) == pytest.approx(base.mean(axis=1).tolist())
    bands = [band for band in axes.collections if isinstance(band, PolyCollection)]
    assert len(bands) == 2, "one seed has no band"
    edge = base.mean(axis=1) + base.std(axis=1)
    heights = bands[0].get_paths()[0].vertices
    assert heights[:, 1].max() == pytest.approx(edge.max())
    assert axes.get_xlabel() == "updates"
    assert axes.get_ylabel() == "dev/perplexity, mean ± sd over seeds"


def test_rows_and_curves_of_two_sweeps_stay_apart(demo: Path, sweep: Path) -> None:
    axes = ablate.plot.rows(ablate.records(demo, demo.parent / "feed-forward"))
    labels = [text.get_text() for text in axes.get_yticklabels()]
    assert labels[0] == "demo/base (n=2)" and "feed-forward/base (n=5)" in labels
    other = ablate.metrics(sweep).assign(sweep="other")
    axes = ablate.plot.curves(pd.concat([ablate.metrics(sweep), other]))
    assert legend(axes)[0] == "demo/base (n=2)" and legend(axes)[3] == "other/base (n=2)"


def test_a_trial_of_two_sweeps_is_one_point_of_a_setting(demo: Path) -> None:
    frame = ablate.records(demo)
    twice = pd.concat([frame, frame.assign(sweep="other")])
    one, two = (ablate.plot.setting(source, "model.layers", "test/bleu") for source in (frame, twice))
    segments = [axes.containers[0].lines[2][0].get_segments()[1].tolist() for axes in (one, two)]
    assert segments[0] == segments[1]


def test_curves_of_unfinished_runs_are_drawn_where_no_run_has_finished(sweep: Path) -> None:
    (sweep / "one-layer" / "seed-1" / "record.json").unlink()
    axes = ablate.plot.curves(sweep)
    assert legend(axes)[2] == "one-layer (n=2)"
    # The second seed has half of the curve.
    assert list(axes.lines[2].get_xdata()) == [500, 1000]


def test_a_single_curve_has_no_spread(demo: Path) -> None:
    axes = ablate.plot.curves(demo / "base-seed-1.csv")
    assert axes.get_ylabel() == "dev/perplexity"
    assert not axes.collections


def test_a_setting_has_a_line_for_each_combination_of_the_others(demo: Path) -> None:
    axes = ablate.plot.setting(demo, "model.layers", "test/bleu")
    assert legend(axes) == ["position=sinusoidal", "position=none"]
    first, second = (container.lines[0] for container in axes.containers)
    assert list(first.get_xdata()) == [1, 2]
    assert list(first.get_ydata()) == pytest.approx([84.35859015213016, 91.80922137298724])
    assert list(second.get_xdata()) == [2]
    assert [text.get_text() for text in axes.get_xticklabels()] == ["1", "2"]
    assert axes.get_xlabel() == "model.layers"


def test_settings_that_are_words_stand_in_the_order_of_the_rows(demo: Path) -> None:
    axes = ablate.plot.setting(demo, "model.position", "dev/bleu")
    assert [text.get_text() for text in axes.get_xticklabels()] == ["sinusoidal", "none"]
    assert legend(axes) == ["layers=2", "layers=1"]
    frame = ablate.records(demo)
    frame.loc[frame["row"] == "no-positions", "model.position"] = None
    axes = ablate.plot.setting(frame, "model.position")
    assert [text.get_text() for text in axes.get_xticklabels()] == ["sinusoidal", "default"]


def test_settings_over_orders_of_magnitude_have_a_logarithmic_axis(demo: Path) -> None:
    frame = ablate.records(demo).drop(columns=["model.layers", "model.position"])
    frame["training.learning_rate_scale"] = [0.01, 0.01, 0.1, 0.1, 1.0, 1.0]
    axes = ablate.plot.setting(frame, "training.learning_rate_scale")
    assert axes.get_xscale() == "log"
    assert axes.get_legend() is None


def test_rows_show_mean_interval_and_seeds(demo: Path) -> None:
    axes = ablate.plot.rows(demo, "test/bleu")
    assert [text.get_text() for text in axes.get_yticklabels()] == [
        "base (n=2)",
        "no-positions (n=2)",
        "one-layer (n=2)",
    ]
    table = ablate.table(demo, ["test/bleu"])

    def half_widths(axes: Axes) -> list[float]:
        bars = [container.lines[2][0].get_segments()[0] for container in axes.containers]
        return [float(bar[1][0] - bar[0][0]) / 2 for bar in bars]

    assert half_widths(axes) == pytest.approx(table["test/bleu sd"].tolist())
    wide = half_widths(ablate.plot.rows(demo, "test/bleu", interval="confidence"))
    # 12.706: the quantile of t with one degree of freedom.
    assert wide == pytest.approx((table["test/bleu sd"] * 12.706204736 / 2**0.5).tolist())


def test_axes_of_the_caller_are_drawn_into(demo: Path) -> None:
    figure, (left, right) = plt.subplots(1, 2)
    assert ablate.plot.rows(demo, ax=left) is left
    assert ablate.plot.setting(demo, "model.layers", ax=right) is right
    assert left.has_data() and right.has_data()
    assert figure is left.figure


def test_what_cannot_be_drawn_is_refused(demo: Path, sweep: Path) -> None:
    with pytest.raises(ablate.Error, match="model.heads is 4 in every row; settings that differ: model.layers, model.pos"):
        ablate.plot.setting(demo, "model.heads")
    with pytest.raises(ablate.Error, match=r"no setting model.layer; did you mean model.layers\?"):
        ablate.plot.setting(demo, "model.layer")
    with pytest.raises(ablate.Error, match="no setting parameters"):
        ablate.plot.setting(demo, "parameters")
    with pytest.raises(ablate.Error, match="no column test/bluh"):
        ablate.plot.rows(demo, "test/bluh")
    with pytest.raises(ablate.Error, match='interval is "sd" or "confidence", not "ci"'):
        ablate.plot.rows(demo, interval="ci")  # type: ignore[arg-type]
    with pytest.raises(ablate.Error, match=r"no tag dev/blue; did you mean dev/bleu\?"):
        ablate.plot.curves(sweep, "dev/blue")
    with pytest.raises(ablate.Error, match="not one of ablate.metrics"):
        ablate.plot.curves(pd.DataFrame({"row": []}))


@pytest.mark.parametrize(
    ("probability", "freedom", "expected"),
    # Tables of the t distribution, such as Abramowitz and Stegun 1964, table 26.10.
    [(0.975, 1, 12.706), (0.975, 2, 4.303), (0.975, 4, 2.776), (0.95, 5, 2.015), (0.995, 30, 2.750), (0.975, 120, 1.980)],
)
def test_quantiles_of_t_are_those_of_the_tables(probability: float, freedom: int, expected: float) -> None:
    assert _student.quantile(probability, freedom) == pytest.approx(expected, abs=5e-4)
    assert _student.quantile(0.5, freedom) == pytest.approx(0.0, abs=1e-12)
