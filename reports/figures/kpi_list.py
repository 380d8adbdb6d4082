"""KPI values of a site as figures: the published marts' rows, each with the trace that makes it again.

A KPI that cannot be known is a figure without a value whose status is the finding that says why.
"""

from collections.abc import Callable, Collection, Iterator, Mapping
from datetime import date, datetime, timedelta
from decimal import Decimal
from functools import cache, partial
from pathlib import Path
from typing import Any, Literal

import polars as pl

from assets.kpi.enpi.enpi_result import enpi_for
from assets.kpi.from_readings import COARSE, FACTORED, PEAKS, carriers_of, codes_of, plain
from assets.stores.warehouse.marts import ReadMart, if_published, read_mart
from assets.tariffs.periods import price_sources
from data_quality.contracts.errors import BadInput
from data_quality.contracts.reporting.figure import Figure, TraceInput
from data_quality.contracts.site_file.site import Site
from data_quality.contracts.time import CANONICAL_MINUTES, Period, local_day_hours
from reports.datasets.day_lines import UseDays
from reports.figure_book import FigureBook, figure_list
from reports.recompute.claims import claim_of, use_saving_blocker
from reports.recompute.computations import COMBINATIONS, baseline_input
from reports.recompute.figure_sources import Sources, seu_of
from reports.report_content import ReportContent

PRICED = ("cost",)
FIGURE_FIELDS = {
    "kpi", "scope", "start", "end", "value", "unit", "figure_id", "coverage", "estimated_share", "findings",
    "is_synthetic",
}  # fmt: skip
VERSION_FIELDS = {
    "carrier", "factor_id", "kgco2e_per_kwh", "valid_from", "valid_to", "origin", "source", "sha256", "recorded_at_utc",
}  # fmt: skip

NAME = "kpis"
SAVING = "savings_kwh"
# As macros/bought_carriers.sql has them: carriers with a cost and an emission, and scopes of several.
BOUGHT = ("electricity", "natural_gas", "heat", "steam", "cooling", "mixed")
Grain = Literal["hour", "day", "month", "year"]
# Units of the marts as figures spell them.
UNITS = {"1": "ratio", "kwh_per_m2": "kwh/m2", "kgco2e_per_m2": "kgco2e/m2", "kwh_per_person": "kwh/person"}
UNITS |= {"kwh_per_unit": "kwh/unit", "kwh_per_degc_day": "kwh/(degc*d)"}
# Of rows that compare with a baseline: which one expects.
BASELINE: dict[str, pl.DataType] = {"baseline_id": pl.String(), "baseline_version": pl.Int32()}
_KEPT = ("scope", "carrier", "grain", "period_start", "period_end", "kpi", "exact", "value", "unit")
COLUMNS = (*_KEPT, "coverage", "estimated_share", "finding", "findings", "is_synthetic")
# KPI of an hour -> its column, unit, and the column of minutes that it leaves out.
HOURLY: Mapping[str, tuple[str, str, str | None, str]] = {
    "consumption_kwh": ("energy_kwh", "kwh", None, ""),
    "peak_15min_kw": ("peak_kw", "kw", None, ""),
    "cost": ("cost", "currency", "unpriced_minutes", "no_price"),
    "emission_kgco2e": ("emission_kgco2e", "kgco2e", "unfactored_minutes", "no_factor"),
}
Given = Callable[[], Sources]


def kpi_list(
    site: Site,
    period: Period,
    *,
    grain: Grain,
    sources: Sources,
    marts_dir: Path,
    as_of_utc: datetime,
    revision: int = 0,
    scope: str | None = None,
) -> ReportContent:
    """Every KPI that the marts hold for the site's scopes, or for one of them, over the period; figures without pages.

    Raises BadInput where the marts are not published, or hold nothing of the period or scope.
    """
    rows = kpi_rows(site, period, grain, partial(read_mart, marts_dir), scope=scope)
    is_synthetic = bool(rows["is_synthetic"].any())
    # A stroke within a scope would read as another part of the id.
    report_id = "/".join([NAME, site.site_id, period.label, grain, *([scope.replace("/", "~")] if scope else [])])
    book = FigureBook(report_id=report_id, revision=revision, as_of_utc=as_of_utc, is_synthetic=is_synthetic)
    add_rows(book, site, rows, sources=sources, marts_dir=marts_dir)
    return figure_list(book, name=NAME, title="KPI values", period=period, site=site)


