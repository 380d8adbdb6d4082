"""Electricity KPIs of the site, its meters and its uses: the published marts' numbers, or the readings' own."""

from collections.abc import Collection, Iterable, Mapping, Sequence
from datetime import date, datetime
from itertools import pairwise

import polars as pl

from assets.carbon.factor_choice.factor_view import FactorView, electricity_factors
from assets.kpi.from_readings import KpiQuery, KpiRow, findings_of
from assets.sites.meter_tree import ENERGY_UNIT, has_import
from assets.tariffs.periods import example_prices, known_prices
from data_quality.contracts.finding import Finding
from data_quality.contracts.reporting.report_template import Question, Tone
from data_quality.contracts.sentence import Sentence
from data_quality.contracts.site_file.hierarchy import CONSUMPTION_REGISTER
from data_quality.contracts.site_file.site import Site
from data_quality.contracts.time import CANONICAL_MINUTES, Period, months_of, period_key
from reports.datasets.base import PRINTED_GRAINS, Item, Leaf, Measure, PublishedKpis, ReportInput, shifted, use_item
from reports.recompute.figure_sources import Sources
from reports.recompute.recomputed_kpis import KpiBasis, kpi_row, prefetch_kpis

NAME = "site"
MEASURES: Mapping[str, Measure] = {
    "consumption_kwh": Measure("Consumption", "kwh"),
    "peak_15min_kw": Measure("Peak, 15 min", "kw", whole="max"),
    # Never made of months: a year's highest quarter hour lies in one of them.
    "load_factor": Measure("Load factor", "ratio", whole="asked", decimals=3),
    "cost": Measure("Energy cost", "currency"),
    "emission_kgco2e": Measure("Emissions, location-based", "kgco2e"),
    "generation_kwh": Measure("Solar generation on site", "kwh"),
    "consumption_m3": Measure("Water", "m3"),
    "floor_area_m2": Measure("Floor area", "m2", whole="asked", decimals=0),
    "eui_kwh_per_m2": Measure("Site energy per floor area", "kwh/m2", whole="asked", decimals=1),
}
FACTS = ("name", "carrier", "connected_load")
_READ = "consumption_kwh"
_NO_PRICE = "Energy at times without a known price is in no cost."
_BELOW_ZERO = "Some prices are below zero: energy at those times lowers the cost."
_NO_FACTOR = "Energy on days without an emission factor in force is in no emission."


class KpiRows:
    """kpis: those that are asked; scope: the only one of which they are, None: any."""

    def __init__(self, given: ReportInput, *, kpis: Collection[str], scope: str | None = None) -> None:
        site_id, marts_dir = given.site.site_id, given.marts_dir
        self._sources, self._basis, self._kpis = given.sources, KpiBasis(site_id, given.as_of_utc), tuple(kpis)
        self._rows = None if marts_dir is None else PublishedKpis(marts_dir, site_id, kpis=kpis, scope=scope)
        self._wanted: set[KpiQuery] = set()

    def prefetch(self, queries: Iterable[KpiQuery]) -> None:
        """Announce the queries of `of`: what no mart has is then made by one run of the SQL."""
        wanted = {each for each in queries if self._published(each) is None}
        self._wanted |= wanted
        prefetch_kpis(self._sources, self._basis, wanted)

    def of(self, scope: str, kpi: str, period: Period) -> KpiRow | None:
        """The KPI of a scope and span; None where nothing was ever read of it."""
        query = KpiQuery(kpi, scope, period.start, period.end)
        rows = self._published(query)
        if rows is not None:
            return rows.get(query)
        # Whoever asks for one KPI of a month asks for its others and for other months next: one run answers for all.
        if query not in self._wanted:
            self.prefetch(KpiQuery(each, scope, *span) for span in _spans_of_year(query) for each in self._kpis)
        return kpi_row(self._sources, self._basis, query)

    def _published(self, query: KpiQuery) -> PublishedKpis | None:
        return self._rows if query.grain in PRINTED_GRAINS else None


