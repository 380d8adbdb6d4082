"""Meters without any change, judged by several baseline years: how often the best year's band holds 100. python -m."""

import sys
from datetime import date

from ml.baselines.savings.best_of_years import BestOfYears, best_of_years
from tests.ml.savings.simulated import building


def unchanged(seed: int, *, years: int = 2) -> BestOfYears:
    """A meter that never changes, judged in the year behind its baseline years."""
    made = building(900_000 + seed, share=0.0, report_days=365 * years)
    trains = [(date(2022 + n, 1, 1), date(2023 + n, 1, 1)) for n in range(years)]
    return best_of_years(made.usage, trains=trains, report=(date(2022 + years, 1, 1), date(2023 + years, 1, 1)))


def holds_100(interval: tuple[float, float] | None) -> bool:
    """True where the interval holds what was to be expected."""
    return interval is not None and interval[0] <= 100.0 <= interval[1]


def main(count: int, years: int) -> None:
    """Coverage of the corrected band and of the uncorrected one, with the side on which they miss."""
    found = [unchanged(seed, years=years) for seed in range(count)]
    for name, each in (("corrected", "interval"), ("uncorrected", "uncorrected")):
        bands = [getattr(one, each) for one in found]
        hits, above = sum(map(holds_100, bands)), sum(low > 100 for low, _ in bands)
        print(  # noqa: T201
            f"{count} meters, best of {years} years, {name}: covers {hits / count:.1%}, "
            f"wrongly more in {above / count:.1%}, wrongly less in {1 - (hits + above) / count:.1%}",
            flush=True,
        )


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 500, int(sys.argv[2]) if len(sys.argv) > 2 else 2)
