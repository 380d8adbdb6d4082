"""KPIs recomputed from readings: the definition's own SQL over the pinned site, factors and readings, in memory.

There is no other definition. What the marts print is a row of these models; what a trace makes again is the same row,
computed from the readings that it names. An independent oracle stands in tests/kpi/oracle. Definitions are kept as
files by their content and never changed: what a trace pins can be run again after the SQL changed.

Which streams a KPI of a scope reads: the scope's meters, and what else the KPI divides by or adds.
"""

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from datetime import date, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any, NamedTuple

import polars as pl

from assets.carbon.factor_choice.factor_view import FactorView, meter_factors
from assets.kpi.facts import streams_by_scope
from assets.kpi.incremental.mart_sources import (
    carrier_prices,
    factor_rows,
    priced_calendar,
    site_tables,
    window_rows,
)
from assets.kpi.mart_windows import Window
from assets.sites.scopes import known_spans
from assets.sites.virtual import streams_for
from assets.stores.warehouse.scratch import RunSql, rows_of
from assets.stores.warehouse.warehouse_tables import SOURCE_SCHEMAS, empty_source
from data_quality.contracts.errors import BadInput
from data_quality.contracts.reporting.figure import KpiDefinition
from data_quality.contracts.site_file.meter import Carrier
from data_quality.contracts.site_file.site import Site
from data_quality.contracts.time import months_after

# KPIs in which an emission factor stands.
FACTORED = ("emission_kgco2e", "emission_kgco2e_per_m2")


def split_product(site: Site, scope: str) -> tuple[str, str]:
    """The scope and the product after its slash, empty where none is named."""
    owner, _, last = scope.rpartition("/")
    is_product = bool(owner) and last in [product.product_id for product in site.premises.products]
    return (owner, last) if is_product else (scope, "")


def scope_meters(site: Site, scope: str) -> tuple[str, ...]:
    """The meters that are ever a member of the scope. Raises BadInput for a scope that the site does not have."""
    spans = known_spans(site, split_product(site, scope)[0])
    return tuple(dict.fromkeys(member.meter_id for span in spans for member in span.members))


def carriers_of(site: Site, scope: str) -> tuple[Carrier, ...]:
    """The carriers of the scope's meters, and water where it is of water."""
    meters = {each.stream_id for each in streams_by_scope(site).get(scope, ()) if each.role == "water"}
    meters = meters or set(scope_meters(site, scope))
    return tuple(sorted({meter.carrier for meter in site.meters if meter.meter_id in meters}))


def source_streams(kpi: str, *, site: Site, scope: str) -> tuple[str, ...]:
    """The streams that the KPI reads for the scope: its meters, what virtual ones among them are made of, and what
    else the KPI divides by or adds: price stream, reactive energy, generation, products, water, temperature.
    """
    owner, product = split_product(site, scope)
    roles = {
        "power_factor": ("kvarh",),
        "kwh_per_product": (f"product/{product}",),
        "self_consumption_rate": ("generation", "export"),
        "self_sufficiency": ("generation", "export"),
        "generation_kwh": ("generation",),
        "export_kwh": ("export",),
        "consumption_m3": ("water",),
    }.get(kpi, ())
    named = streams_by_scope(site).get(owner, ())
    others = [each.stream_id for each in named if each.role in roles]
    water = [each.stream_id for each in named if each.role == "water"]
    # Water is paid by its own meters and its own tariff.
    if kpi == "cost" and water:
        return tuple(dict.fromkeys(water))
    if kpi == "consumption_m3" or owner.endswith("/water"):
        return tuple(dict.fromkeys(others))
    found = [*streams_for(site, scope_meters(site, scope)), *others]
    if kpi == "cost" and site.price_stream:
        found.append(site.price_stream)
    if kpi.endswith(("_hdd", "_cdd")) and site.premises.degree_days is not None:
        found.append(site.premises.degree_days.driver)
    return tuple(dict.fromkeys(found))


# KPIs in which the highest quarter hour stands: a source that reads less often hides it.
PEAKS = ("peak_15min_kw", "load_factor", "demand_factor")
COARSE = "coarse_source"


UNREAD = "no_readings"
ROLLING = "eui_rolling12_kwh_per_m2"
# KPIs that compare with a baseline's expected days.
EXPECTED = ("delta_kwh", "savings_kwh", "delta_percent")
VALUES, ROLLING_VALUES, SEU_VALUES = "mart_site__kpi_values", "mart_scope__rolling_kpi", "mart_seu__kpi_values"
QUARTERS, PROJECTION = "mart_site__quarter_hour_running", "mart_site__day_projection"
METER_HOURS, SCOPE_HOURS = "mart_meter__hour_energy", "mart_scope__hour_kpi"
HOUR_COLUMNS = {
    "consumption_kwh": "energy_kwh",
    "peak_15min_kw": "peak_kw",
    "cost": "cost",
    "emission_kgco2e": "emission_kgco2e",
}


