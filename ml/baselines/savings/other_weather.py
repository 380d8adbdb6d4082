"""Weather normalisation between places: the factor from a meter's own use to its use under the weather of others."""

from collections.abc import Collection, Mapping
from datetime import date, timedelta

import numpy as np
import polars as pl

from data_quality.contracts.finding import Finding
from ml.baselines.models.fit import Fit, fit_usage
from ml.baselines.usage_tables.usage_table import Usage


def weather_factors(
    usages: Mapping[str, Usage], stations: Mapping[str, str], groups: Collection[Collection[str]]
) -> tuple[dict[str, float], list[Finding]]:
    """Site -> energy expected under the mean of its group's weathers over that under its own, by its daily baseline.

    usages: daily, with temperatures, of the sites of one period. stations: site -> whose weather it has; a weather
    counts as often as the group has sites under it. A site without a baseline has no factor, and a finding says why.
    """
    fits: dict[str, Fit] = {}
    findings: list[Finding] = []
    for site, usage in usages.items():
        first: date = usage.frame["local_start"].dt.date()[0]
        last: date = usage.frame["local_start"].dt.date()[-1]
        found = fit_usage(usage, start=first, end=last + timedelta(days=1))
        if isinstance(found, Fit):
            fits[site] = found
        else:
            findings.append(found.model_copy(update={"severity": "warning", "scope": f"site:{site}"}))
    factors: dict[str, float] = {}
    for group in groups:
        of_group = [site for site in group if site in fits]
        weathers = {stations[site]: _days(usages[site]) for site in of_group}
        for site in of_group:
            parts = [_ratio(fits[site], usages[site], weathers[stations[other]]) for other in of_group]
            known = [ratio for ratio in parts if ratio is not None]
            if known:
                factors[site] = float(np.mean(known))
    return factors, findings


def _ratio(fit: Fit, usage: Usage, weather: pl.DataFrame) -> float | None:
    """Expected energy under another weather over that under its own, on the days that both know."""
    own = usage.frame.drop("temp_degc").with_columns(local_date=pl.col("local_start").dt.date())
    order = usage.frame.columns
    other = own.join(weather, on="local_date", how="left", maintain_order="left").select(order)
    here, there = fit.predict(usage), fit.predict(usage.with_frame(other))
    known = np.isfinite(here) & np.isfinite(there)
    base = float(here[known].sum())
    return float(there[known].sum()) / base if base > 0 else None


def _days(usage: Usage) -> pl.DataFrame:
    """local_date, temp_degc."""
    return usage.frame.select("temp_degc", local_date=pl.col("local_start").dt.date()).drop_nulls()