def _spans_of_year(query: KpiQuery) -> list[tuple[date, date]]:
    """The span itself; of a month, every month of its year."""
    if query.grain != "month":
        return [(query.start, query.end)]
    firsts = [query.start.replace(month=number) for number in range(1, 13)] + [date(query.start.year + 1, 1, 1)]
    return list(pairwise(firsts))


def load_by_hour(
    sources: Sources, site: Site, period: Period, as_of_utc: datetime
) -> Mapping[date, Sequence[float | None]]:
    """Local day to the mean kW of its 24 hours by the clock, of the electricity that `site:<id>` counts.

    A mean over the quarter hours that were read: the hour that a clock change doubles stays one, a hole stays None.
    """
    meters = sources.meters(site, f"site:{site.site_id}")
    rows = sources.site_streams(site, period.start, period.end, as_of_utc).filter(
        pl.col("meter_id").is_in(list(meters))
        & (pl.col("register") == CONSUMPTION_REGISTER)
        & (pl.col("unit") == ENERGY_UNIT)
    )
    local = pl.col("interval_start_utc").dt.convert_time_zone(site.time_zone)
    quarters = rows.group_by("interval_start_utc", maintain_order=True).agg(pl.col("value").sum())
    hours = (
        quarters.with_columns(day=local.dt.date(), hour=local.dt.hour())
        .group_by("day", "hour", maintain_order=True)
        .agg(kw=(pl.col("value").mean() * (60 / CANONICAL_MINUTES)).round(2))
    )
    made: dict[date, list[float | None]] = {}
    for day, hour, kw in hours.sort("day", "hour").iter_rows():
        made.setdefault(day, [None] * 24)[hour] = kw
    return made


