#!/usr/bin/env python3
"""Writes tests/fixtures/search.json: results of Optuna's TPESampler on the same draws, and the quality of its searches.

    python3 -m venv .venv && .venv/bin/pip install optuna==5.0.0
    .venv/bin/python scripts/make_search_fixtures.py

Unit tests of crates/sweep/src/search compare. Two kinds of entries:

- "densities": made-up draws with results; which of them Optuna counts among the best, and the logarithms of its two
  densities at given points, for the keys that every draw has together and for each other key alone;
- "functions": the best value after 50 and after 100 draws of 100 searches with Optuna's defaults, and of as many random ones.

The file is the same on every run with one version of Optuna and NumPy. It takes a few minutes.
"""

import json
import math
import pathlib
import platform
import random
import warnings

import numpy
import optuna
from optuna.distributions import CategoricalDistribution, FloatDistribution, IntDistribution
from optuna.samplers import RandomSampler, TPESampler
from optuna.samplers._tpe.sampler import _split_trials, default_gamma
from optuna.trial import TrialState, create_trial

OUTPUT = pathlib.Path(__file__).parent.parent / "tests/fixtures/search.json"
SEEDS = 100
DRAWS = [50, 100]


def domain(distribution):
    """A distribution as the tests read it."""
    if isinstance(distribution, CategoricalDistribution):
        return {"choices": len(distribution.choices)}
    kind = "integer" if isinstance(distribution, IntDistribution) else "log_uniform" if distribution.log else "uniform"
    return {kind: [distribution.low, distribution.high]}


def density_case(name, space, make_draw, count, outcomes, seed):
    """`outcomes(number, generator)` gives ("finished", value), ("halved", step, loss) or ("running",)."""
    generator = random.Random(seed)
    study = optuna.create_study(direction="minimize")
    draws = []
    # Equal values would have bandwidths in the order in which NumPy sorts them, which depends on the machine.
    integers = generator.sample(range(1, 401), count)
    for number in range(count):
        values = make_draw(generator, integers[number])
        chosen = {key: space[key] for key in values}
        outcome = outcomes(number, generator)
        state = {"finished": TrialState.COMPLETE, "halved": TrialState.PRUNED, "running": TrialState.RUNNING}[outcome[0]]
        study.add_trial(
            create_trial(
                params=values,
                distributions=chosen,
                state=state,
                value=outcome[1] if outcome[0] == "finished" else None,
                intermediate_values={outcome[1]: outcome[2]} if outcome[0] == "halved" else None,
            )
        )
        draws.append((values, outcome))
    trials = study.get_trials(deepcopy=False)
    results = [trial for trial in trials if trial.state != TrialState.RUNNING]
    below, above = _split_trials(study, trials, default_gamma(len(results)))
    common = [key for key in space if all(key in trial.params for trial in results)]
    groups = ([common] if common else []) + [[key] for key in space if key not in common]
    sampler = TPESampler(seed=seed)
    densities = []
    for keys in groups:
        part = {key: space[key] for key in keys}
        estimators = [
            sampler._build_parzen_estimator(study, part, trials, handle_below=is_below)
            for trials, is_below in [(below, True), (above, False)]
        ]
        points = estimators[0].sample(numpy.random.RandomState(seed), 5)
        more = estimators[1].sample(numpy.random.RandomState(seed + 1), 5)
        points = {key: numpy.concatenate([points[key], more[key]]) for key in keys}
        logs = [estimator.log_pdf(points) for estimator in estimators]
        densities.append(
            {
                "keys": [list(space).index(key) for key in keys],
                "points": [[float(points[key][at]) for key in keys] for at in range(10)],
                "best": logs[0].tolist(),
                "others": logs[1].tolist(),
            }
        )
    internal = lambda key, value: float(space[key].to_internal_repr(value))
    return {
        "name": name,
        "domains": [domain(distribution) for distribution in space.values()],
        "draws": [
            {
                "values": [internal(key, values[key]) if key in values else None for key in space],
                "outcome": {outcome[0]: list(outcome[1:])},
            }
            for values, outcome in draws
        ],
        "best": [trial.number for trial in below],
        "densities": densities,
    }


def finished(number, generator):
    return ("finished", generator.gauss(0, 1))


def mixed(number, generator):
    """Some halved at one of two updates, and the latest three under way."""
    if number >= 41:
        return ("running",)
    if number % 3 == 0:
        return ("halved", generator.choice([100, 300]), generator.gauss(3, 1))
    return ("finished", generator.gauss(0, 1))


def mostly_halved(number, generator):
    """Fewer finished draws than count among the best."""
    return ("finished", 1.0) if number == 5 else ("halved", 100 if number % 4 else 300, generator.gauss(3, 1))


NUMBERS = {
    "dropout": FloatDistribution(0.0, 0.3),
    "rate": FloatDistribution(1e-4, 1.0, log=True),
    "warmup": IntDistribution(1, 400),
    "norm": CategoricalDistribution(["pre", "post", "none"]),
}


