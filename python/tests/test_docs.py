"""The notebook runs, and the code of docs/python.md does what it says."""

from __future__ import annotations

import os
import re
from pathlib import Path

import nbformat
import pandas as pd
import pytest
from nbclient import NotebookClient

from conftest import ROOT


@pytest.mark.filterwarnings("ignore")
def test_the_notebook_runs_and_draws_its_figures() -> None:
    notebook = nbformat.read(ROOT / "python" / "examples" / "demo.ipynb", as_version=4)
    code = [cell for cell in notebook.cells if cell.cell_type == "code"]
    committed = [figures(cell) for cell in code]
    NotebookClient(notebook, timeout=300, resources={"metadata": {"path": str(ROOT)}}).execute()
    assert [figures(cell) for cell in code] == committed
    assert sum(committed) == 3


def figures(cell: nbformat.NotebookNode) -> int:
    return sum("image/png" in output.get("data", {}) for output in cell.outputs)


def blocks(heading: str) -> list[str]:
    page = (ROOT / "docs" / "python.md").read_text()
    section = page.split(f"## {heading}\n", 1)[1].split("\n## ", 1)[0]
    return re.findall(r"```python\n(.*?)```", section, flags=re.DOTALL)


def run(code: str, monkeypatch: pytest.MonkeyPatch) -> dict[str, object]:
    monkeypatch.chdir(ROOT)
    names: dict[str, object] = {}
    exec(compile(code, os.path.join("docs", "python.md"), "exec"), names)
    return names


def test_pandas_alone_reads_records_in_five_lines(monkeypatch: pytest.MonkeyPatch) -> None:
    (code,) = blocks("With pandas alone")
    assert len([line for line in code.splitlines() if line.strip()]) == 5
    names = run(code, monkeypatch)
    table = names["table"]
    assert isinstance(table, pd.DataFrame)
    assert table.loc["base", ("metrics.test/bleu", "mean")] == pytest.approx(91.80922137298724)
    assert table.loc["one-layer", ("metrics.test/bleu", "std")] == pytest.approx(0.42563539321538424)


def test_the_examples_of_the_guide_run(monkeypatch: pytest.MonkeyPatch) -> None:
    for code in blocks("Frames") + blocks("Figures"):
        run(code, monkeypatch)
