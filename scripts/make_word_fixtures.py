#!/usr/bin/env python3
"""Writes tests/fixtures/words.json: losses and gradients of word vectors with negative sampling, computed in plain numpy.

    pip install numpy==2.4.6
    scripts/make_word_fixtures.py

The formulas are those of Mikolov et al. 2013: the loss of a prediction is -ln s(u_o . h) - sum ln s(-u_n . h), where s is the
logistic function, u_o the output vector of the predicted word and u_n those of its noise words, and h the input vector of
the word in the middle (skip-gram) or the mean of those of the context (CBOW). A noise word that is the predicted word is
left out, as in the released code. The gradients are written out by hand: no program differentiates here.

tests/runs/word_vectors.rs compares the model, the loss and its gradients with them; both compute the weights from their places.
"""

import json
from pathlib import Path

import numpy as np

FIXTURE = Path(__file__).resolve().parent.parent / "tests" / "fixtures" / "words.json"
VOCABULARY, WIDTH = 11, 4
# Words that are read, the word that is predicted, its noise words. Some noise words are the predicted word, or stand twice.
SKIP_GRAM = [
    ([5], 6, [7, 3, 7]),
    ([5], 4, [4, 9, 10]),
    ([6], 5, [8, 8, 3]),
    ([6], 7, [7, 7, 7]),
]
CBOW = [
    ([4, 6, 7], 5, [3, 9, 5]),
    ([5], 6, [10, 4, 4]),
    ([5, 6, 8, 5], 7, [3, 6, 9]),
]


def weights(first):
    """Numbers that follow from their places alone."""
    return np.sin(first + 1.7 * np.arange(VOCABULARY * WIDTH)).reshape(VOCABULARY, WIDTH)


def logistic(x):
    return 1.0 / (1.0 + np.exp(-x))


def case(name, predictions):
    given, output = weights(0.5), weights(0.9)
    loss, correct = 0.0, 0
    gradients = [np.zeros_like(given), np.zeros_like(output)]
    for words, target, noise in predictions:
        hidden = given[words].mean(axis=0)
        noise = [word for word in noise if word != target]
        score = output[target] @ hidden
        loss -= np.log(logistic(score)) + sum(np.log(logistic(-output[word] @ hidden)) for word in noise)
        correct += all(score > output[word] @ hidden for word in noise)
        # d loss / d score is s(score) - 1 of the word and s(score) of a noise word.
        slopes = [(target, logistic(score) - 1.0)] + [(word, logistic(output[word] @ hidden)) for word in noise]
        for word, slope in slopes:
            gradients[1][word] += slope * hidden
            for read in words:
                gradients[0][read] += slope * output[word] / len(words)
    return {
        "name": name,
        "predictions": [{"words": words, "target": target, "noise": noise} for words, target, noise in predictions],
        "loss": loss,
        "correct": correct,
        "input_gradient": gradients[0].flatten().tolist(),
        "output_gradient": gradients[1].flatten().tolist(),
    }


def main():
    cases = [case("skip_gram", SKIP_GRAM), case("cbow", CBOW)]
    fixture = {"numpy": np.__version__, "vocabulary": VOCABULARY, "width": WIDTH, "cases": cases}
    FIXTURE.write_text(json.dumps(fixture, indent=1) + "\n", encoding="utf-8")
    print(", ".join(f"{case['name']}: loss {case['loss']:.6f}, {case['correct']} right" for case in cases))


if __name__ == "__main__":
    main()
