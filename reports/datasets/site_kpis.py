"""Electricity KPIs of the site, its meters and its uses: the published marts' numbers, or the readings' own."""

from collections.abc import Mapping, Sequence
from datetime import date
from decimal import Decimal
from typing import Any

import polars as pl

from assets.kpi.from_readings import AskedKpi, findings_of, plain
from assets.sites.meter_tree import has_import
from assets.stores.warehouse.marts import read_mart
from data_quality.contracts.errors import BadInput
from data_quality.contracts.finding import Finding
from data_quality.contracts.reporting.report_template import Tone
from data_quality.contracts.time import Period, months_of
from reports.again.computations import to_decimal
from reports.again.figure_sources import KpiBasis
from reports.datasets.base import Given, Item, Leaf, Measure, period_key
from reports.datasets.of_uses.load_enpi import price_gaps

NAME = "site"
MEASURES: Mapping[str, Measure] = {
    "consumption_kwh": Measure("Consumption", "kwh"),
    "peak_15min_kw": Measure("Peak, 15 min", "kw", whole="max"),
    # Never made of months: a year's highest quarter hour lies in one of them.
    "load_factor": Measure("Load factor", "ratio", whole="asked", decimals=3),
    "cost": Measure("Energy cost", "currency"),
    "emission_kgco2e": Measure("Emissions, location-based", "kgco2e"),
    "eui_kwh_per_m2": Measure("Site energy per floor area", "kwh/m2", whole="asked", decimals=1),
}
COLUMNS = {
    "consumption_kwh": "energy_kwh",
    "peak_15min_kw": "peak_kw",
    "load_factor": "load_factor",
    "cost": "cost",
    "emission_kgco2e": "emission_kgco2e",
    "eui_kwh_per_m2": "eui_kwh_per_m2",
}
FACTS = ("name", "carrier", "connected_load")