def add_rows(
    book: FigureBook,
    site: Site,
    rows: pl.DataFrame,
    *,
    sources: Sources | Given,
    marts_dir: Path | None = None,
    is_traced: bool = True,
) -> list[Figure]:
    """One figure a row, at `site/scope/grain/first day/kpi`; of an hour at its instant and local day. Returns them; a
    row that the book has already is that figure.

    sources: or what gives them, which is called where a row rests on more than the marts.
    marts_dir: whose days say what forbids a saving; None: the readings do, as known then.
    is_traced: with what each is made of. A page that is drawn again and again does without: its figures say what they
    are of and against which baseline, and their other inputs are looked up when somebody asks why.
    """
    given: Given = (lambda: sources) if isinstance(sources, Sources) else cache(sources)
    if is_traced and "baseline_id" in rows.columns:
        given().expect_baselines(set(rows.select(*BASELINE).drop_nulls().iter_rows()))
    return [
        book.at(path)
        if book.has(path := _path(site, row))
        else _add(book, site, row, given, marts_dir=marts_dir, is_traced=is_traced)
        for row in rows.iter_rows(named=True)
    ]


def inputs_of(site: Site, row: Mapping[str, Any], sources: Sources, as_of_utc: datetime) -> list[TraceInput]:
    """Inputs of a row of the marts, of the view at that instant."""
    start, end = row["period_start"], row["period_end"]
    return [
        sources.lake_input(site, start, end, as_of_utc),
        sources.site_input(site),
        sources.definition_input(),
        *sources.calendar_inputs(site, start, end),
        *sources.factor_inputs(site, row["kpi"], row["scope"], start, end, as_of_utc),
        *_baseline_inputs(row, lambda: sources, as_of_utc),
    ]


def _baseline_inputs(row: Mapping[str, Any], given: Given, as_of_utc: datetime) -> list[TraceInput]:
    """The baseline version that expects, and its adjustments; none of a row that compares with none."""
    baseline_id, version = row.get("baseline_id"), row.get("baseline_version")
    if baseline_id is None or version is None:
        return []
    sources = given()
    return [
        baseline_input(sources.baseline(baseline_id, version)),
        sources.adjustments_input(baseline_id, version, as_of_utc),
    ]


def _barred(site: Site, row: Mapping[str, Any], given: Given, as_of_utc: datetime, marts_dir: Path | None) -> str:
    """Code of what forbids to print a saving that the mart holds; empty for every other KPI."""
    if row["kpi"] != SAVING or row["baseline_id"] is None:
        return ""
    sources, seu = given(), seu_of(site, row["scope"].removeprefix("seu:"))
    span = Period(label="", start=row["period_start"], end=row["period_end"], time_zone=site.time_zone)
    version = sources.baseline(row["baseline_id"], row["baseline_version"])
    versions = {seu.seu_id: version}
    days = UseDays(site, span, sources=sources, versions=versions, as_of_utc=as_of_utc, marts_dir=marts_dir)
    own = days
    if marts_dir is not None:
        # Drivers are read once for all months of a year, which cost twelve times as much one by one.
        years = Period(
            label="", start=date(span.start.year, 1, 1), end=date((span.end - timedelta(days=1)).year + 1, 1, 1),
            time_zone=site.time_zone,
        )  # fmt: skip
        key = ("use days", site.site_id, seu.seu_id, version.baseline_id, version.version, years.start, years.end)
        own = sources.keep(
            (*key, as_of_utc),
            lambda: UseDays(site, years, sources=sources, versions=versions, as_of_utc=as_of_utc, marts_dir=marts_dir),
        )
    # First of all days that are known: where readings are asked, each row's are a part of these.
    caveats = use_saving_blocker(
        sources, site, seu, version, end=span.end, as_of_utc=as_of_utc, pairs=lambda every: days.pairs(seu, every)
    )
    result = enpi_for(own.pairs(seu, span), seu_id=seu.seu_id, version=version, period=span)
    return claim_of(site, seu, result, caveats).not_claimed


def _path(site: Site, row: Mapping[str, Any]) -> str:
    hour, start = row.get("hour_start_utc"), row["period_start"]
    place = f"{hour:%Y-%m-%dT%H:%MZ}~{start}" if hour is not None else str(start)
    return f"{site.site_id}/{row['scope']}/{row['grain']}/{place}/{row['kpi']}"


