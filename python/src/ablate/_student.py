"""Quantiles of Student's t distribution, for intervals over seeds."""

import math


def quantile(probability: float, freedom: int) -> float:
    """The value below which a t variable with `freedom` degrees of freedom stays with `probability` (0.5 to 1).

    Source: Abramowitz and Stegun 1964, 26.7.3 and 26.7.4 (exact finite sums), inverted by bisection.
    """
    if freedom < 1 or not 0.5 <= probability < 1.0:
        raise ValueError(f"no quantile for probability {probability} and {freedom} degrees of freedom")
    low, high = 0.0, 1.0
    while _within(high, freedom) < 2 * probability - 1:
        high *= 2
    for _ in range(200):
        middle = (low + high) / 2
        if _within(middle, freedom) < 2 * probability - 1:
            low = middle
        else:
            high = middle
    return high


def _within(value: float, freedom: int) -> float:
    """The probability that |t| ≤ value."""
    angle = math.atan(value / math.sqrt(freedom))
    squared = math.cos(angle) ** 2
    term, total = 1.0, 0.0
    if freedom % 2 == 0:
        for index in range(freedom // 2):
            total += term
            term *= squared * (2 * index + 1) / (2 * index + 2)
        return math.sin(angle) * total
    for index in range((freedom - 1) // 2):
        total += term
        term *= squared * (2 * index + 2) / (2 * index + 3)
    return 2 / math.pi * (angle + math.sin(angle) * math.cos(angle) * total)
