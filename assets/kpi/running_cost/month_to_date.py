"""The running figures of a site's supply at an instant: month to date, demand window so far, projection, findings."""

from collections.abc import Mapping
from datetime import date, datetime, timedelta
from decimal import Decimal
from typing import Any, Self

import polars as pl

from assets.kpi.from_readings import COARSE
from assets.kpi.mart_windows import LOOK_BACK_DAYS
from data_quality.contracts.errors import BadInput
from data_quality.contracts.finding import Finding
from data_quality.contracts.model import Model
from data_quality.contracts.sentence import Sentence
from data_quality.contracts.site_file.site import Site
from data_quality.contracts.time import CANONICAL_MINUTES, local_day, months_after

_STEP = timedelta(minutes=CANONICAL_MINUTES)
_REASONS = {
    "no_tariff_in_force": "no tariff of the site file is in force",
    "price_gap": "energy without a known price is in no cost: the cost is what is known so far",
    "no_reactive_energy": "a charge needs reactive energy, which was not read: a power factor of 1 was taken",
    "too_little_history": "a weekday to come has fewer than two complete days in the 28 days before",
    "cost_unknown": "the cost of a day of the month, or of a weekday to come, is not known",
    "emission_unknown": "the emission of a day of the month, or of a weekday to come, is not known",
    "gap_in_month_to_date": "the month to date has gaps: what was not read is not in the projection",
}


_COSTS = ("cost", "energy_cost", "other_cost", "projected_cost")
_EMISSIONS = ("emission_kgco2e", "projected_emission_kgco2e")
_DEMANDS = ("peak_kw", "block_demand_kw", "projected_peak_kw")
# Of the projection's finding the fields that it is about: without enough history, or with a gap, each of them.
_AHEAD = {"cost_unknown": ("projected_cost",), "emission_unknown": ("projected_emission_kgco2e",)}
_ALL_AHEAD = ("projected_import_kwh", "projected_cost", "projected_emission_kgco2e", "projected_peak_kw")


class RunningFigures(Model):
    """Sums of the local month [month_start, at_utc); energies of the main meters, costs in `currency`.

    cost: as far as it is known; the energy of uncosted_minutes is not in it. block_demand_kw: mean power so far of the
    window of the demand charge that holds, None over a gap. projected_*: the whole month,
    as known at the local midnight that begins projected_on; None where it cannot be known, with a finding.
    """

    site_id: str
    at_utc: datetime
    month_start: date
    currency: str
    import_kwh: Decimal | None
    cost: Decimal | None
    energy_cost: Decimal | None
    other_cost: Decimal | None
    emission_kgco2e: Decimal | None
    peak_kw: float | None
    coverage: float
    uncosted_minutes: int
    demand_charge: str | None
    block_demand_kw: float | None
    block_minutes: int
    window_minutes: int
    projected_import_kwh: float | None = None
    projected_cost: float | None = None
    projected_emission_kgco2e: float | None = None
    projected_peak_kw: float | None = None
    projected_on: date | None = None
    method: str = ""
    findings: tuple[Finding, ...] = ()

    def touching(self, *measures: str) -> tuple[Finding, ...]:
        """The findings that belong to at least one of those fields."""
        return tuple(each for each in self.findings if any(each.touches(measure) for measure in measures))

    def with_coarse_source(self) -> Self:
        """With the finding of main meters that are read less often than the demand's window is long."""
        minutes = self.window_minutes
        message = f"the main meters are read less often than every {minutes} minutes: the peak may be higher"
        finding = Finding(
            code=COARSE, message=message, scope=f"site:{self.site_id}", measures=_DEMANDS,
            facts={"window_minutes": minutes},
        )  # fmt: skip
        return self.model_copy(update={"findings": (*self.findings, finding)})


def source_span(site: Site, at_utc: datetime) -> tuple[date, date]:
    """The whole local months [first, after) that the figures at an instant rest on."""
    # The quarter hour that has just ended: at local midnight it is the day before's.
    day = local_day(at_utc - _STEP, site.time_zone)
    return (day - timedelta(days=LOOK_BACK_DAYS)).replace(day=1), months_after(day, 1)


