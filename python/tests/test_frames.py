from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pandas as pd
import pytest

import ablate

# Contents of the records of results/demo.
ROWS = ["base", "base", "no-positions", "no-positions", "one-layer", "one-layer"]


def test_records_have_a_line_for_each_trial_with_settings_scores_and_origin(demo: Path) -> None:
    frame = ablate.records(demo)
    assert frame["row"].tolist() == ROWS
    assert frame["seed"].tolist() == [1, 2] * 3
    assert list(frame.columns[:5]) == ["sweep", "row", "seed", "model.layers", "model.position"]
    assert frame["model.layers"].tolist() == [2, 2, 2, 2, 1, 1]
    first = frame.iloc[0]
    assert first["sweep"] == "demo"
    assert first["test/bleu"] == 91.09688812503964
    assert first["training.adam_epsilon"] == 1e-9
    assert first["data.recipe.corpus.generated.train"] == 20000
    # A record of the demo says which commit made it; it is made anew now and then.
    line = (demo / "records.jsonl").read_text().splitlines()[0]
    assert first["provenance.commit"] == json.loads(line)["provenance"]["commit"]
    assert first["corpus.vocabulary"] == 1115
    assert first["signature"].startswith("nrefs:1|case:mixed")
    assert frame["identity"].nunique() == 6
    assert frame["dev/bleu"].dtype == "float64"


def test_the_table_is_the_one_that_the_program_wrote(demo: Path) -> None:
    ours = ablate.table(demo)
    theirs = pd.read_csv(demo / "table.csv", index_col="row")
    columns = ["seeds", "parameters", "dev/perplexity", "dev/bleu", "test/bleu"]
    columns += [f"{column} sd" for column in columns[1:]]
    assert set(columns) == set(ours.columns) - {"model.layers", "model.position"}
    pd.testing.assert_frame_equal(ours[columns], theirs[columns], rtol=1e-12, check_dtype=False)
    assert ours["model.position"].tolist() == ["sinusoidal", "none", "sinusoidal"]
    assert list(ablate.table(demo, ["steps"]).columns) == ["model.layers", "model.position", "seeds", "steps", "steps sd"]


def test_rows_of_two_sweeps_stay_apart_though_they_have_one_label(demo: Path) -> None:
    trials = ablate.records(demo, demo.parent / "feed-forward")
    both = ablate.table(trials, ["test/bleu"])
    assert both.index.names == ["sweep", "row"]
    for sweep in ["demo", "feed-forward"]:
        pd.testing.assert_frame_equal(
            both.loc[sweep, ["seeds", "test/bleu", "test/bleu sd"]],
            ablate.table(demo.parent / sweep, ["test/bleu"])[["seeds", "test/bleu", "test/bleu sd"]],
        )
    # A frame that keeps one of two sweeps has one sweep.
    assert ablate.table(trials[trials["sweep"] == "demo"]).index.name == "row"


def test_a_trial_that_occurs_twice_is_not_two_seeds(demo: Path, sweep: Path) -> None:
    with pytest.raises(ablate.Error, match="seed 1 of row base is there twice; name each place once"):
        ablate.table(ablate.records(demo, sweep))
    with pytest.raises(ablate.Error, match="seed 1 of row base is there twice"):
        ablate.plot.curves(ablate.metrics(sweep, sweep / "base"))


def test_one_seed_has_a_mean_and_no_spread(demo: Path) -> None:
    frame = ablate.records(demo)
    table = ablate.table(frame[frame["seed"] == 1], ["test/bleu"])
    assert table["seeds"].tolist() == [1, 1, 1]
    assert table.loc["base", "test/bleu"] == 91.09688812503964
    assert table["test/bleu sd"].isna().all()


def test_run_directories_records_and_single_files_are_read_alike(sweep: Path, demo: Path) -> None:
    from_runs = ablate.records(sweep)
    assert from_runs["row"].tolist() == ROWS[:5]
    pd.testing.assert_frame_equal(from_runs, ablate.records(demo).iloc[:5])
    one = ablate.records(sweep / "base" / "seed-2")
    assert one[["sweep", "row", "seed"]].values.tolist() == [["demo", "base", 2]]
    assert ablate.records(sweep / "base")["seed"].tolist() == [1, 2]
    pd.testing.assert_frame_equal(ablate.records(sweep / "base" / "seed-2" / "record.json"), one)
    assert len(ablate.records(demo / "records.jsonl")) == 6
    assert len(ablate.records(demo, sweep)) == 11