class KpiQuery(NamedTuple):
    """A KPI of a scope over local days [start, end), or over one UTC hour of the one day."""

    kpi: str
    scope: str
    start: date
    end: date
    hour_start_utc: datetime | None = None

    @property
    def grain(self) -> str:
        """Grain of a span in the marts: day, month or year; any other by its dates."""
        if self.end - self.start == timedelta(days=1):
            return "day"
        if self.start.day == 1 and self.end == months_after(self.start, 1):
            return "month"
        if self.start.timetuple().tm_yday == 1 and self.end == months_after(self.start, 12):
            return "year"
        return f"{self.start}/{self.end}"


class KpiRow(NamedTuple):
    """One row of the marts. findings: why there is no value, or all that must be known of it."""

    value: Decimal | None
    findings: tuple[str, ...]
    coverage: float | None
    estimated_share: float | None


def findings_of(row: KpiRow | None) -> tuple[str, ...]:
    """Findings of a KPI; of one that the marts have no row of, that nothing was read."""
    return (UNREAD,) if row is None else row.findings


class KpiQuestions(NamedTuple):
    """Requested KPIs of a site, and their inputs.

    readings: LAKE_SCHEMA rows as known at the instant, virtual meters among them, of the streams behind the questions
    over their whole span. expected: lake.seu_expected_days, for EXPECTED.
    """

    site: Site
    queries: Collection[KpiQuery]
    readings: pl.DataFrame
    factors: FactorView
    expected: pl.DataFrame | None = None


def kpi_rows(
    questions: Sequence[KpiQuestions], *, definition: KpiDefinition, run: RunSql = rows_of
) -> list[dict[KpiQuery, KpiRow | None]]:
    """The marts' row of each question, site by site; None where the marts have none, as of a scope without members.

    questions: of different sites, all answered by one run of the SQL: a run takes nearly as long for one as for all.
    Raises BadInput where it cannot be run.
    """
    parts = {each: _parts(each, definition) for question in questions for each in question.queries}
    given = [_query_tables(question) for question in questions]
    tables = {name: pl.concat([each[name] for each in given], how="diagonal_relaxed") for name in SOURCE_SCHEMAS}
    found = run(definition, tables, {name for names in parts.values() for name in names})
    by_key = {name: _by_key(name, frame) for name, frame in found.items()}
    return [
        {
            each: next(
                (row for name in parts[each] if (row := _row(site.site_id, each, by_key[name])) is not None), None
            )
            for each in kpis
        }
        for site, kpis, *_ in questions
    ]


def _query_tables(question: KpiQuestions) -> dict[str, pl.DataFrame]:
    site, kpis, readings, factors, expected = question
    start, end = min(each.start for each in kpis), max(each.end for each in kpis)
    spans = {span for each in kpis for span in _spans(each)}
    return _tables(site, readings, factors, start, end) | {
        "asked_periods": pl.DataFrame(
            [(site.site_id, *each) for each in sorted(spans)],
            schema=empty_source("asked_periods").schema,
            orient="row",
        ),
        "seu_expected_days": empty_source("seu_expected_days") if expected is None else expected,
    }


def _parts(query: KpiQuery, definition: KpiDefinition) -> tuple[str, ...]:
    """The models that may hold the row: the mart of its shape, or those of its parts in which the KPI is named."""
    if query.hour_start_utc is not None:
        return (METER_HOURS if query.scope.startswith("meter:") else SCOPE_HOURS,)
    if query.kpi == ROLLING:
        return (ROLLING_VALUES,)
    if query.kpi in EXPECTED:
        return (SEU_VALUES,)
    [values] = [each for each in definition.models if each.name == VALUES]
    # Only the parts that name it: the others of the union would be worked out for nothing.
    named = [each.name for each in definition.models if each.name in values.reads and f"'{query.kpi}'" in each.sql]
    if not named:
        raise BadInput(f"the definition knows no KPI {query.kpi!r}", reason="unknown_kpi")
    return tuple(named)


def running_rows(
    definition: KpiDefinition,
    *,
    site: Site,
    readings: pl.DataFrame,
    factors: FactorView,
    costs: pl.DataFrame,
    run: RunSql = rows_of,
) -> tuple[pl.DataFrame, pl.DataFrame]:
    """mart_site__quarter_hour_running and mart_site__day_projection of the months of the costs.

    readings: of the main meters over these months. costs: lake.interval_cost, whole months.
    """
    days = costs["interval_start_utc"].dt.convert_time_zone(site.time_zone).dt.date()
    first, last = days.min(), days.max()
    if not isinstance(first, date) or not isinstance(last, date):
        raise BadInput(f"nothing is known of the supply of site {site.site_id!r}", reason="nothing_known")
    tables = _tables(site, readings, factors, first, last + timedelta(days=1)) | {"interval_cost": costs}
    found = run(definition, tables, {QUARTERS, PROJECTION})
    return found[QUARTERS].sort("interval_start_utc"), found[PROJECTION]


