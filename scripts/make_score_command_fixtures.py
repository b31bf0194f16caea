#!/usr/bin/env python3
"""Writes tests/fixtures/score_commands.json: the output of sacreBLEU's command line, by its arguments.

    python3 -m venv .venv && .venv/bin/pip install sacrebleu==2.6.0
    .venv/bin/python scripts/make_score_command_fixtures.py

tests/texts/score_commands.rs gives the same arguments to `ablate score`. The file is the same on every run; check with git
diff.
"""

import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path

from make_bleu_fixtures import OUTPUT as BLEU_OUTPUT, SACREBLEU, require_sacrebleu

OUTPUT = BLEU_OUTPUT.with_name("score_commands.json")
FILES = {
    "hyp": [
        "The cat sat on the mat.",
        "A quick test: 3.14 is pi, isn't it?",
        "He bought well-known state-of-the-art tools (e.g. saws) for $5.50.",
        "Yes",
        "Drei kleine Wörter",
        "",
    ],
    "ref": [
        "The cat is on the mat.",
        "A quick test - 3.14 is pi, is it not?",
        "He bought well-known, state-of-the-art tools, e.g. saws, for $5.50!",
        "Yes indeed",
        "drei kleine Wörter",
        "Nothing was said.",
    ],
    "ref2": [
        "A cat sat on a mat.",
        "One quick test: pi is 3.14, isn't it?",
        "He bought famous tools, for example saws, for $5.50.",
        "Yes",
        "Drei kleine Wörter",
        "Silence.",
    ],
}
COMMANDS = [
    "ref -i hyp -m bleu chrf ter -tok intl -lc -b -w 4 --format text",
    "ref -i hyp -m bleu chrf ter -tok intl -lc -w 4 --format text",
    "ref -i hyp --format text",
    "ref -i hyp -b",
    "ref -i hyp -f json",
    "ref ref2 --input hyp --metrics ter bleu chrf --format json --width 3",
    "ref ref2 -i hyp -m ter chrf bleu -f text -sh",
    "ref -i hyp -s floor -sv 0.5 -tok char -f text",
    "ref -i hyp --smooth-method add-k -f text",
    "ref -i hyp -m chrf -cw 2 -cc 5 --chrf-beta 3 --chrf-lowercase -w 2 -f text",
    "ref -i hyp -m ter --ter-case-sensitive --ter-no-punct -f text",
    "ref -i hyp -m bleu chrf -ci -cin 50 -w 3 -f text",
    "ref -i hyp -m bleu chrf --confidence --confidence-n 50 -w 3 -f json",
    "ref -i hyp -m bleu -ci -cin 50 -b -f text",
    "ref -i hyp -sl -f text",
    "ref ref2 -i hyp -sl -b -w 6 -f text",
    "ref -i hyp --sentence-level -m chrf -w 4 -f text",
    "ref -i hyp -sl -m ter -b -f text",
]


def main():
    require_sacrebleu()
    results = []
    with tempfile.TemporaryDirectory() as folder:
        for name, lines in FILES.items():
            (Path(folder) / name).write_text("".join(line + "\n" for line in lines), encoding="utf-8")
        environment = {k: v for k, v in os.environ.items() if not k.startswith("SACREBLEU_")} | {"NO_COLOR": "1"}
        for command in COMMANDS:
            words = [sys.executable, "-m", "sacrebleu", *command.split(), "-q"]
            done = subprocess.run(words, cwd=folder, env=environment, capture_output=True, text=True, check=True)
            results.append({"arguments": command, "output": done.stdout})
    fixture = {"sacrebleu": SACREBLEU, "files": FILES, "commands": results}
    OUTPUT.write_text(json.dumps(fixture, ensure_ascii=False, indent=1) + "\n", encoding="utf-8")
    print(f"{len(results)} commands")


if __name__ == "__main__":
    main()
