#!/usr/bin/env python3
"""Writes tests/fixtures/importance.json: the importance of settings according to Optuna's PED-ANOVA evaluator.

    python3 -m venv .venv && .venv/bin/pip install optuna==5.0.0
    .venv/bin/python scripts/make_importance_fixtures.py

The trials are made up here. A unit test of crates/trial/src/results/importance.rs compares. The file is the same on
every run.
"""

import json
import math
import pathlib
import platform
import random
import warnings

import optuna
from optuna.distributions import CategoricalDistribution, FloatDistribution
from optuna.importance import PedAnovaImportanceEvaluator, get_param_importances
from optuna.trial import create_trial

OUTPUT = pathlib.Path(__file__).parent.parent / "tests/fixtures/importance.json"


def case(name, parameters, rows, best):
    """`parameters` has a distribution by name; each of `rows` is a score with its values by name."""
    study = optuna.create_study(direction="maximize")
    for score, values in rows:
        chosen = {key: parameters[key] for key in values}
        study.add_trial(create_trial(params=values, distributions=chosen, value=score))
    # Half a row more or less is the same number of rows, whatever the rounding.
    evaluator = PedAnovaImportanceEvaluator(target_quantile=(best - 0.5) / len(rows))
    shares = get_param_importances(study, evaluator=evaluator)
    given = []
    for key, distribution in parameters.items():
        is_choice = isinstance(distribution, CategoricalDistribution)
        value = distribution.choices.index if is_choice else float
        given.append(
            {
                "choices": len(distribution.choices) if is_choice else None,
                "range": None if is_choice else [distribution.low, distribution.high],
                "logarithmic": not is_choice and distribution.log,
                "values": [value(values[key]) if key in values else None for _, values in rows],
            }
        )
    return {
        "name": name,
        "parameters": given,
        "scores": [score for score, _ in rows],
        "best": best,
        "importances": [shares[key] for key in parameters],
    }


def grid(best, ties=False):
    rates, dropouts, positions = [0.5, 1.0, 2.0], [0.0, 0.1, 0.3], ["sinusoidal", "none"]
    parameters = {
        "rate": CategoricalDistribution(rates),
        "dropout": CategoricalDistribution(dropouts),
        "position": CategoricalDistribution(positions),
    }
    chance, rows = random.Random(1), []
    for rate in rates:
        for dropout in dropouts:
            for position in positions:
                score = 20 - 8 * (position == "none") - 5 * abs(math.log(rate)) - 3 * dropout + chance.gauss(0, 1)
                values = {"rate": rate, "dropout": dropout, "position": position}
                rows.append((round(score) if ties else score, values))
    return case(f"a grid of 18 rows, {best} best{', with equal scores' if ties else ''}", parameters, rows, best)


def draws(count, best):
    parameters = {
        "rate": FloatDistribution(0.01, 10.0, log=True),
        "dropout": FloatDistribution(0.0, 0.5),
        "smoothing": FloatDistribution(0.0, 0.3),
        "position": CategoricalDistribution(["sinusoidal", "none", "rotary"]),
    }
    chance, rows = random.Random(2), []
    for _ in range(count):
        values = {
            "rate": math.exp(chance.uniform(math.log(0.01), math.log(10.0))),
            "dropout": chance.uniform(0.0, 0.5),
            "smoothing": chance.uniform(0.0, 0.3),
            "position": chance.choice(["sinusoidal", "none", "rotary"]),
        }
        score = 30 - 4 * abs(math.log(values["rate"])) - 20 * (values["dropout"] - 0.1) ** 2
        score += {"sinusoidal": 0.0, "none": -6.0, "rotary": 0.5}[values["position"]]
        rows.append((score + chance.gauss(0, 0.5), values))
    return case(f"{count} draws, {best} best", parameters, rows, best)


def conditional(best):
    parameters = {
        "position": CategoricalDistribution(["learned", "none"]),
        "learned_positions": FloatDistribution(16.0, 512.0, log=True),
        "heads": CategoricalDistribution([1, 2, 4, 8]),
    }
    chance, rows = random.Random(3), []
    for number in range(40):
        values = {"position": chance.choice(["learned", "none"]), "heads": [1, 2, 4, 8][number % 4]}
        score = chance.gauss(0, 1) + math.log2(values["heads"])
        if values["position"] == "learned":
            values["learned_positions"] = math.exp(chance.uniform(math.log(16), math.log(512)))
            score += 3 + math.log(values["learned_positions"]) / 2
        rows.append((score, values))
    return case("a setting that half of the rows have", parameters, rows, best)


def main():
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    warnings.simplefilter("error")
    cases = [grid(5), grid(2), grid(9), grid(5, ties=True), draws(16, 5), draws(60, 6), draws(300, 30), conditional(6)]
    versions = {"python": platform.python_version(), "optuna": optuna.__version__}
    OUTPUT.write_text(json.dumps({"versions": versions, "cases": cases}, indent=1) + "\n")


if __name__ == "__main__":
    main()
