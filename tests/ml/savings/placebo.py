"""Buildings that saved nothing: undisturbed, stepped, drifting or dark for weeks. Long run: python -m, for the docs."""

import sys
from dataclasses import dataclass
from datetime import date, timedelta

import numpy as np

from data_quality.contracts.finding import Finding
from ml.baselines.models.fit import fit_usage
from ml.baselines.savings.savings import Savings, savings
from ml.baselines.usage_tables.usage_table import Usage
from tests.ml.savings.simulated import SPLIT, START, building, daily_usage

KINDS = ("none", "step", "drift", "outage")
END = date(2024, 1, 1)


@dataclass(frozen=True)
class Disturbed:
    """A building whose use changed for another reason than a measure, and by what share at the end."""

    usage: Usage
    share: float


def disturbed(seed: int, kind: str, *, drift: tuple[float, float] = (0.05, 0.3)) -> Disturbed:
    """Two years, daily, without a saving.

    step: ±15 to 60 % from a day on. drift: a line over both years, by `drift` a year, up or down. outage: 4 to 12 weeks
    of the reporting year at a tenth of the use. none: noise alone.
    """
    plain = building(seed, share=0.0).usage
    frame = plain.frame
    energy, temps = (frame[name].cast(float).to_numpy().copy() for name in ("energy_kwh", "temp_degc"))
    rng = np.random.default_rng(1000 + seed)
    days, n = np.arange(len(energy)), (SPLIT - START).days
    factor = np.ones(len(energy))
    if kind == "step":
        factor[rng.integers(120, n + 300) :] += rng.choice([-1, 1]) * rng.uniform(0.15, 0.6)
    elif kind == "drift":
        factor += rng.choice([-1, 1]) * rng.uniform(*drift) * (days - n / 2) / 365
    elif kind == "outage":
        first = rng.integers(n, n + 250)
        factor[first : first + 7 * rng.integers(4, 13)] = 0.1
    dates = [START + timedelta(days=int(i)) for i in days]
    return Disturbed(daily_usage(dates, energy * factor, temps), float(factor[-1] - 1))


def placebo(made: Disturbed) -> Savings | None:
    """Savings claimed of the second year; None where the first gives no baseline."""
    fit = fit_usage(made.usage, start=START, end=SPLIT)
    if isinstance(fit, Finding):
        return None
    found = savings(fit, made.usage, report_start=SPLIT, report_end=END, resamples=0)
    return found if isinstance(found, Savings) else None


def main(count: int) -> None:
    """Shares of buildings with a claim, with one over 5 % that nothing qualifies, and with a blocking finding."""
    cases = [("none", (0.0, 0.0)), ("step", (0.0, 0.0)), ("outage", (0.0, 0.0))]
    cases += [("drift", (size, size)) for size in (0.02, 0.05, 0.1, 0.2)]
    for kind, drift in cases:
        found = [each for seed in range(count) if (each := placebo(disturbed(seed, kind, drift=drift))) is not None]
        claims = [each for each in found if each.claimed_kwh is not None]
        large = [each for each in claims if not any(f.code == "within_usual_drift" for f in each.findings)]
        barred = [each for each in found if any(f.code == "non_routine_event" for f in each.findings)]
        text = f"{kind} {drift[0]:.0%}" if kind == "drift" else kind
        parts = [f"{len(part) / len(found):.1%}" for part in (claims, large, barred)]
        sys.stdout.write(f"{text}: n {len(found)}, claims {parts[0]}, over 5 % {parts[1]}, barred {parts[2]}\n")


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 200)