def _tables(site: Site, readings: pl.DataFrame, factors: FactorView, start: date, end: date) -> dict[str, pl.DataFrame]:
    """Every table of schema `lake` over local days [start, end)."""
    # Every source is there, empty if need be: the SQL names them all.
    return {name: empty_source(name) for name in SOURCE_SCHEMAS} | {
        "windows": window_rows([Window(site_id=site.site_id, first=start, after=end)], {site.site_id: site}),
        "readings": readings,
        "site_quarter_hours": priced_calendar(site, readings, start, end),
        "carrier_prices": carrier_prices(site, start, end),
        "meter_factors": factor_rows(site, meter_factors(site, factors)),
        **site_tables([site]),
    }


def _spans(query: KpiQuery) -> Iterator[tuple[str, date, date]]:
    """The span of a question; of twelve months, each of them."""
    if query.kpi != ROLLING:
        yield query.grain, query.start, query.end
        return
    day = query.start
    while day < query.end:
        yield "month", day, months_after(day, 1)
        day = months_after(day, 1)


def _by_key(name: str, frame: pl.DataFrame) -> Mapping[tuple[Any, ...], Mapping[str, Any]]:
    rows: Iterable[dict[str, Any]] = frame.iter_rows(named=True)
    if name == METER_HOURS:
        return {
            (row["site_id"], f"meter:{row['meter_id']}", row["local_date"], row["hour_start_utc"]): row for row in rows
        }
    key = (
        ("scope", "local_date", "hour_start_utc") if name == SCOPE_HOURS else ("kpi", "scope", "grain", "period_start")
    )
    return {tuple(row[each] for each in ("site_id", *key)): row for row in rows}


def _row(site_id: str, query: KpiQuery, rows: Mapping[tuple[Any, ...], Mapping[str, Any]]) -> KpiRow | None:
    if query.hour_start_utc is not None:
        hour = rows.get((site_id, query.scope, query.start, query.hour_start_utc))
        value = None if hour is None else hour[HOUR_COLUMNS[query.kpi]]
        return None if hour is None else KpiRow(plain(value, None), (), None, None)
    grain = "rolling12" if query.kpi == ROLLING else query.grain
    row = rows.get((site_id, query.kpi, query.scope, grain, query.start))
    return None if row is None else row_of(row)


def row_of(row: Mapping[str, Any]) -> KpiRow:
    """A row of a mart of KPI values."""
    return KpiRow(plain(row["exact"], row["value"]), codes_of(row), row["coverage"], row["estimated_share"])


def codes_of(row: Mapping[str, Any]) -> tuple[str, ...]:
    """All findings of a row of the marts; of a mart without the column, the one that it names."""
    return tuple((row.get("findings") or row["finding"] or "").split())


def plain(exact: Decimal | None, value: float | None) -> Decimal | None:
    """The exact decimal of a sum, with nine places where it needs no more; else the shortest decimal of a double."""
    if exact is None:
        return None if value is None else Decimal(repr(value))
    nine = exact.quantize(Decimal(1).scaleb(-9))
    return nine if nine == exact else exact


class Definitions:
    """Today's definition, and a folder of former ones. keeps: a figure that names today's will be stored. run: who runs
    them.
    """

    def __init__(
        self,
        current: Callable[[], KpiDefinition],
        folder: Path | None = None,
        *,
        keeps: bool = True,
        run: RunSql = rows_of,
    ) -> None:
        self._make, self.folder, self._keeps, self.run = current, folder, keeps, run
        self._current: KpiDefinition | None = None

    def current(self) -> KpiDefinition:
        """Today's definition."""
        if self._current is None:
            self._current = self._make()
        return self._current

    def pinned(self) -> KpiDefinition:
        """Today's definition, kept: a figure is about to name it."""
        if self.folder is not None and self._keeps:
            keep_definition(self.folder, self.current())
        return self.current()

    def of(self, sha256: str) -> KpiDefinition:
        """The definition of that digest. Raises BadInput where it was not kept, or is not what it was."""
        if self.current().sha256 == sha256:
            return self.current()
        path = None if self.folder is None else self.folder / f"{sha256}.sql"
        if path is None or not path.is_file():
            raise BadInput(
                f"the definition of KPIs {sha256[:12]} was not kept: its figures cannot be recomputed by it",
                file=str(path or ""),
                reason="no_definition",
                mend="restore the folder of definitions from a backup, or verify the report's evidence pack",
            )
        found = KpiDefinition.parse(path.read_text(encoding="utf-8"), file=str(path))
        # A file's name is a promise that anybody may break with an editor.
        if found.sha256 != sha256:
            raise BadInput("is not the definition that its name says", file=str(path), reason="no_definition")
        return found


def keep_definition(folder: Path, definition: KpiDefinition) -> Path:
    """Write a definition under its digest, once and whole."""
    path = folder / f"{definition.sha256}.sql"
    if not path.exists():
        folder.mkdir(parents=True, exist_ok=True)
        unfinished = path.with_suffix(".part")
        unfinished.write_text(definition.text, encoding="utf-8")
        unfinished.replace(path)
    return path
