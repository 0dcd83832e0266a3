"""What the tables of peers.py share."""

import statistics
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent.parent


def spread(numbers):
    ordered = sorted(numbers)
    low, high = ordered[len(ordered) // 10], ordered[min(len(ordered) - 1, 9 * len(ordered) // 10)]
    return f"{digits(statistics.median(ordered))} ({digits(low)}–{digits(high)})"


def digits(number):
    return f"{number:.0f}" if number >= 100 else f"{number:.3g}"
