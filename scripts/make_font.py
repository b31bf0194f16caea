#!/usr/bin/env python3
"""Writes the font of the figures, crates/figures/src/figures/font: Noto Sans with a few signs of Noto Sans Math, cut down to the scripts below.

    apt-get download fonts-noto-core && dpkg-deb -x fonts-noto-core_*.deb noto
    python3 -m venv .venv && .venv/bin/pip install fonttools==4.68.0 brotli==1.2.1
    .venv/bin/python scripts/make_font.py noto/usr/share/fonts/truetype/noto

Equal input and versions give equal bytes. `.ttf` is what pictures are drawn with, `.woff2` (half the size) what SVG
and HTML files carry. The licence beside them is that of the font.
"""

import sys
import tempfile
from pathlib import Path

from fontTools import subset
from fontTools.merge import Merger
from fontTools.ttLib import TTFont

# Scripts of the corpora that people translate into European languages, and the signs of labels.
CHARACTERS = [
    (0x20, 0x7E),  # Latin
    (0xA0, 0x17F),
    (0x218, 0x21B),
    (0x384, 0x3CE),  # Greek
    (0x400, 0x45F),  # Cyrillic
    (0x490, 0x491),
    (0x1E9E, 0x1E9E),
    (0x2010, 0x2027),  # punctuation
    (0x2030, 0x203A),
    (0x2070, 0x2079),  # powers and indices
    (0x207B, 0x207B),
    (0x2080, 0x2089),
    (0x20AC, 0x20AC),
    (0xFFFD, 0xFFFD),
]
# Signs that Noto Sans Math has and Noto Sans has not: arrows, minus, infinity, comparisons.
SIGNS = [0x2190, 0x2191, 0x2192, 0x2193, 0x2212, 0x221E, 0x2248, 0x2260, 0x2264, 0x2265]

OUT = Path(__file__).resolve().parent.parent / "crates/figures/src/figures/font"


def reduced(source: Path, characters: list[int]) -> TTFont:
    options = subset.Options()
    # Figures are drawn large or by vector programs, which ignore hints; no names but family, style and licence.
    options.hinting = False
    options.layout_features = ["kern", "mark", "mkmk", "ccmp", "locl"]
    options.name_IDs = [0, 1, 2, 3, 4, 5, 6, 13, 14]
    options.recalc_timestamp = False
    font = subset.load_font(source, options)
    subsetter = subset.Subsetter(options)
    subsetter.populate(unicodes=characters)
    subsetter.subset(font)
    return font


def main(folder: Path) -> None:
    letters = [code for first, last in CHARACTERS for code in range(first, last + 1)]
    for style in ["Regular", "Bold"]:
        with tempfile.TemporaryDirectory() as parts:
            # Signs exist in one weight.
            names = {"letters.ttf": (f"NotoSans-{style}.ttf", letters), "signs.ttf": ("NotoSansMath-Regular.ttf", SIGNS)}
            for part, (source, characters) in names.items():
                font = reduced(folder / source, characters)
                if part == "signs.ttf":
                    for table in set(font.keys()) & {"MATH", "GSUB", "GPOS", "GDEF"}:
                        del font[table]
                font.save(Path(parts) / part)
            merged = Merger().merge([str(Path(parts) / part) for part in names])
        original = TTFont(folder / f"NotoSans-{style}.ttf")["head"]
        for kind in ["ttf", "woff2"]:
            target = OUT / f"NotoSans-{style}.{kind}"
            merged.flavor = "woff2" if kind == "woff2" else None
            merged.recalcTimestamp = False
            merged["head"].created, merged["head"].modified = original.created, original.modified
            merged.save(target)
            print(f"{target.name}: {target.stat().st_size:,} bytes, {len(merged.getBestCmap())} characters")


if __name__ == "__main__":
    if len(sys.argv) != 2:
        sys.exit(__doc__)
    main(Path(sys.argv[1]))
