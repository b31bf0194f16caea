#!/usr/bin/env python3
"""Compares word vectors of `ablate` with those that gensim's word2vec trains on the same text.

    pip install gensim==4.4.0 tokenizers==0.23.3
    scripts/check_word2vec.py --ablate target/release/ablate [--text FILE] [--json]

The text is made up: each sentence has words of one of twelve topics, between words that all topics share, so that what the
nearest words of a word should be is known. Both models, skip-gram and CBOW, are trained by both programs with the same
width, window, noise words and threshold, over as many epochs, and gensim loads what `ablate export --format word2vec` has
written. Compared are, by the same function of gensim's on both files: which words there are and how often, the number of
words, and the share of the ten nearest words that are of a word's own topic, where ablate may fall short of gensim by little.
With --text the words are those of a real text, and compared is how many of the ten nearest words of frequent words both
programs agree on, against how many gensim agrees on with itself under another seed. Exits with 1 where anything is beyond
its tolerance.
"""

import argparse
import random
import sys
import tempfile
from collections import Counter
from pathlib import Path

from gensim.models import KeyedVectors, Word2Vec
from tokenizers import Tokenizer

from checks import Checks, detail, package
from programs import output
from stores import read_store

TOPICS, WORDS_OF_TOPIC, SHARED = 12, 20, 30
NEAREST = 10
# Largest amount by which ablate's share may be lower than gensim's.
SHORTFALL = 0.03
# Largest amount by which ablate's agreement with gensim may be lower than gensim's agreement with itself.
DISAGREEMENT = 0.05
SETTINGS = {"vector_size": 50, "window": 5, "negative": 5, "sample": 1e-3, "epochs": 20}
RATES = {"skip_gram": 0.025, "cbow": 0.05}
BLOCK = 1000

EXPERIMENT = """
[data]
recipe = "recipe.toml"
[model]
encoder = "none"
decoder = "none"
d_model = {width}
[training]
steps = {steps}
batch_tokens = {tokens}
micro_batch_tokens = {tokens}
schedule = "linear"
peak_learning_rate = 1e-2
warmup_steps = 1
adam_beta2 = 0.999
adam_epsilon = 1e-12
dev_interval_steps = 0
checkpoint_interval_steps = 0
average_checkpoints = 1
[training.words]
model = "{model}"
window = {window}
negatives = {negative}
subsampling = {sample}
[run]
device = "cpu"
tensorboard = false
sample_sentences = 0
projector_tokens = 0
"""

RECIPE = """
name = "words"
source_language = "en"
target_language = "en"
[data]
merges = 20_000
max_length = {block}
[corpus.files]
train = [{{ source = "train.txt", target = "train.txt", format = "running" }}]
dev = {{ source = "dev.txt", target = "dev.txt", format = "running" }}
test = {{ source = "dev.txt", target = "dev.txt", format = "running" }}
"""


def made_up(lines, seed):
    """Lines of words, and the topic of each word that has one."""
    draw = random.Random(seed)
    topics = [[f"{chr(97 + topic)}word{chr(97 + n)}" for n in range(WORDS_OF_TOPIC)] for topic in range(TOPICS)]
    shared = [f"common{chr(97 + n % 26)}{chr(97 + n // 26)}" for n in range(SHARED)]
    text = []
    for _ in range(lines):
        own = draw.choice(topics)
        text.append(" ".join(draw.choice(own) if draw.random() < 0.3 else draw.choice(shared) for _ in range(12)))
    return text, {word: number for number, topic in enumerate(topics) for word in topic}


def trained(program, folder, model, tokens):
    """Trains ablate's vectors on the text of the folder; returns them as gensim loads them."""
    batch = min(4 * BLOCK, tokens)
    steps = max(1, round(SETTINGS["epochs"] * tokens / batch))
    values = {name: SETTINGS[name] for name in ("window", "negative", "sample")}
    text = EXPERIMENT.format(width=SETTINGS["vector_size"], steps=steps, tokens=batch, model=model, **values)
    (folder / f"{model}.toml").write_text(text)
    places = ["--data", folder / "data", "--results", folder / "results"]
    output([program, *places, "train", folder / f"{model}.toml"], quiet=True)
    out = folder / f"vectors-{model}"
    export = ["export", folder / "results" / model / "seed-1", "--format", "word2vec", "--out", out]
    output([program, *places, *export], quiet=True)
    return KeyedVectors.load_word2vec_format(str(out / "vectors.txt"))