def _add(
    book: FigureBook, site: Site, row: Mapping[str, Any], given: Given, *, marts_dir: Path | None, is_traced: bool
) -> Figure:
    kpi, scope, start, end = row["kpi"], row["scope"], row["period_start"], row["period_end"]
    hour, barred = row.get("hour_start_utc"), _barred(site, row, given, book.as_of_utc, marts_dir)
    parameters = {"site": site.site_id, "scope": scope, "kpi": kpi, "start": str(start), "end": str(end)}
    return book.add(
        _path(site, row),
        None if barred else plain(row["exact"], row["value"]),
        label=f"{kpi} of {scope}",
        kpi=kpi,
        scope=scope,
        start=start,
        end=end,
        unit=UNITS.get(row["unit"], row["unit"]),
        computation="nothing" if barred else "scope_kpi",
        parameters=parameters | ({"hour_start_utc": f"{hour:%Y-%m-%dT%H:%MZ}"} if hour is not None else {}),
        inputs=inputs_of(site, row, given(), book.as_of_utc)
        if is_traced
        else _baseline_inputs(row, given, book.as_of_utc),
        status=barred or row["finding"] or "",
        findings=(*([barred] if barred else []), *codes_of(row)),
        coverage=row["coverage"],
        estimated_share=row["estimated_share"],
    )


def kpi_rows(site: Site, period: Period, grain: Grain, read: ReadMart, *, scope: str | None = None) -> pl.DataFrame:
    """Rows of the marts inside of the period: COLUMNS, hour_start_utc (null but for hours); by scope, time and KPI.

    Of a month also the twelve months that end with it. Raises BadInput where there is none.
    """
    found = _rows(site, period, grain, read, scope)
    if found.is_empty():
        every = found if scope is None else _rows(site, period, grain, read, None)
        if every.is_empty():
            raise BadInput(
                f"no readings of site {site.site_id!r} make a whole {grain} of {period.label}",
                reason="nothing_in_period",
            )
        known = sorted(set(every["scope"]))
        raise BadInput(
            f"scope {scope!r} has no KPI by {grain} in {period.label}; there are {', '.join(known)}",
            reason="unknown_scope",
        )
    return found.sort("scope", "period_start", "hour_start_utc", "grain", "kpi")


def _rows(site: Site, period: Period, grain: Grain, read: ReadMart, scope: str | None) -> pl.DataFrame:
    if grain == "hour":
        return hours_of(site, period, read, scope=scope)
    inside = (pl.col("period_start") >= period.start) & (pl.col("period_end") <= period.end)
    years, of_site = years_of(period), partial(read, site_id=site.site_id, scope=scope)
    parts = [of_site("mart_site__kpi_values", years=years, where=inside & (pl.col("grain") == grain)).select(COLUMNS)]
    if grain == "month":
        last = pl.col("period_end").dt.offset_by("-1mo")
        is_last = (last >= period.start) & (pl.col("period_end") <= period.end)
        # Twelve rolling months are filed under the first of them.
        twelve = {year - back for year in years for back in (0, 1)}
        parts.append(of_site("mart_scope__rolling_kpi", years=twelve, where=is_last).select(COLUMNS))
    # Differences of the site's uses to their baselines; nothing where no EnPI is published. A use that the site file
    # has dropped keeps its rows in the marts.
    none = pl.DataFrame(schema=BASELINE | {"grain": pl.String(), "period_start": pl.Date(), "period_end": pl.Date()})
    rows = if_published(lambda: of_site("mart_seu__kpi_values", years=years), lambda _: none)
    if rows is not none:
        carriers = {f"seu:{seu.seu_id}": seu.carrier.value for seu in site.seus}
        carrier = pl.col("scope").replace_strict(carriers, default="electricity")
        rows = rows.with_columns(carrier=carrier, findings=pl.col("finding")).select(*COLUMNS, *BASELINE)
    parts.append(rows.filter(inside & (pl.col("grain") == grain)))
    # Diagonal: rows that compare with nothing lack the baseline's columns.
    return pl.concat(parts, how="diagonal").with_columns(hour_start_utc=pl.lit(None, dtype=pl.Datetime("us", "UTC")))