def test_a_run_directory_stands_for_the_line_of_records_jsonl(sweep: Path, demo: Path) -> None:
    (sweep / "records.jsonl").write_text((demo / "records.jsonl").read_text())
    file = sweep / "base" / "seed-1" / "record.json"
    content = json.loads(file.read_text())
    content["record"]["metrics"]["test/bleu"] = 12.5
    file.write_text(json.dumps(content))
    frame = ablate.records(sweep)
    assert len(frame) == 6
    assert frame.loc[(frame["row"] == "base") & (frame["seed"] == 1), "test/bleu"].tolist() == [12.5]


def test_metrics_are_the_curves_of_all_runs(sweep: Path) -> None:
    frame = ablate.metrics(sweep, tags=["dev/perplexity"])
    assert list(frame.columns) == ["sweep", "row", "seed", "finished", "step", "tag", "value"]
    assert set(frame["tag"]) == {"dev/perplexity"}
    base = frame[(frame["row"] == "base") & (frame["seed"] == 1)]
    assert base["step"].tolist() == [500, 1000, 1500, 2000, 2500]
    second = frame[(frame["row"] == "base") & (frame["seed"] == 2)]
    assert second["value"].tolist() == pytest.approx((base["value"] * 2).tolist())
    unfinished = frame[~frame["finished"]]
    assert unfinished[["row", "seed"]].drop_duplicates().values.tolist() == [["one-layer", 2]]
    assert set(frame["sweep"]) == set(ablate.metrics(sweep / "base" / "seed-1")["sweep"]) == {"demo"}


def test_a_file_of_curves_is_read_under_any_name(demo: Path) -> None:
    frame = ablate.metrics(demo / "base-seed-1.csv")
    assert set(frame["row"]) == {"base-seed-1"}
    assert len(frame) == len((demo / "base-seed-1.csv").read_text().splitlines()) - 1


def test_a_line_that_is_still_being_written_is_left_out(tmp_path: Path) -> None:
    file = tmp_path / "metrics.csv"
    file.write_text("step,tag,value\n50,train/loss,6.5\n100,train/loss,5.")
    assert ablate.metrics(file)["value"].tolist() == [6.5]


def test_settings_that_only_some_rows_have_are_missing_elsewhere(sweep: Path) -> None:
    file = sweep / "base" / "seed-1" / "record.json"
    content = json.loads(file.read_text())
    content["record"]["configuration"]["training"]["clip_norm"] = 1.0
    content["record"]["configuration"]["model"]["position"] = {"rotary": {"base": 500}}
    content["record"]["configuration"]["model"]["attention"] = {"score": "dot", "span": {"local": 4}}
    content["record"]["configuration"]["model"]["recurrent"] = {"cell": "lstm"}
    content["record"]["configuration"]["training"]["masking"] = {"rate": 0.4}
    file.write_text(json.dumps(content))
    frame = ablate.records(sweep)
    assert "training.clip_norm" in ablate.varied(frame)
    assert frame["training.clip_norm"].isna().tolist() == [False, True, True, True, True]
    assert frame["model.position"].iloc[0] == '{"rotary": {"base": 500}}'
    assert frame["model.attention.score"].tolist()[0] == "dot" and frame["model.attention.score"].isna().sum() == 4
    assert frame["model.attention.span"].iloc[0] == '{"local": 4}'
    assert frame["model.recurrent.cell"].iloc[0] == "lstm" and frame["training.masking.rate"].iloc[0] == 0.4


def test_bleu_of_different_signatures_is_not_averaged(demo: Path) -> None:
    frame = ablate.records(demo)
    frame.loc[frame["row"] == "base", "signature"] = "another"
    assert ablate.table(frame, ["test/bleu"])["signature"].tolist()[0] == "another"
    frame.loc[0, "signature"] = "a third"
    with pytest.raises(ablate.Error, match="the seeds of row base have different signatures: a third, another"):
        ablate.table(frame, ["test/bleu"])
    assert len(ablate.table(frame, ["test/perplexity"])) == 3


def test_scores_of_different_data_are_not_averaged(demo: Path) -> None:
    frame = ablate.records(demo)
    frame.loc[0, "corpus.fingerprint"] = "prepared anew"
    with pytest.raises(ablate.Error, match="the seeds of row base saw data of different fingerprints: prepared anew"):
        ablate.table(frame, ["test/perplexity"])
    assert len(ablate.table(frame, ["parameters"])) == 3


