"""KPI values of all sites together: traced sums of the sites' own figures, one row a currency, and ratios of sums."""

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from functools import partial
from pathlib import Path
from typing import Any

import polars as pl

from assets.stores.warehouse.marts import PORTFOLIO, read_mart
from data_quality.contracts.errors import BadInput
from data_quality.contracts.reporting.figure import Figure
from data_quality.contracts.site_file.site import Site
from data_quality.contracts.time import Period
from reports.figure_book import FigureBook, figure_input, figure_list
from reports.figures.kpi_list import COLUMNS, NAME, UNITS, Grain, add_rows, hours_of
from reports.recompute.figure_sources import Sources
from reports.report_content import ReportContent

# Sums over sums, never means of the sites' own ratios: a small site would weigh as much as a large one.
RATIOS = {
    "eui_kwh_per_m2": ("consumption_kwh", "floor_area_m2"),
    "emission_kgco2e_per_m2": ("emission_kgco2e", "floor_area_m2"),
    "kwh_per_occupant": ("consumption_kwh", "headcount"),
    "contractual_renewable_share": ("contracted_kwh", "consumption_kwh"),
}
_DAY = timedelta(days=1)
OWN = ("self_consumption_rate", "self_sufficiency")
# Without peaks: those of two sites need not fall into the same quarter hour, so they do not add up.
HOURLY_SUMS = ("consumption_kwh", "cost", "emission_kgco2e")


def kpi_portfolio(
    period: Period,
    *,
    grain: Grain,
    sources: Sources,
    marts_dir: Path,
    as_of_utc: datetime,
    revision: int = 0,
    scope: str | None = None,
) -> ReportContent:
    """Sums of all sites and ratios of such sums, over each whole day, month or year of the period; hours are of UTC.

    Sites keep their own local days. A sum stands only where every site that has the KPI knows it, a ratio where every
    site knows its own; the sites' figures come first. Raises BadInput where there is nothing.
    """
    if grain == "hour":
        values, rows = _hours(period, sources, marts_dir)
    else:
        rows = read_mart(marts_dir, "mart_portfolio__kpi_values", site_id=PORTFOLIO).filter(
            (pl.col("grain") == grain) & (pl.col("period_start") >= period.start) & (pl.col("period_end") <= period.end)
        )
        values = read_mart(marts_dir, "mart_site__kpi_values").filter(pl.col("grain") == grain)
    every = rows
    if scope is not None:
        rows = rows.filter(pl.col("scope") == scope)
        if rows.is_empty() and not every.is_empty():
            known = ", ".join(sorted(set(every["scope"])))
            raise BadInput(f"the portfolio has no scope {scope!r}; there are {known}", reason="unknown_scope")
    if rows.is_empty():
        raise BadInput(f"no sites make a whole {grain} of {period.label}", reason="nothing_in_period")
    is_synthetic = bool(rows["is_synthetic"].any())
    report_id = "/".join([NAME, PORTFOLIO, period.label, grain, *([scope.replace("/", "~")] if scope else [])])
    book = FigureBook(report_id=report_id, revision=revision, as_of_utc=as_of_utc, is_synthetic=is_synthetic)
    ordered = rows.sort("scope", "period_start", "hour_start_utc" if grain == "hour" else "kpi", "kpi", "unit")
    writer = _PortfolioWriter(book, values, every, sources)
    # Sums before ratios: sorting is stable, and a ratio then finds what it is made of.
    for row in sorted(ordered.iter_rows(named=True), key=lambda row: row["kpi"] in (*RATIOS, *OWN)):
        writer.add(row)
    return figure_list(book, name=NAME, title="KPI values of all sites", period=period, site=None)


def _hours(period: Period, sources: Sources, marts_dir: Path) -> tuple[pl.DataFrame, pl.DataFrame]:
    """Hours of the sites' own scopes in the UTC hours of the period, and what they are together."""
    # Local days of the sites reach into the days beside.
    wide = period.model_copy(update={"start": period.start - _DAY, "end": period.end + _DAY})
    read = partial(read_mart, marts_dir)
    parts = [hours_of(site, wide, read) for site in sources.sites.values()]
    instant = pl.col("hour_start_utc")
    own = pl.concat_str(pl.lit("site:"), "site_id")
    # Meters, uses and parts of a site are no part of all sites together.
    found = pl.concat(parts).filter(
        pl.col("kpi").is_in(HOURLY_SUMS)
        & (instant >= period.start_utc)
        & (instant < period.end_utc)
        & pl.col("scope").str.starts_with(own)
    )
    suffix = pl.col("scope").str.strip_prefix(own)
    sites = found.with_columns(of_scope=pl.concat_str(pl.lit("portfolio"), suffix))
    expected = sites.group_by("of_scope", "kpi", "unit").agg(expected_sites=pl.col("site_id").n_unique())
    rows = (
        sites.group_by("of_scope", "kpi", "unit", "hour_start_utc")
        .agg(
            pl.col("site_id").filter(pl.col("exact").is_not_null()).n_unique().alias("sites"),
            pl.col("finding").drop_nulls().first(),
            pl.col("is_synthetic").any(),
            pl.col("exact").null_count().alias("unknown"),
        )
        .join(expected, on=["of_scope", "kpi", "unit"], validate="m:1")
        .with_columns(
            pl.when((pl.col("sites") < pl.col("expected_sites")) | (pl.col("unknown") > 0))
            .then(pl.lit("site_missing"))
            .otherwise("finding")
            .alias("finding"),
            pl.col("hour_start_utc").dt.date().alias("period_start"),
            pl.lit("hour").alias("grain"),
            (pl.col("hour_start_utc").dt.date() + pl.duration(days=1)).alias("period_end"),
        )
        .rename({"of_scope": "scope"})
    )
    return found, rows