def of_gensim(blocks, model, seed=1):
    """Trains gensim's vectors on blocks of words, word by word in one thread."""
    found = Word2Vec(
        blocks,
        sg=int(model == "skip_gram"),
        alpha=RATES[model],
        min_count=1,
        workers=1,
        seed=seed,
        **SETTINGS,
    )
    return found.wv


def near(vectors, word):
    return {other for other, _ in vectors.most_similar(word, topn=NEAREST)}


def share_of_topic(vectors, topic_of):
    shares = [sum(topic_of.get(other) == topic for other in near(vectors, word)) for word, topic in topic_of.items()]
    return sum(shares) / len(shares) / NEAREST


def overlap(one, other, words):
    return sum(len(near(one, word) & near(other, word)) for word in words) / len(words) / NEAREST


def tokens_of(program, folder):
    """The tokens of the training text in order, spelt as in the export, from what `ablate prepare` has written."""
    places = ["--data", folder / "data"]
    prepared = Path(output([program, *places, "prepare", folder / "recipe.toml", "--source", folder], quiet=True).strip())
    tokenizer = Tokenizer.from_file(str(prepared / "tokenizer.json"))
    blocks = read_store(prepared / "train.store")[1]
    return [[tokenizer.id_to_token(int(token)) for token in block] for block in blocks]


def plain(token):
    """A token of `tokenizer.json` as the export spells it: a word without its marks, another token unchanged."""
    word = token.removesuffix("</w>").removeprefix("Ġ")
    return word if token.endswith("</w>") and word.isascii() else token


def compare(checks, program, folder, text, topic_of):
    (folder / "train.txt").write_text("\n".join(text) + "\n")
    (folder / "dev.txt").write_text("\n".join(text[: len(text) // 20]) + "\n")
    (folder / "recipe.toml").write_text(RECIPE.format(block=BLOCK))
    blocks = [[plain(token) for token in block] for block in tokens_of(program, folder)]
    tokens = sum(map(len, blocks))
    counts = Counter(token for block in blocks for token in block)
    peer = package("gensim")
    for model in RATES:
        ours, theirs = trained(program, folder, model, tokens), of_gensim(blocks, model)
        what = f"{'a real text' if topic_of is None else 'topics'}, {model}"
        size = f"{len(ours)} words, {tokens} tokens"
        if topic_of is not None:
            checks.add(f"{what}: exported words", peer, size, len(set(ours.index_to_key) ^ set(theirs.index_to_key)))
            falling = [counts[word] for word in ours.index_to_key]
            checks.add(f"{what}: words in the order of their counts", peer, size, int(falling != sorted(falling)[::-1]))
            shares = [share_of_topic(vectors, topic_of) for vectors in (ours, theirs)]
            detail(f"{what}: {shares[0]:.4f} of the nearest words are of the topic by ablate, {shares[1]:.4f} by gensim")
            checks.add(f"{what}: nearest words of the topic, shortfall", peer, size, max(0.0, shares[1] - shares[0]), SHORTFALL)
            continue
        both = [word for word in theirs.index_to_key if word in ours]
        frequent = [word for word in both if word.isalpha()][50:550]
        other = of_gensim(blocks, model, seed=2)
        ours_with_theirs, theirs_with_theirs = overlap(ours, theirs, frequent), overlap(theirs, other, frequent)
        detail(f"{what}: {ours_with_theirs:.4f} of the nearest words are gensim's, which has {theirs_with_theirs:.4f} with itself")
        gap = max(0.0, theirs_with_theirs - ours_with_theirs)
        checks.add(f"{what}: nearest words in common, shortfall", peer, size, gap, DISAGREEMENT)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--ablate", required=True)
    parser.add_argument("--text", type=Path, help="a real text, line by line")
    parser.add_argument("--json", action="store_true")
    arguments = parser.parse_args()
    checks = Checks()
    program = str(Path(arguments.ablate).resolve())
    with tempfile.TemporaryDirectory() as folder:
        text, topic_of = made_up(4000, 1)
        compare(checks, program, Path(folder), text, topic_of)
    if arguments.text:
        with tempfile.TemporaryDirectory() as folder:
            text = arguments.text.read_text(encoding="utf-8").splitlines()
            compare(checks, program, Path(folder), text, None)
    return checks.finish(arguments.json)


if __name__ == "__main__":
    sys.exit(main())