def numbers(generator, integer):
    return {
        "dropout": generator.uniform(0.0, 0.3),
        "rate": math.exp(generator.uniform(math.log(1e-4), 0.0)),
        "warmup": integer,
        "norm": generator.choice(["pre", "post", "none"]),
    }


CONDITIONAL = {
    "kind": CategoricalDistribution(["a", "b", "c"]),
    "w": FloatDistribution(0.0, 1.0),
    "x": FloatDistribution(-5.0, 5.0),
    "y": FloatDistribution(1e-4, 1.0, log=True),
    "z": IntDistribution(1, 8),
}


def conditional_draw(generator, _):
    values = {"kind": generator.choice(["a", "b", "c"]), "w": generator.random()}
    if values["kind"] == "a":
        values["x"] = generator.uniform(-5, 5)
    if values["kind"] == "b":
        values |= {"y": 10 ** generator.uniform(-4, 0), "z": generator.randint(1, 8)}
    return values


def branin(trial):
    """Branin 1972; the least value is 0.397887."""
    x, y = trial.suggest_float("x", -5, 10), trial.suggest_float("y", 0, 15)
    inner = y - 5.1 / (4 * math.pi**2) * x**2 + 5 / math.pi * x - 6
    return inner**2 + 10 * (1 - 1 / (8 * math.pi)) * math.cos(x) + 10


HARTMANN_WEIGHTS = [1.0, 1.2, 3.0, 3.2]
HARTMANN_A = [
    [10, 3, 17, 3.5, 1.7, 8],
    [0.05, 10, 17, 0.1, 8, 14],
    [3, 3.5, 1.7, 10, 17, 8],
    [17, 8, 0.05, 10, 0.1, 14],
]
HARTMANN_P = [
    [0.1312, 0.1696, 0.5569, 0.0124, 0.8283, 0.5886],
    [0.2329, 0.4135, 0.8307, 0.3736, 0.1004, 0.9991],
    [0.2348, 0.1451, 0.3522, 0.2883, 0.3047, 0.6650],
    [0.4047, 0.8828, 0.8732, 0.5743, 0.1091, 0.0381],
]


def hartmann6(trial):
    """Hartmann 1972 in six dimensions; the least value is -3.32237."""
    x = [trial.suggest_float(f"x{index}", 0, 1) for index in range(6)]
    total = 0.0
    for weight, a, p in zip(HARTMANN_WEIGHTS, HARTMANN_A, HARTMANN_P):
        total -= weight * math.exp(-sum(a[index] * (x[index] - p[index]) ** 2 for index in range(6)))
    return total


def conditional(trial):
    """A choice that decides which other keys there are; the least value is 0."""
    kind, w = trial.suggest_categorical("kind", ["a", "b", "c"]), trial.suggest_float("w", 0, 1)
    value = (w - 0.3) ** 2
    if kind == "a":
        return value + 0.5 + 0.1 * (trial.suggest_float("x", -5, 5) - 1) ** 2
    if kind == "b":
        y, z = trial.suggest_float("y", 1e-4, 1, log=True), trial.suggest_int("z", 1, 8)
        return value + 0.5 * (math.log10(y) + 2.3) ** 2 + 0.1 * abs(z - 5)
    return value + 0.8


def searches(function, sampler):
    """For each number of draws, the best values of all searches."""
    best = {str(draws): [] for draws in DRAWS}
    for seed in range(SEEDS):
        study = optuna.create_study(direction="minimize", sampler=sampler(seed=seed))
        study.optimize(function, n_trials=max(DRAWS))
        values = [trial.value for trial in study.trials]
        for draws in DRAWS:
            best[str(draws)].append(min(values[:draws]))
    return best


def main():
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    warnings.simplefilter("ignore")
    densities = [
        density_case("numbers", NUMBERS, numbers, 12, finished, 1),
        density_case("one of the best", NUMBERS, numbers, 10, finished, 2),
        density_case("many", NUMBERS, numbers, 64, finished, 3),
        density_case("halved and running", NUMBERS, numbers, 44, mixed, 4),
        density_case("mostly halved", NUMBERS, numbers, 30, mostly_halved, 5),
        density_case("conditional", CONDITIONAL, conditional_draw, 40, finished, 6),
        density_case("conditional and running", CONDITIONAL, conditional_draw, 44, mixed, 7),
    ]
    functions = [
        {
            "name": function.__name__,
            "optuna": searches(function, TPESampler),
            "random": searches(function, RandomSampler),
        }
        for function in [branin, hartmann6, conditional]
    ]
    fixture = {
        "optuna": optuna.__version__,
        "numpy": numpy.__version__,
        "python": platform.python_version(),
        "densities": densities,
        "functions": functions,
    }
    OUTPUT.write_text(json.dumps(fixture, indent=1) + "\n")


if __name__ == "__main__":
    main()