class _PortfolioWriter:
    """Writes the portfolio's figures into a book, each after the figures of sites that it is made of."""

    def __init__(self, book: FigureBook, values: pl.DataFrame, rows: pl.DataFrame, sources: Sources) -> None:
        self.book, self.values, self.rows, self.sources = book, values, rows, sources

    def add(self, row: Mapping[str, Any]) -> Figure:
        """The figure of a row of the portfolio; one that is there already where another needed it before."""
        if self.book.has(_path(row)):
            return self.book.at(_path(row))
        if row["kpi"] in (*RATIOS, *OWN):
            return self._ratio(row)
        parts = self._sites(row)
        if row["finding"] == "site_missing" and all(part.value is not None for part in parts):
            return self._nothing(row, parts)
        return self._derive(row, "sum", [(part.trace.parameters["site"], part) for part in parts])

    def _ratio(self, row: Mapping[str, Any]) -> Figure:
        """Sum over sum; without a value where the mart has none, of the same figures."""
        if row["kpi"] in RATIOS:
            above, below = (self._sum(row, kpi) for kpi in RATIOS[row["kpi"]])
        else:
            made, fed, bought = (self._sum(row, kpi) for kpi in ("generation_kwh", "export_kwh", "consumption_kwh"))
            if made is None or fed is None or bought is None:
                return self._nothing(row, [each for each in (made, fed, bought) if each is not None])
            above = self._step(row, "used", "difference", [("generation", made), ("export", fed)])
            below = made
            if row["kpi"] == "self_sufficiency":
                below = self._step(row, "consumed", "sum", [("bought", bought), ("own", above)])
        if above is None or below is None or row["value"] is None:
            return self._nothing(row, [each for each in (above, below) if each is not None])
        return self._derive(row, "ratio", [("above", above), ("below", below)])

    def _sum(self, row: Mapping[str, Any], kpi: str) -> Figure | None:
        same = {name: row[name] for name in ("scope", "grain", "period_start")}
        found = self.rows.filter(pl.col("kpi") == kpi, **same).to_dicts()
        return self.add(found[0]) if found else None

    def _step(self, row: Mapping[str, Any], name: str, computation: str, parts: Sequence[tuple[str, Figure]]) -> Figure:
        path = f"{_path(row)}/{name}"
        return self.book.derive(path, computation, parts, label=name, kpi=name, unit="kwh", scope=row["scope"])

    def _derive(self, row: Mapping[str, Any], computation: str, parts: Sequence[tuple[str, Figure]]) -> Figure:
        return self.book.derive(
            _path(row),
            computation,
            parts,
            label=f"{row['kpi']} of {row['scope']}",
            kpi=row["kpi"],
            unit=_unit(row),
            scope=row["scope"],
            status=row["finding"] or "",
        )

    def _nothing(self, row: Mapping[str, Any], parts: Sequence[Figure]) -> Figure:
        return self.book.add(
            _path(row),
            None,
            label=f"{row['kpi']} of {row['scope']}",
            kpi=row["kpi"],
            scope=row["scope"],
            start=row["period_start"],
            end=row["period_end"],
            unit=_unit(row),
            computation="nothing",
            parameters={},
            inputs=[figure_input(part, "part") for part in parts],
            status=row["finding"] or "site_missing",
            coverage=row.get("coverage"),
        )

    def _sites(self, row: Mapping[str, Any]) -> list[Figure]:
        """The figures of every site that has the KPI at some time; of one without the period, that it is not there."""
        suffix = str(row["scope"]).removeprefix("portfolio")
        every = self.values.filter(
            (pl.col("scope") == "site:" + pl.col("site_id") + suffix)
            & (pl.col("kpi") == row["kpi"])
            & (pl.col("unit") == row["unit"])
            & (pl.col("finding").fill_null("") != "water_excluded")
        )
        hour = row.get("hour_start_utc")
        time = pl.col("period_start") == row["period_start"] if hour is None else pl.col("hour_start_utc") == hour
        mine = every.filter(time)
        # A site that has the KPI at other times is missing here: left out, the others would pass for all.
        absent = {"value": None, "exact": None, "coverage": 0.0, "estimated_share": None, "finding": "no_readings"}
        absent["findings"] = absent["finding"]
        found = []
        for site_id in every["site_id"].unique().sort():
            site: Site = self.sources.site(site_id)
            own = mine.filter(pl.col("site_id") == site_id)
            if own.is_empty():
                without = {**row, **absent, "scope": f"site:{site_id}{suffix}", "site_id": site_id, "carrier": ""}
                own = pl.DataFrame([{name: without[name] for name in own.columns}], schema=own.schema)
            keys = [*COLUMNS, *(["hour_start_utc"] if hour is not None else [])]
            found += add_rows(self.book, site, own.select(keys), sources=self.sources)
        return found


def _unit(row: Mapping[str, Any]) -> str:
    unit: str = row["unit"]
    return UNITS.get(unit, unit)


def _path(row: Mapping[str, Any]) -> str:
    hour = row.get("hour_start_utc")
    place = row["period_start"] if hour is None else f"{hour:%Y-%m-%dT%H:%MZ}"
    # With the unit: costs of two currencies stand at one place side by side.
    return f"portfolio/{row['scope']}/{row['grain']}/{place}/{row['kpi']}/{_unit(row)}"