def years_of(period: Period) -> set[int]:
    """The calendar years that the period touches."""
    return set(range(period.start.year, (period.end - timedelta(days=1)).year + 1))


def hours_of(
    site: Site, period: Period, read: ReadMart, *, scope: str | None = None, kpis: Collection[str] = tuple(HOURLY)
) -> pl.DataFrame:
    """Hours of every scope as KPI rows with site_id, those of single meters among them, by the site's local days."""
    of_site = partial(read, site_id=site.site_id, years=years_of(period), scope=scope)
    is_inside = pl.col("local_date").is_between(period.start, period.end, closed="left")
    meters = (
        of_site("mart_meter__hour_energy", where=is_inside)
        .with_columns(scope="meter:" + pl.col("meter_id"), expected_minutes=pl.lit(60, dtype=pl.Int32))
        .drop("meter_id")
    )
    scopes = of_site("mart_scope__hour_kpi", where=is_inside)
    hours = pl.concat([scopes, meters.select(scopes.columns)])
    sources = of_site("mart_scope__day_kpi").select("scope", "max_source_minutes", local_date="period_start")
    hours = hours.join(sources, on=["scope", "local_date"], how="left", validate="m:1")
    # Where local midnight lies inside a UTC hour, each of the two days has its own quarters of it.
    quarters = [
        (pl.col("hour_start_utc") + pl.duration(minutes=15 * each)).dt.convert_time_zone(site.time_zone).dt.date()
        == pl.col("local_date")
        for each in range(4)
    ]
    own = pl.sum_horizontal(each.cast(pl.Int32) for each in quarters)
    hours = hours.with_columns(expected_minutes=pl.col("expected_minutes") * own // 4)
    return pl.concat([_hourly(hours, site, kpi) for kpi in kpis])


def _hourly(hours: pl.DataFrame, site: Site, kpi: str) -> pl.DataFrame:
    column, unit, left_out, code = HOURLY[kpi]
    without = pl.col(left_out) if left_out else pl.lit(0)
    is_coarse = pl.lit(kpi in PEAKS) & (pl.col("max_source_minutes") > CANONICAL_MINUTES)
    # In order of weight: the first that applies is the row's finding, the rest stand beside it.
    codes = [
        pl.when(without > 0).then(pl.lit(code)),
        pl.when(is_coarse).then(pl.lit(COARSE)),
        pl.when(pl.col("covered_minutes") < pl.col("expected_minutes")).then(pl.lit("gap")),
    ]
    rows = hours if left_out is None else hours.filter(pl.col("carrier").is_in(BOUGHT))
    return rows.select(
        pl.lit(site.site_id).alias("site_id"),
        "scope",
        "carrier",
        pl.lit("hour").alias("grain"),
        pl.col("local_date").alias("period_start"),
        (pl.col("local_date") + pl.duration(days=1)).alias("period_end"),
        pl.lit(kpi).alias("kpi"),
        pl.col(column).cast(pl.Decimal(38, 15)).alias("exact"),
        pl.col(column).cast(pl.Float64).alias("value"),
        pl.lit(site.currency if unit == "currency" else unit).alias("unit"),
        ((pl.col("covered_minutes") - without) / pl.col("expected_minutes")).alias("coverage"),
        pl.lit(None, dtype=pl.Float64).alias("estimated_share"),
        pl.coalesce(codes).alias("finding"),
        pl.concat_str(codes, separator=" ", ignore_nulls=True).alias("findings"),
        pl.lit(site.is_simulated).alias("is_synthetic"),
        "hour_start_utc",
    )


def row_of(figure: Figure, sources: Sources, figures: Mapping[str, Figure]) -> dict[str, Any]:
    """A figure as a row of the answer: with its finding, and the tariffs and factor versions of its period.

    figures: by id, those that it may be made of among them.
    """
    named = [each.trace.parameters for each in _leaves(figure, figures)]
    behind = list(dict.fromkeys((each["site"], each["scope"]) for each in named))
    versions = [
        version
        for site_id, scope in (behind if figure.kpi in FACTORED else ())
        for version in sources.factor_versions(
            sources.site(site_id), scope, figure.start, figure.end, figure.trace.as_of_utc
        )
    ]
    # Of tariffs, or of the price stream, that price a day of the figure for one of the scope's carriers.
    tariffs = [
        name
        for site_id, scope in (behind if figure.kpi in PRICED else ())
        for carrier in carriers_of(sources.site(site_id), scope)
        for name in price_sources(sources.site(site_id), carrier, figure.start, figure.end)
    ]
    return {
        **figure.model_dump(include=FIGURE_FIELDS),
        "hour_start_utc": figure.trace.parameters.get("hour_start_utc", ""),
        "finding": "" if figure.status == "ok" else figure.status,
        "tariffs": list(dict.fromkeys(tariffs)),
        "factors": list(dict.fromkeys(each.factor_id for each in versions)),
        "factor_versions": [each.model_dump(include=VERSION_FIELDS) for each in versions],
    }


def _leaves(figure: Figure, figures: Mapping[str, Figure]) -> Iterator[Figure]:
    """The figures of scopes that it is made of; itself where it is one."""
    if "site" in figure.trace.parameters:
        yield figure
    for given in figure.trace.inputs:
        if given.kind == "figure":
            yield from _leaves(figures[given.id], figures)


# How the days of a KPI become that of their span; of no other does it follow from its days.
OF_DAYS: Mapping[str, str] = {
    "consumption_kwh": "sum",
    "cost": "sum",
    "emission_kgco2e": "sum",
    "peak_15min_kw": "max",
}


def span_rows(site: Site, scope: str, period: Period, read: ReadMart, *, kpis: tuple[str, ...]) -> pl.DataFrame:
    """A row as kpi_list.kpi_rows has them for each of the KPIs (of OF_DAYS) that some day of the period has."""
    inside = (pl.col("period_start") >= period.start) & (pl.col("period_end") <= period.end)
    rows = read(
        "mart_site__kpi_values",
        site_id=site.site_id,
        years=years_of(period),
        scope=scope,
        where=inside & (pl.col("scope") == scope) & pl.col("kpi").is_in(list(kpis)),
    ).select(COLUMNS)
    is_whole = (pl.col("period_start") == period.start) & (pl.col("period_end") == period.end)
    found = [rows.filter(is_whole & (pl.col("kpi") == kpi)).head(1) for kpi in kpis]
    days = rows.filter(pl.col("grain") == "day")
    missing = [kpi for kpi, own in zip(kpis, found, strict=True) if own.is_empty()]
    made = [_of_days(days.filter(pl.col("kpi") == kpi), period) for kpi in missing]
    rows = pl.concat([*found, *(each for each in made if each is not None)])
    return rows.with_columns(hour_start_utc=pl.lit(None, dtype=pl.Datetime("us", "UTC")))


def _of_days(days: pl.DataFrame, period: Period) -> pl.DataFrame | None:
    known = days.filter(pl.col("exact").is_not_null() | pl.col("value").is_not_null()).sort("period_start")
    if known.is_empty():
        return None
    rows, first = known.to_dicts(), known.row(0, named=True)
    codes = list(dict.fromkeys(code for row in days.to_dicts() for code in (row["findings"] or "").split()))
    hours = {row["period_start"]: local_day_hours(row["period_start"], period.time_zone) for row in rows}
    read = {row["period_start"]: hours[row["period_start"]] * (row["coverage"] or 0.0) for row in rows}
    if len(rows) < period.days and "gap" not in codes:
        codes.append("gap")
    exact = [Decimal(repr(row["value"])) if row["exact"] is None else row["exact"] for row in rows]
    whole = COMBINATIONS[OF_DAYS[first["kpi"]]]([("day", each) for each in exact])
    row: dict[str, Any] = {
        **first,
        "grain": f"{period.start}/{period.end}",
        "period_start": period.start,
        "period_end": period.end,
        "exact": whole,
        "value": None if whole is None else float(whole),
        "coverage": sum(read.values()) / period.hours,
        "estimated_share": _weighed(rows, read),
        "finding": codes[0] if codes else None,
        "findings": " ".join(codes) or None,
        "is_synthetic": any(row["is_synthetic"] for row in rows),
    }
    return pl.DataFrame([row], schema=days.schema)


def _weighed(rows: list[dict[str, Any]], weights: Mapping[Any, float]) -> float | None:
    """The share of estimates in what was read of all days; None where a day does not say."""
    shares = [(row["estimated_share"], weights[row["period_start"]]) for row in rows]
    total = sum(weight for _, weight in shares)
    if not total or any(share is None for share, _ in shares):
        return None
    return float(sum(share * weight for share, weight in shares) / total)