def running_figures(
    site_id: str, quarters: pl.DataFrame, projections: pl.DataFrame, *, at_utc: datetime | None = None
) -> RunningFigures:
    """The figures at the end of the last quarter hour that is over at that instant.

    quarters, projections: mart_site__quarter_hour_running and mart_site__day_projection of the site. at_utc: without
    it, the end of the last quarter hour with a reading. Raises BadInput where the marts do not reach that instant.
    """
    # Without an instant, that of the last reading: rows of the mart go on to the end of the month.
    read = quarters.filter(pl.col("is_present"))["interval_start_utc"].max()
    if at_utc is None:
        if not isinstance(read, datetime):
            raise BadInput(f"site {site_id!r} has no reading of its main meters yet", reason="nothing_known")
        at_utc = read + _STEP
    first, last = quarters["interval_start_utc"].min(), quarters["interval_start_utc"].max()
    if not isinstance(first, datetime) or not isinstance(last, datetime) or not first + _STEP <= at_utc <= last + _STEP:
        raise BadInput(
            f"the running figures of site {site_id!r} do not reach {at_utc:%Y-%m-%d %H:%M} UTC",
            reason="nothing_known",
            mend="ask for a month that has readings",
        )
    row = quarters.filter(pl.col("interval_start_utc") + _STEP <= at_utc).sort("interval_start_utc").tail(1).to_dicts()
    now = row[0]
    found = projections.filter(pl.col("local_date") == now["local_date"]).to_dicts()
    return figures_at(site_id, quarters, now, found[0] if found else {})


def figures_at(
    site_id: str, quarters: pl.DataFrame, now: Mapping[str, Any], ahead: Mapping[str, Any]
) -> RunningFigures:
    """The figures at the end of one quarter hour. now: its row of the mart; ahead: the projection of its day, or {}."""
    month_start = now["local_date"].replace(day=1)
    month = quarters.filter(
        pl.col("local_date").is_between(month_start, now["local_date"])
        & (pl.col("interval_start_utc") <= now["interval_start_utc"])
    )
    return RunningFigures(
        site_id=site_id,
        at_utc=now["interval_start_utc"] + _STEP,
        month_start=month_start,
        currency=now["currency"],
        import_kwh=now["month_import_kwh"],
        cost=now["month_cost"],
        energy_cost=_sum(month, "energy_cost"),
        other_cost=_sum(month, "other_cost"),
        emission_kgco2e=now["month_emission_kgco2e"],
        peak_kw=now["month_peak_kw"],
        coverage=now["month_covered_minutes"] / now["month_elapsed_minutes"],
        uncosted_minutes=now["month_uncosted_minutes"],
        demand_charge=now["demand_charge"],
        block_demand_kw=now["block_demand_kw"],
        block_minutes=now["block_minutes"],
        window_minutes=now["window_minutes"],
        **{name: ahead[name] for name in ahead if name.startswith("projected_")},
        projected_on=ahead.get("local_date"),
        method=ahead.get("method", ""),
        findings=tuple(_findings(site_id, now, month, ahead)),
    )


def _sum(month: pl.DataFrame, column: str) -> Decimal | None:
    """Exact sum of what is known; None where nothing is."""
    known = month[column].drop_nulls()
    total: Any = known.sum() if known.len() else None
    return None if total is None else Decimal(total)


def _findings(site_id: str, now: Mapping[str, Any], month: pl.DataFrame, ahead: Mapping[str, Any]) -> list[Finding]:
    scope, elapsed = f"site:{site_id}", now["month_elapsed_minutes"]
    reasons = month.drop_nulls("cost_finding").group_by("cost_finding").len().sort("cost_finding")
    found = [
        Finding(code=code, message=_REASONS.get(code, f"the tariff cannot be billed from quarter hours: {code}"),
                scope=scope, measures=_COSTS,
                facts={"minutes": count * CANONICAL_MINUTES, "elapsed_minutes": elapsed})
        for code, count in reasons.iter_rows()
    ]  # fmt: skip
    facts: dict[str, str | float | int | bool | None]
    if now["month_unfactored_minutes"]:
        facts = {"minutes": now["month_unfactored_minutes"], "elapsed_minutes": elapsed}
        message = "no emission factor is in force for a part of the month to date"
        found.append(Finding(code="no_factor", message=message, scope=scope, facts=facts, measures=_EMISSIONS))
    covered = now["month_covered_minutes"]
    if covered < elapsed:
        facts = {"minutes": elapsed - covered, "elapsed_minutes": elapsed, "coverage": covered / elapsed}
        message = Sentence("main meters were read in {0} of the month to date", f"{covered / elapsed:.2%}")
        found.append(Finding(code="gap", message=message, scope=scope, facts=facts))
    if ahead.get("finding"):
        codes = [ahead["finding"]]
        # The projection names one finding: an unknown cost hides that the emission is unknown as well.
        if codes == ["cost_unknown"] and ahead.get("projected_emission_kgco2e") is None:
            codes.append("emission_unknown")
        found += [
            Finding(code=code, message=_REASONS[code], scope=scope, measures=_AHEAD.get(code, _ALL_AHEAD))
            for code in codes
        ]
    return found