def damaged(tmp_path: Path, text: str | bytes, name: str = "records.jsonl") -> Path:
    file = tmp_path / name
    file.write_bytes(text if isinstance(text, bytes) else text.encode())
    return file


RECORD = {
    "identity": "a",
    "label": "base",
    "seed": 1,
    "metrics": {"dev/bleu": 1.5},
    "configuration": {},
    "provenance": {},
    "data": {},
}


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (json.dumps(RECORD) + '\n{"identity": "x', r"records\.jsonl:2: not JSON at column \d+: .*damaged or cut"),
        ("[1, 2]", r"records\.jsonl:1 is no record: expected a JSON object, found list"),
        ('{"identity": "x"}', r'records\.jsonl:1 is no record of a trial: "label" is missing'),
        (json.dumps(RECORD | {"seed": "one"}), r'records\.jsonl:1: "seed" should be an integer, and is "one"'),
        (json.dumps(RECORD | {"seed": True}), r'"seed" should be an integer, and is true'),
        (json.dumps(RECORD | {"metrics": {"dev/bleu": "high"}}), r'the metric dev/bleu should be a number, and is "high"'),
        (b"\xff\xfe", r"records\.jsonl: byte 1 is not UTF-8"),
        ("", r"holds no record of a finished trial: expected records\.jsonl or <row>/seed-<n>/record\.json"),
    ],
)
def test_broken_records_are_refused_by_place(tmp_path: Path, text: str | bytes, message: str) -> None:
    damaged(tmp_path, text)
    with pytest.raises(ablate.Error, match=message):
        ablate.records(tmp_path)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", r"metrics\.csv:1: expected the header step,tag,value, found nothing"),
        ("a,b\n1,2\n", r"metrics\.csv:1: expected the header step,tag,value, found a,b"),
        ("step,tag,value\n1,x,2\n1,x\n", r"metrics\.csv:3: expected step,tag,value with two numbers, found 1,x;"),
        ("step,tag,value\n1,x,two\n", r"metrics\.csv:2: expected .* found 1,x,two"),
        (b"step,tag,value\n1,\xff,2\n", r"metrics\.csv: byte 18 is not UTF-8"),
    ],
)
def test_broken_curves_are_refused_by_place(tmp_path: Path, text: str | bytes, message: str) -> None:
    with pytest.raises(ablate.Error, match=message):
        ablate.metrics(damaged(tmp_path, text, "metrics.csv"))


def test_other_files_and_places_are_refused(demo: Path, tmp_path: Path) -> None:
    with pytest.raises(ablate.Error, match="nowhere does not exist; name the directory of a sweep"):
        ablate.records(tmp_path / "nowhere")
    with pytest.raises(ablate.Error, match="holds no record of a finished trial"):
        ablate.records(tmp_path)
    with pytest.raises(ablate.Error, match="holds no curves: .*which a run writes and git does not keep"):
        ablate.metrics(demo)
    with pytest.raises(ablate.Error, match='name at least one sweep: ablate.records\\("results/demo"\\)'):
        ablate.records()
    with pytest.raises(ablate.Error, match="name at least one sweep"):
        ablate.metrics()
    with pytest.raises(ablate.Error, match=r'no table "record"'):
        ablate.records(damaged(tmp_path, '{"a": 1}', "record.json"))


def test_names_that_do_not_exist_are_refused_with_the_nearest(demo: Path, sweep: Path) -> None:
    with pytest.raises(ablate.Error, match=r"no column test/blue; did you mean test/bleu\? known: .*dev/bleu"):
        ablate.table(demo, ["test/blue"])
    with pytest.raises(ablate.Error, match="no column model.layers"):
        ablate.table(demo, ["model.layers"])
    with pytest.raises(ablate.Error, match=r"no tag dev/perplexty; did you mean dev/perplexity\?"):
        ablate.metrics(sweep, tags=["dev/perplexty"])
    with pytest.raises(ablate.Error, match="not one of ablate.records: it has no column seed, signature"):
        ablate.table(pd.DataFrame({"row": ["a"]}))
    with pytest.raises(ablate.Error, match="this frame has no lines"):
        ablate.table(ablate.records(demo).iloc[:0])


def test_reading_does_not_load_matplotlib(demo: Path) -> None:
    code = f"import ablate, sys; ablate.table({str(demo)!r}); assert 'matplotlib' not in sys.modules"
    subprocess.run([sys.executable, "-c", code], check=True)
