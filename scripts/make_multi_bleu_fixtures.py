#!/usr/bin/env python3
"""Writes tests/fixtures/multi_bleu.json: what Moses's multi-bleu.perl says of the texts of bleu.json,
as they are and with compounds split by Perl.

    .venv/bin/python scripts/make_multi_bleu_fixtures.py mosesdecoder/scripts/generic/multi-bleu.perl

tests/texts/score_multi_bleu.rs holds crates/score/src/score to it. Texts with a line break inside a line are left out.
"""

import hashlib
import json
import pathlib
import subprocess
import sys
import tempfile

FIXTURES = pathlib.Path(__file__).resolve().parent.parent / "tests" / "fixtures"
# As in tensor2tensor's get_ende_bleu.sh.
SPLIT = r"s{(\S)-(\S)}{$1 ##AT##-##AT## $2}g"


def written(folder, name, lines, split):
    path = pathlib.Path(folder) / name
    path.write_bytes("".join(line + "\n" for line in lines).encode())
    if split:
        path.write_bytes(subprocess.run(["perl", "-ple", SPLIT, str(path)], stdout=subprocess.PIPE, check=True).stdout)
    return path


def line(program, case, split, lowercase):
    with tempfile.TemporaryDirectory() as folder:
        for number, reference in enumerate(case["references"]):
            written(folder, f"ref{number}", reference, split)
        hypothesis = written(folder, "hyp", case["hypotheses"], split).read_bytes()
        command = ["perl", program] + ["-lc"] * lowercase + [f"{folder}/ref"]
        # It ends with 1 where the references are empty, and warns of orders without a match.
        run = subprocess.run(command, input=hypothesis, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, check=False)
        return run.stdout.decode().strip()


def main():
    if len(sys.argv) != 2:
        sys.exit(__doc__)
    program = sys.argv[1]
    cases = json.loads((FIXTURES / "bleu.json").read_text(encoding="ascii"))["cases"]
    results = []
    for case in cases:
        texts = case["hypotheses"] + [text for reference in case["references"] for text in reference]
        if not any("\n" in text for text in texts):
            lines = [line(program, case, split, lowercase) for split in [False, True] for lowercase in [False, True]]
            results.append({"case": case["name"], "plain": lines[:2], "split": lines[2:]})
    head = {
        "written_by": "scripts/make_multi_bleu_fixtures.py",
        "sha256": hashlib.sha256(pathlib.Path(program).read_bytes()).hexdigest(),
        "perl": subprocess.run(["perl", "-e", "print $^V"], stdout=subprocess.PIPE, check=True, text=True).stdout,
    }
    with open(FIXTURES / "multi_bleu.json", "w", encoding="ascii", newline="\n") as file:
        file.write(json.dumps(head)[:-1] + ', "results": [\n')
        file.write(",\n".join(json.dumps(result) for result in results))
        file.write("\n]}\n")
    print(f"multi_bleu.json: {len(results)} texts")


if __name__ == "__main__":
    main()
