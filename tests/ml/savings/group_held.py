"""Held buildings as comparison groups: each in turn saves a known share, all others correct it. Figures: python -m."""

import sys
from collections.abc import Sequence
from datetime import date
from pathlib import Path
from typing import NamedTuple

import numpy as np
import polars as pl

from assets.kpi.claims.comparison_group import CorrectedSavings
from data_quality.contracts.finding import Finding
from ml.baselines.models.fit import fit_usage
from ml.baselines.savings.comparison import Member, compared_group
from ml.baselines.savings.savings import savings
from ml.baselines.usage_tables.usage_table import Usage, usage_of
from tests.conftest import SHARED_DATA
from tests.ml.savings.samples import cambridge

SHARE = 0.10
# Two weathers and uses: universities of a hot and of a temperate place.
BDG2 = {"Fox": "America/Phoenix", "Rat": "Etc/GMT+5", "Bear": "America/Los_Angeles"}


class Case(NamedTuple):
    """One building as the one with the measure: errors and half-widths of both savings, shares of the expected."""

    name: str
    plain: float
    plain_half: float
    corrected: float
    corrected_half: float


def bdg2(folder: Path, site: str) -> dict[str, Usage]:
    """Days of 2016 and 2017 of a site's buildings by their own clock; no weather of 2017 is held."""
    rows = pl.read_parquet(folder / "sites_bdg2" / "electricity_hourly.parquet")
    rows = rows.filter(pl.col("building_id").cast(pl.String).str.starts_with(f"{site}_"))
    found = {}
    for (name,), each in rows.group_by("building_id", maintain_order=True):
        # Naive local times: a clock without daylight saving would shift an hour, and no day.
        start = pl.col("timestamp_local").dt.cast_time_unit("us").dt.replace_time_zone("UTC")
        readings = each.select(start_utc=start, minutes=pl.lit(60, pl.Int64), energy_kwh="kwh").sort("start_utc")
        found[str(name)] = usage_of(readings, frequency="daily", zone="UTC", zero_is_missing=True)
    return found


def with_saving(usage: Usage, start: date) -> Usage:
    """The usage with a tenth less from the day on."""
    is_after = pl.col("local_start").dt.date() >= start
    energy = pl.col("energy_kwh")
    return usage.with_frame(
        usage.frame.with_columns(energy_kwh=pl.when(is_after).then(energy * (1 - SHARE)).otherwise(energy))
    )


def cases(usages: dict[str, Usage], train: tuple[date, date], report: tuple[date, date], model: str) -> list[Case]:
    """Every building in turn with a saving of a tenth; all others are its group."""
    found = []
    for name, usage in usages.items():
        fit = fit_usage(usage, start=train[0], end=train[1], model=model)
        if isinstance(fit, Finding):
            continue
        own = with_saving(usage, report[0])
        query = {"report_start": report[0], "report_end": report[1], "measures": [report[0]], "resamples": 0}
        made = savings(fit, own, **query)  # type: ignore[arg-type]
        if isinstance(made, Finding) or made.coverage < 0.9:
            continue
        others = [Member(other, each) for other, each in usages.items() if other != name]
        extra = compared_group(fit, made, others, model=model)
        if not isinstance(extra, CorrectedSavings):
            continue
        # What was saved is a ninth of what was still used.
        truth = made.actual_kwh * SHARE / (1 - SHARE)
        found.append(
            Case(
                name,
                *(
                    value / made.expected_kwh
                    for each in (made, extra)
                    for value in (each.savings_kwh - truth, each.uncertainty_kwh)
                ),
            )
        )
    return found


def summary(title: str, found: Sequence[Case]) -> str:
    """Median absolute error and share of bands that hold the truth, of both savings."""
    plain, corrected = (np.array([(each[place], each[place + 1]) for each in found]) for place in (1, 3))
    parts = [
        f"median error {np.median(np.abs(each[:, 0])):.1%}, holds "
        f"{int(np.sum(np.abs(each[:, 0]) <= each[:, 1]))} of {len(each)} in ± {np.median(each[:, 1]):.1%}"
        for each in (plain, corrected)
    ]
    return f"{title}: uncorrected {parts[0]}; corrected {parts[1]}"


def estate_of_bdg2(folder: Path, site: str) -> list[Case]:
    """Baseline 2016, reported 2017, by days of the week alone."""
    years = (date(2016, 1, 1), date(2017, 1, 1)), (date(2017, 1, 1), date(2018, 1, 1))
    return cases(bdg2(folder, site), *years, model="multivariate")


def estate_of_cambridge(folder: Path, year: int) -> list[Case]:
    """Electricity, the year before as the baseline."""
    meters = pl.read_csv(folder / "sites_cambridge" / "meters.csv.gz").filter(pl.col("meter") == "electricity")
    names = sorted(meters["building_id"].to_list())
    usages = {name: cambridge(folder / "sites_cambridge", name, "electricity") for name in names}
    years = (date(year - 1, 1, 1), date(year, 1, 1)), (date(year, 1, 1), date(year + 1, 1, 1))
    return cases(usages, *years, model="change_point")


if __name__ == "__main__":
    for name in BDG2:
        sys.stdout.write(summary(f"BDG2 {name}, 2016 to 2017", estate_of_bdg2(SHARED_DATA, name)) + "\n")
    for wanted in (2019, 2020):
        sys.stdout.write(
            summary(f"Cambridge {wanted - 1} to {wanted}", estate_of_cambridge(SHARED_DATA, wanted)) + "\n"
        )
