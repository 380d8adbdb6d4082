"""Random numbers with names: the same seed, year and name give the same series, whatever else is drawn."""

import zlib

import numpy as np
from numpy.typing import NDArray

Series = NDArray[np.float64]
Counts = NDArray[np.int64]


def generator(seed: int, *names: str | int) -> np.random.Generator:
    """A generator of its own for each name, so that adding a stream never changes another."""
    # CRC and not hash(): Python salts the hash of a text anew in every process.
    return np.random.default_rng([seed, *(zlib.crc32(str(name).encode()) for name in names)])


def ar1(rng: np.random.Generator, *, count: int, rho: float, sigma: float) -> Series:
    """Autoregressive noise of order one with standard deviation sigma and lag-one correlation rho, mean 0."""
    # The factor keeps the spread at sigma whatever rho is: the variance is steps² / (1 - rho²).
    steps = rng.normal(0.0, sigma * float(np.sqrt(1 - rho * rho)), count)
    found = np.empty(count)
    # Starts in its steady state, or the first days of a year would be calmer than the rest.
    level = float(rng.normal(0.0, sigma))
    for index, step in enumerate(steps.tolist()):
        level = rho * level + step
        found[index] = level
    return found


def trailing_mean(values: Series, count: int) -> Series:
    """Mean of each value and of those before it, `count` in all; before the first there is the first."""
    # Padded at the front, because a house does not know tomorrow's weather.
    return np.convolve(np.pad(values, (count - 1, 0), mode="edge"), np.full(count, 1 / count), mode="valid")
