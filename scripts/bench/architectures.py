"""The small experiments of `architectures/`, one for each architecture, and their text, which needs no download."""

import sys
import tempfile
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))
from programs import output  # noqa: E402

FOLDER = Path(__file__).resolve().parent / "architectures"
ROOT = FOLDER.parent.parent.parent
# Architectures that read running text.
OF_TEXT = ["language-model", "masked-lm"]
TRANSLATING = [
    "transformer",
    "lstm-fed",
    "lstm-unfed",
    "gru-additive",
    "convs2s",
    "convs2s-weight-norm",
    "bytenet",
]
NAMES = TRANSLATING + OF_TEXT
# Number of sentences of the running text.
LINES = 20_000


def experiment(name):
    return FOLDER / f"{name}.toml"


def chosen(names):
    """Returns the architectures that `--architectures` names, in our order; exits if one does not exist."""
    unknown = [name for name in names if name not in [*NAMES, "all"]]
    if unknown:
        sys.exit(f"no architecture {unknown[0]!r}; there are {', '.join(NAMES)}, and all")
    return [name for name in NAMES if name in names or "all" in names]


def built(name):
    """The program of this name that cargo has built in target/release."""
    path = ROOT / "target/release" / name
    if not path.exists():
        sys.exit(f"{path} is missing: cargo build --release")
    return path


def prepare(ablate, data, name):
    """Prepares the corpus of an architecture in `data`, which must not lie in the checkout; returns its directory."""
    if Path(data).resolve().is_relative_to(ROOT):
        sys.exit(f"--data {data} lies in the checkout; choose another directory")
    with tempfile.TemporaryDirectory(prefix="bench-text") as folder:
        words = []
        if name in OF_TEXT:
            write_text(ablate, Path(folder))
            words = ["--source", folder]
        return Path(prepare_with(ablate, data, experiment(name), *words).strip())


def write_text(ablate, folder):
    """Writes train.txt and dev.txt: English sides of the generated corpus."""
    made = folder / "data"
    generated = "data.recipe.corpus.generated"
    sizes = [f"{generated}.train=100", f"{generated}.test={LINES}"]
    prepare_with(ablate, made, experiment("transformer"), *(word for size in sizes for word in ("--set", size)))
    [prepared] = made.iterdir()
    for split, name in (("test", "train"), ("dev", "dev")):
        (folder / f"{name}.txt").write_bytes((prepared / f"{split}.source.txt").read_bytes())


def prepare_with(ablate, data, *words):
    return output([ablate, "--data", data, "prepare", *words], quiet=True)
