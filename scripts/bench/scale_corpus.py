#!/usr/bin/env python3
"""Writes a parallel text of the size and the statistics of WMT 2014 English-German, from a seed.

    scripts/bench/scale_corpus.py DIR [--pairs 4500000]      DIR/train.{en,de}, and dev and test of 3,000 pairs each

Only numpy is needed. What is imitated, with the values of OpenNMT's 10,000 pairs of WMT and of Europarl's first 20,000:

- lengths: words of a source sentence log-normal (median 21, mean 25, at most 100), of its translation by a factor
  that is log-normal too (mean 0.92) and varies less the longer the sentence;
- words: a Zipf distribution over 1.2 million English and 2 million German words, so that pieces that occur once or
  twice are as many as in the real text; frequent words are short, and words share syllables, so that BPE finds some;
- numbers, commas, quotes, capitals, umlauts and full stops.

The sentences mean nothing: a model would learn nothing from them. Which words stand together does not matter to
BPE, and lengths alone matter to batching. The same arguments give the same bytes.
"""

import argparse
import contextlib
import multiprocessing
import pathlib

import numpy as np

# Number of pairs that are drawn at a time.
BLOCK = 25_000
# Filled before the processes are forked.
VOCABULARIES = {}
# Of each language: words, exponent of their Zipf law, syllables that a word may end in, and the parts of syllables.
LANGUAGES = {
    "en": (1_200_000, 1.2, 80, "b c d f g h j k l m n p r s t v w th st tr ch sh pr".split(), "a e i o u ea ou io".split(), " n r s t l d nd st ck".split(" ")),
    "de": (2_000_000, 1.15, 250, "b d f g h k l m n p r s t w z sch st pf br str".split(), "a e i o u ei ie ä ö ü au".split(), " n r s t l ch nd st ng".split(" ")),
}


def syllables(rng, onsets, nuclei, codas):
    """Every syllable of a language, 30 short ones first, in an order that is otherwise chance."""
    every = [onset + nucleus + coda for onset in onsets for nucleus in nuclei for coda in codas]
    shuffled = [every[index] for index in rng.permutation(len(every))]
    short = sorted(shuffled, key=len)[:30]
    return short + [syllable for syllable in shuffled if syllable not in set(short)]


def words(count, parts, endings):
    """The word of every rank, each once: one syllable for the first, two and three for the later ones."""
    first = parts[:300]
    found = list(first)
    while len(found) < count:
        first = [beginning + end for beginning in first for end in parts[:endings]]
        found.extend(first[: count - len(found)])
    distinct = list(dict.fromkeys(found))
    # Names and, in German, nouns.
    return [word.capitalize() if rank % 3 == 2 else word for rank, word in enumerate(distinct)]


def drawn(rng, ranks, exponent, count):
    """Ranks below `ranks`, each with a probability of about (rank + 2.7) ** -exponent: Zipf as Mandelbrot has it."""
    power = 1 - exponent
    first, last = 2.7**power, (ranks + 2.7) ** power
    return np.minimum(((first + rng.random(count) * (last - first)) ** (1 / power) - 2.7).astype(np.int64), ranks - 1)


def lengths(rng, count):
    """Words of the source and the target sentences."""
    source = np.clip(np.rint(np.exp(rng.normal(3.05, 0.6, count))), 1, 100)
    factor = np.exp(rng.normal(-0.08, 0.25, count) * np.sqrt(20 / (source + 10)))
    return source.astype(np.int64), np.clip(np.rint(source * factor), 1, 120).astype(np.int64)


def lines(rng, vocabulary, exponent, counts):
    """Draws a sentence for each of `counts`, which are numbers of words."""
    ranks = drawn(rng, len(vocabulary), exponent, int(counts.sum()))
    kinds = rng.random(len(ranks))
    numbers = np.exp(rng.random(len(ranks)) * 9).astype(np.int64)
    text = [vocabulary[rank] for rank in ranks.tolist()]
    for place in np.flatnonzero(kinds < 0.1).tolist():
        if kinds[place] < 0.02:
            text[place] = str(numbers[place])
        elif kinds[place] < 0.03:
            text[place] = f'"{text[place]}"'
        else:
            text[place] += ","
    end = 0
    for count in counts.tolist():
        line = " ".join(text[end : end + count]).removesuffix(",")
        end += count
        yield line[0].upper() + line[1:] + "."


def block(place):
    """The two sides of one block of a split, as text."""
    seed, split, number, pairs = place
    rng = np.random.Generator(np.random.PCG64([seed, split, number]))
    sides = zip(LANGUAGES, lengths(rng, pairs))
    return ["\n".join(lines(rng, VOCABULARIES[name], LANGUAGES[name][1], side)) + "\n" for name, side in sides]


def vocabularies(seed):
    """The words of each language, by rank."""
    rng = np.random.Generator(np.random.PCG64(seed))
    return {
        name: words(count, syllables(rng, *parts), endings) for name, (count, _, endings, *parts) in LANGUAGES.items()
    }


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("directory", type=pathlib.Path)
    parser.add_argument("--pairs", type=int, default=4_500_000)
    parser.add_argument("--seed", type=int, default=2014)
    arguments = parser.parse_args()
    arguments.directory.mkdir(parents=True, exist_ok=True)
    VOCABULARIES.update(vocabularies(arguments.seed))
    # Each block has a generator of its own, so that the number of processes changes nothing.
    with multiprocessing.get_context("fork").Pool() as pool:
        for split, (name, pairs) in enumerate([("dev", 3_000), ("test", 3_000), ("train", arguments.pairs)]):
            starts = range(0, pairs, BLOCK)
            places = [(arguments.seed, split, start // BLOCK, min(BLOCK, pairs - start)) for start in starts]
            with contextlib.ExitStack() as stack:
                paths = [arguments.directory / f"{name}.{language}" for language in LANGUAGES]
                files = [stack.enter_context(open(path, "w", encoding="utf-8")) for path in paths]
                for sides in pool.imap(block, places):
                    for file, side in zip(files, sides):
                        file.write(side)


if __name__ == "__main__":
    main()
