#!/usr/bin/env python3
"""Writes tests/fixtures/wmt_xml.json: the sentences that the real sacreBLEU reads from WMT's XML since 2021.

    python3 -m venv .venv && .venv/bin/pip install sacrebleu==2.6.0 lxml==6.1.3
    .venv/bin/python scripts/make_wmt_xml_fixtures.py

The texts are made up here. A unit test of crates/corpus/src/data/wmt_xml.rs compares. The file is the same on every run.
"""

import io
import json
import pathlib
import platform

import sacrebleu
from sacrebleu.dataset.wmt_xml import WMTXMLDataset

OUTPUT = pathlib.Path(__file__).parent.parent / "tests/fixtures/wmt_xml.json"


def segments(texts):
    return "".join(f'<seg id="{number}">{text}</seg>\n' for number, text in texts.items())


def side(name, language, texts, more=""):
    return f'<{name} lang="{language}"{more}>\n<p>\n{segments(texts)}</p>\n</{name}>\n'


def document(name, content, more=""):
    return f'<doc origlang="en" id="{name}"{more}>\n{content}</doc>\n'


def dataset(*documents):
    return f"<?xml version='1.0' encoding='utf-8'?>\n<dataset id=\"made.up\">\n{''.join(documents)}</dataset>\n"


def by(name):
    return f' translator="{name}"'


CATS = {1: "Cats &amp; dogs sleep here.", 2: "The tree isn&apos;t &lt;green&gt;."}
KATZEN = {1: "Katzen &amp; Hunde schlafen hier.", 2: "Der Baum ist nicht &quot;gr&#252;n&quot;."}
CASES = {
    "one reference": dataset(document("d1", side("src", "en", CATS) + side("ref", "de", KATZEN, by("A")))),
    "a reference without translator": dataset(document("d1", side("src", "en", CATS) + side("ref", "de", KATZEN))),
    "two references, each with segments that the other lacks": dataset(
        document(
            "d1",
            side("src", "en", {**CATS, 3: "Nobody has translated this.", 4: "One has."})
            + side("ref", "de", {1: "A eins", 4: "A vier"}, by("A"))
            + side("ref", "de", {1: "B eins", 2: "B zwei", 3: ""}, by("B"))
            + side("hyp", "de", {1: "h", 2: "h", 3: "h", 4: "h"}, ' system="online"'),
        ),
        document("d2", side("src", "en", {1: "Another text."}) + side("ref", "de", {1: "Ein anderer."}, by("B"))),
    ),
    "numbers out of order, and paragraphs": dataset(
        document(
            "d1",
            '<src lang="en"><p>' + segments({10: "ten", 2: "two"}) + "</p><p>" + segments({1: "one"}) + "</p></src>\n"
            + side("ref", "de", {1: "eins", 2: "zwei", 10: "zehn"}, by("A")),
        )
    ),
    "white space": dataset(
        document(
            "d1",
            side("src", "en", {1: " one\n\ttwo\u00a0three&#10; "}) + side("ref", "de", {1: "<![CDATA[a <b> &amp;]]> c"}, by("A")),
        )
    ),
    "a test suite among documents, with a domain": dataset(
        document("d1", side("src", "en", {1: "one"}) + side("ref", "de", {1: "eins"}, by("A")), ' domain="news"'),
        document("d2", side("src", "en", {1: "no"}) + side("ref", "de", {1: "nein"}, by("A")), ' testsuite="x"'),
    ),
}


def main():
    cases = []
    for name, xml in CASES.items():
        fields = WMTXMLDataset._unwrap_wmt21_or_later(io.BytesIO(xml.encode()))
        lines = {field: [WMTXMLDataset._clean(line) for line in texts] for field, texts in fields.items() if field[:3] in ("src", "ref")}
        references = {field[4:]: texts for field, texts in sorted(lines.items()) if field != "src"}
        cases.append({"name": name, "xml": xml, "source": lines["src"], "references": references})
    written = {
        "written_by": "scripts/make_wmt_xml_fixtures.py",
        "sacrebleu": sacrebleu.__version__,
        "python": platform.python_version(),
        "cases": cases,
    }
    OUTPUT.write_text(json.dumps(written, ensure_ascii=False, indent=1) + "\n")


if __name__ == "__main__":
    main()