class SiteKpis:
    """The dataset `site`. Scopes: site:<id>, meter:<id>, seu:<id>. only: the one of them that is asked."""

    measures: Mapping[str, Measure] = MEASURES

    def __init__(self, given: ReportInput, *, only: str | None = None) -> None:
        self.given = given
        self._rows = KpiRows(given, kpis=[name for name, each in self.measures.items() if not each.made], scope=only)

    def prefetch(self, spans: Iterable[Period], kpis: Sequence[str]) -> None:
        """Say which spans and KPIs of the whole site will be asked: one run of the SQL then answers for all."""
        scope = f"site:{self.given.site.site_id}"
        self._rows.prefetch(KpiQuery(kpi, scope, span.start, span.end) for span in spans for kpi in kpis)

    def prefetch_pack(self, questions: Iterable[Question]) -> None:
        """Say what a pack of data points asks of the dataset; the findings of every report ask one more KPI."""
        for each in (Question(NAME, _READ, "", ""), *questions):
            span = shifted(self.given.period, each.shift)
            self.prefetch([span, *months_of(span)], self._leaves(each.measure))

    def _leaves(self, name: str) -> list[str]:
        """The KPIs that a measure is made of; none of what is no measure of the dataset."""
        if name not in self.measures:
            return []
        made = self.measures[name].made
        return [name] if made is None else [leaf for part in made[1] for leaf in self._leaves(part)]

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
            return [use_item(seu, period) for seu in site.seus if seu.is_active]
        return None

    def leaf(self, measure: str, item: Item) -> Leaf:
        """One KPI of the item's scope and span."""
        given, period = self.given, item.period
        row = self._rows.of(item.scope, measure, period)
        return Leaf(
            value=None if row is None else row.value,
            computation="scope_kpi",
            parameters={**given.span(period), "scope": item.scope, "kpi": measure},
            inputs=[
                *given.behind(period),
                given.sources.definition_input(),
                *given.sources.factor_inputs(
                    given.site, measure, item.scope, period.start, period.end, given.as_of_utc
                ),
            ],
            unit=given.site.currency if self.measures[measure].unit == "currency" else "",
            coverage=None if row is None else row.coverage,
            estimated_share=None if row is None else row.estimated_share,
            findings=findings_of(row),
        )

    def fact(self, name: str, item: Item) -> tuple[str, Tone]:
        """Name, carrier and connected load of a meter or use."""
        kind, _, found = item.scope.partition(":")
        meter = self.given.site.meter(found) if kind == "meter" else None
        if name == "name":
            return item.label, "plain"
        if name == "carrier":
            carrier = meter.carrier.value if meter is not None else "electricity"
            return Sentence(carrier.replace("_", " ")), "plain"
        load = None if meter is None else meter.connected_load_kw
        return ("" if load is None else f"{load:g} kW"), "plain"

    def hours(self, item: Item) -> Mapping[date, Sequence[float | None]]:
        """The site's load by day and hour."""
        return load_by_hour(self.given.sources, self.given.site, item.period, self.given.as_of_utc)

    def findings(self, period: Period) -> list[Finding]:
        """Gaps of prices and factors, and months without readings."""
        return [*self.gaps(period), *self._unread(period)]

    def gaps(self, period: Period) -> list[Finding]:
        """Findings on energy without a price or a factor, prices below zero, and prices that are made up."""
        given = self.given
        whole = given.sources.site_streams(given.site, period.start, period.end, given.as_of_utc)
        found = price_gaps(given.site, period, whole, factors=given.sources.factors(given.site, given.as_of_utc))
        # Of every carrier, and beside a price stream too: bills are made of tariffs all the same.
        return found + [
            example_prices(each)
            for each in given.site.tariffs
            if each.prices == "example" and each.valid_from < period.end and each.valid_to > period.start
        ]

    def _unread(self, period: Period) -> list[Finding]:
        """Months of which nothing was read; it blocks where that is the whole span."""
        scope, months = f"site:{self.given.site.site_id}", months_of(period)
        if not self.given.sources.meters(self.given.site, scope):
            return []
        items = [Item(key="", label="", scope=scope, period=month) for month in months]
        unread = [item.period.label for item in items if self.leaf(_READ, item).value is None]
        if not unread:
            return []
        named = ", ".join(unread) if len(unread) < len(months) else period.label or period_key(period.start, period.end)
        return [
            Finding(
                code="no_readings",
                message=Sentence("No electricity of the site was read in {0}; sums that need it are unknown.", named),
                severity="blocking" if len(unread) == len(months) else "warning",
                scope=scope,
            )
        ]


def price_gaps(site: Site, period: Period, readings: pl.DataFrame, *, factors: FactorView) -> list[Finding]:
    """Cost and emissions cover only what has a price and a factor; what has none is said, not taken for free."""
    priced = known_prices(site, period.start, period.end, readings).with_columns(
        local_date=pl.col("interval_start_utc").dt.convert_time_zone(site.time_zone).dt.date()
    )
    by_day = electricity_factors(factors, period.start, period.end)
    price, factor = priced["price_per_kwh"], by_day["electricity_kgco2e_per_kwh"]
    hours, days = {"quarter_hours": priced.height}, {"days": by_day.height}
    gaps = (
        ("price_gap", _NO_PRICE, "quarter_hours_without_price", hours, priced.filter(price.is_null())),
        ("negative_price", _BELOW_ZERO, "quarter_hours_below_zero", hours, priced.filter(price < 0)),
        ("factor_gap", _NO_FACTOR, "days_without_factor", days, by_day.filter(factor.is_null())),
    )
    return [
        Finding(code=code, message=message, facts={count: rows.height, **every, **_span_of(rows)})
        for code, message, count, every, rows in gaps
        if rows.height
    ]


def _span_of(rows: pl.DataFrame) -> dict[str, str]:
    days = rows["local_date"]
    return {"first_day": str(days.min()), "last_day": str(days.max())}