class SiteKpis:
    """The dataset `site`. Scopes: site:<id>, meter:<id>, seu:<id>."""

    measures = MEASURES

    def __init__(self, given: Given) -> None:
        self.given = given
        self._rows: dict[tuple[str, str, date], dict[str, Any]] = {}
        self._codes: dict[tuple[str, str, date, str], str] = {}
        if given.marts_dir is not None:
            for grain in ("month", "year"):
                for row in given.mart(f"mart_scope__{grain}_kpi"):
                    self._rows[grain, row["scope"], row["period_start"]] = row
            is_told = pl.col("findings").is_not_null() & pl.col("grain").is_in(["month", "year"])
            codes = read_mart(given.marts_dir, "mart_site__kpi_values", site_id=given.site.site_id, where=is_told)
            told = codes.select("grain", "scope", "period_start", "kpi", "findings")
            self._codes = {(grain, scope, start, kpi): code for grain, scope, start, kpi, code in told.iter_rows()}
            # Before anything is asked: traces over old marts would not make their figures again.
            self._refuse_stale_marts(given.period)

    def items(self, axis: str, period: Period) -> list[Item] | None:
        """Meters that measure consumption in kWh, uses, in file order."""
        site = self.given.site
        if axis == "meter":
            return [
                Item(
                    key=meter.meter_id,
                    label=meter.name or meter.meter_id,
                    scope=f"meter:{meter.meter_id}",
                    period=period,
                )
                for meter in site.meters
                if has_import(meter)
            ]
        if axis == "seu":
            return [
                Item(key=seu.seu_id, label=seu.name, scope=f"seu:{seu.seu_id}", period=period)
                for seu in site.seus
                if seu.is_active
            ]
        return None

    def leaf(self, measure: str, item: Item) -> Leaf:
        """One KPI of the item's scope and span."""
        given, period = self.given, item.period
        row = self._row(item.scope, period)
        return Leaf(
            value=self._value(measure, item, row),
            computation="scope_kpi",
            parameters={**given.span(period), "scope": item.scope, "kpi": measure},
            inputs=[
                *given.behind(period),
                given.sources.definition_input(),
                *given.sources.factor_inputs(
                    given.site, measure, item.scope, period.start, period.end, given.as_of_utc
                ),
            ],
            unit=given.site.currency if MEASURES[measure].unit == "currency" else "",
            coverage=None if row is None else row["coverage"],
            estimated_share=self._estimated(item, row),
            findings=self._findings(measure, item, row),
        )

    def fact(self, name: str, item: Item) -> tuple[str, Tone]:
        """Name, carrier and connected load of a meter or use."""
        kind, _, found = item.scope.partition(":")
        meter = self.given.site.meter(found) if kind == "meter" else None
        if name == "name":
            return item.label, "plain"
        if name == "carrier":
            carrier = meter.carrier.value if meter is not None else "electricity"
            return carrier.replace("_", " "), "plain"
        load = None if meter is None else meter.connected_load_kw
        return ("" if load is None else f"{load:g} kW"), "plain"

    def findings(self, period: Period) -> list[Finding]:
        """Gaps of prices and factors, and months without readings."""
        given, found = self.given, []
        whole = given.sources.site_streams(given.site, period.start, period.end, given.as_of_utc)
        factors = given.sources.factors(given.site, given.as_of_utc)
        found += price_gaps(given.site, period, whole, factors=factors)
        found += self._unread(period)
        return found

    def _unread(self, period: Period) -> list[Finding]:
        """Months of which nothing was read; it blocks where that is the whole span."""
        scope, months = f"site:{self.given.site.site_id}", months_of(period)
        if not self.given.sources.meters(self.given.site, scope):
            return []
        items = [Item(key="", label="", scope=scope, period=month) for month in months]
        unread = [item.period.label for item in items if self.leaf("consumption_kwh", item).value is None]
        if not unread:
            return []
        named = ", ".join(unread) if len(unread) < len(months) else period.label or period_key(period.start, period.end)
        return [
            Finding(
                code="no_readings",
                message=f"No electricity of the site was read in {named}; sums that need it are unknown.",
                severity="blocking" if len(unread) == len(months) else "warning",
                scope=scope,
            )
        ]

    def _value(self, measure: str, item: Item, row: dict[str, Any] | None) -> Decimal | None:
        if row is not None:
            found = row.get(COLUMNS[measure])
            return plain(found, None) if isinstance(found, Decimal) else to_decimal(found)
        given = self.given
        grain = _grain(item.period)
        # The marts know the scope and have no such row: nothing was read then, so the readings need not be asked.
        if given.marts_dir is not None and grain and (grain, item.scope) in self._known_scopes():
            return None
        found = given.sources.kpi_of(given.site, item.scope, measure, item.period, given.as_of_utc)
        return None if found is None else found.value

    def _findings(self, measure: str, item: Item, row: dict[str, Any] | None) -> Sequence[str]:
        """Codes of the mart's row, or those that the readings give."""
        given, period = self.given, item.period
        if row is not None:
            return self._codes.get((_grain(period), item.scope, period.start, measure), "").split()
        return findings_of(given.sources.kpi_of(given.site, item.scope, measure, period, given.as_of_utc))

    def _known_scopes(self) -> set[tuple[str, str]]:
        return {(grain, scope) for grain, scope, _ in self._rows}

    def _row(self, scope: str, period: Period) -> dict[str, Any] | None:
        grain = _grain(period)
        row = self._rows.get((grain, scope, period.start)) if grain else None
        return row if row is not None and row["period_end"] == period.end else None

    def _estimated(self, item: Item, row: dict[str, Any] | None) -> float | None:
        if row is not None:
            share: float | None = row["estimated_share"]
            return share
        given = self.given
        streams = given.sources.meters(given.site, item.scope)
        read, estimated = given.sources.counts(given.site, streams, item.period, given.as_of_utc)
        return estimated / read if read else None

    def _refuse_stale_marts(self, period: Period) -> None:
        """The marts' consumption of each whole month of the report must be what the readings give. Raises BadInput."""
        given, scope = self.given, f"site:{self.given.site.site_id}"
        # A project's reporting period may begin in a month: the marts hold no part of one.
        months = [each for each in months_of(period) if _grain(each) == "month"]
        asked = [AskedKpi("consumption_kwh", scope, month.start, month.end) for month in months]
        given.sources.want(KpiBasis(given.site.site_id, given.as_of_utc), asked)
        for month in months:
            row = self._row(scope, month)
            stored = None if row is None else row["energy_kwh"]
            made = given.sources.kpi_of(given.site, scope, "consumption_kwh", month, given.as_of_utc)
            found = None if made is None else made.value
            if stored != found:
                raise BadInput(
                    f"the marts say {stored} for consumption_kwh of {given.site.site_id}, {month.label}, "
                    f"the readings say {found}",
                    reason="stale_marts",
                    mend="build the marts again: readings or site file changed after they were built",
                )


def _grain(period: Period) -> str:
    """The grain of the marts that the span is one of, or nothing."""
    key = period_key(period.start, period.end)
    # A quarter's key is as long as a month's: its Q tells them apart.
    return {4: "year", 7: "month"}.get(len(key), "") if "Q" not in key else ""
