"""Results of ablate as pandas data frames.

``records`` has a line for each finished trial, ``table`` one for each row of a sweep, ``metrics`` the curves of the
runs; ``plot`` draws them. Everything is read from the documented files: ``records.jsonl``, ``record.json`` and
``metrics.csv`` (docs/results.md, docs/architecture.md).
"""

from ablate import plot
from ablate._frames import Source, metrics, records, table, varied
from ablate._read import Error

__all__ = ["Error", "Source", "metrics", "plot", "records", "table", "varied"]
