"""Walks from a figure back: its graph, its value recomputed, the readings behind it, and what has changed since."""

from collections.abc import Callable, Iterable, Iterator, Mapping
from datetime import date, datetime, timedelta
from decimal import Decimal
from typing import Any, Protocol

import polars as pl

from assets.kpi.claims.mv_savings import project_of, project_use
from assets.kpi.from_readings import FACTORED, source_streams
from assets.kpi.running_cost.interval_costs import supply_streams
from assets.sites.calendar import calendar_sha256
from assets.sites.scopes import register_scopes
from assets.sites.virtual import streams_for
from assets.stores.lake.lake_block import LAKE_SCHEMA
from assets.stores.lake.merges import digests_of, named_batches
from assets.stores.ledgers.adjustments import adjusted_baselines, adjustments_sha256
from assets.stores.ledgers.baselines import model_checksums
from assets.stores.published.report_ledger import ReportStore
from assets.stores.transactions import Store
from data_quality.contracts.errors import BadInput
from data_quality.contracts.model import Model
from data_quality.contracts.reporting.figure import Band, Figure, TraceInput
from data_quality.contracts.site_file.site import Site
from data_quality.contracts.time import CANONICAL_MINUTES, parse_instant
from data_quality.contracts.units import ARITHMETIC, QUANTUM_DECIMALS, UNITS, Behaviour
from reports.recompute.bands import band_data, figure_band
from reports.recompute.computations import COMBINATIONS, code_sha256, version_of
from reports.recompute.covered_area import OF_WATER, water_scope
from reports.recompute.experiment import ACTED
from reports.recompute.figure import recompute
from reports.recompute.figure_sources import Sources, parse_dates, parse_span, seu_of
from reports.recompute.footprint import carriers_of, factors_sha256, meters_of

ROW_COLUMNS = (
    "meter_id",
    "register",
    "interval_start_utc",
    "source_minutes",
    "value",
    "unit",
    "quality_code",
    "is_synthetic",
    "batch_id",
    "source_name",
    "source_line",
    "recorded_at_utc",
)


class Figures(Protocol):
    """Source of figures by id: a report store, or one with figures in hand (`WalkedFigures`)."""

    store: Store

    def figure(self, figure_id: str) -> Figure | None:
        """The figure of that id, or None."""

    def behind(self, figure_id: str) -> Figure | None:
        """As `figure`, of one that another is made of."""


class WalkedFigures:
    """Figures by id for one walk: those of a book that is not stored, and stored ones, each read once."""

    def __init__(self, reports: Figures, figures: Mapping[str, Figure]) -> None:
        self.store, self._reports = reports.store, reports
        self._figures: dict[str, Figure | None] = dict(figures)

    def figure(self, figure_id: str) -> Figure | None:
        """The figure of that id, or None."""
        if figure_id not in self._figures:
            self._figures[figure_id] = self._reports.behind(figure_id)
        return self._figures[figure_id]

    behind = figure


class TraceReport(Model):
    """Answer of `meterloom trace`. `difference` is recomputed minus stored, None where one of them is missing. band:
    what meters, factors and models may be off, None where nobody asks. is_equal: None where an act is quoted.
    """

    figure: Figure
    inputs: tuple[TraceInput, ...]
    versions: dict[str, str]
    recomputed: Decimal | None
    is_equal: bool | None
    difference: Decimal | None
    band: Band | None = None


class VersionChange(Model):
    """An input whose content differs today from what the figure was made of. role: of an input that is a version."""

    kind: str
    id: str
    then: str
    now: str
    role: str = ""

    @property
    def name(self) -> str:
        """The input by its role: site file tower, baseline compressors@2; readings and code by their kind."""
        role = {"site": "site file"}.get(self.role, self.role.replace("_", " "))
        return f"{role if self.kind == 'version' and role else self.kind} {self.id}"


def trace_figure(figure_id: str, *, reports: Figures, sources: Sources) -> TraceReport:
    """The figure's whole trace with its value recomputed. Raises BadInput for an unknown id."""
    figure = known_figure(figure_id, reports)
    reports = WalkedFigures(reports, {figure_id: figure})
    value = recompute(figure, sources=sources, lookup=reports.figure)
    inputs = tuple(dict.fromkeys(each for node in graph(figure, reports) for each in node.trace.inputs))
    versions = {
        f"code/{node.trace.computation}": version_of(node.trace.computation, node.trace.code_sha256)
        for node in graph(figure, reports)
    }
    versions |= {f"{each.role}/{each.id}": each.sha256 for each in inputs if each.kind == "version"}
    # A calendar is told by the versions of its libraries; its hash stands among the inputs.
    versions |= {f"{each.role}/{each.id}": each.value for each in inputs if each.role == "calendar"}
    difference = None if value is None or figure.value is None else ARITHMETIC.subtract(value, figure.value)
    return TraceReport(
        figure=figure,
        inputs=inputs,
        versions=versions,
        recomputed=value,
        is_equal=value == figure.value,
        difference=difference,
        band=figure_band(figure, sources=sources, lookup=reports.figure),
    )


def trace_data(found: TraceReport, *, names: bool = True) -> dict[str, Any]:
    """A trace with the keys of the contract (cli.md). names: whether meters and factors of its band may be named."""
    figure = found.figure
    return {
        "figure": figure.model_dump(exclude={"trace"}),
        "inputs": [each.model_dump(include={"kind", "id", "role", "sha256", "value"}) for each in found.inputs],
        "versions": found.versions,
        "computation": figure.trace.computation,
        "parameters": figure.trace.parameters,
        "as_of": figure.trace.as_of_utc,
        "recomputed": found.recomputed,
        "is_equal": found.is_equal,
        "difference": found.difference,
        "uncertainty": None if found.band is None else band_data(found.band, names=names),
    }


def known_figure(figure_id: str, reports: Figures) -> Figure:
    """A stored figure. Raises BadInput."""
    return _known(reports.figure(figure_id), figure_id)


def _known(figure: Figure | None, figure_id: str) -> Figure:
    if figure is None:
        raise BadInput(f"no figure {figure_id!r} is stored; a report's register lists its figures", reason="no_figure")
    return figure


def graph(figure: Figure, reports: Figures) -> Iterator[Figure]:
    """The figure and every figure that it rests on, each once, itself first."""
    seen, waiting = {figure.figure_id}, [figure]
    while waiting:
        # Breadth first: what a figure is made of comes before what that rests on.
        node = waiting.pop(0)
        yield node
        for given in node.trace.inputs:
            if given.kind == "figure" and given.id not in seen:
                seen.add(given.id)
                waiting.append(_known(reports.behind(given.id), given.id))


def source_readings(
    figure: Figure, *, reports: Figures, sources: Sources, is_open: Callable[[Figure], bool] = lambda _: True
) -> pl.DataFrame:
    """The readings that the figure is made of, as known at its as_of: ROW_COLUMNS, by meter and time.

    Derived from the partitions on demand. Empty for a figure that rests on no reading, such as a coefficient. is_open:
    whether those of a figure that it is made of may be told.
    """
    frames = []
    for leaf in graph(figure, reports):
        about = leaf.trace.parameters
        if leaf.trace.computation in COMBINATIONS or not {"site", "start"} <= set(about) or not is_open(leaf):
            continue
        site = sources.site(about["site"])
        start, end = parse_dates(about)
        streams = streams_of(leaf, site)
        # Sorted, as whoever made the value again asked for them: they were read already.
        rows = sources.stream_readings(site, sorted(set(streams)), start, end, leaf.trace.as_of_utc)
        rows = rows.filter(pl.col("meter_id").is_in(streams) & _is_of_hour(leaf))
        if of_register := register_scopes(site).get(leaf.scope):
            # What a virtual meter's is made of may stand in another.
            rows = rows.filter((pl.col("meter_id") != of_register[0]) | (pl.col("register") == of_register[1]))
        frames.append(rows)
    if not frames:
        return pl.DataFrame(schema={name: LAKE_SCHEMA.get(name, pl.String()) for name in ROW_COLUMNS})
    # A month and the year around it read the same quarter hours: each is listed once.
    rows = pl.concat(frames).unique(["site_id", "meter_id", "register", "interval_start_utc"], maintain_order=True)
    named = named_batches(reports.store, rows["batch_id"].unique().to_list())
    names = pl.DataFrame(
        [(each["batch_id"], each["source_name"]) for each in named],
        schema={"batch_id": pl.String, "source_name": pl.String},
        orient="row",
    )
    joined = rows.join(names, on="batch_id", how="left", validate="m:1", maintain_order="left")
    return joined.select(ROW_COLUMNS).sort("meter_id", "register", "interval_start_utc")


def _is_of_hour(leaf: Figure) -> pl.Expr:
    """The quarter hours of the hour that a leaf is of, or its one; all of its days where it is of neither."""
    at, named = pl.col("interval_start_utc"), leaf.trace.parameters
    if quarter := named.get("quarter_start_utc"):
        return at == parse_instant(quarter)
    if hour := named.get("hour_start_utc"):
        return at.is_between(parse_instant(hour), parse_instant(hour) + timedelta(hours=1), closed="left")
    return pl.lit(value=True)


def as_read(rows: pl.DataFrame) -> pl.DataFrame:
    """Readings as their source had them: the quarter hours of one hour (or day, or month) are one row again.

    rows: as `source_readings`. Returns meter_id, register, start_utc, minutes, value (amounts added up, levels as they
    were), unit, quality_code, is_synthetic, batch_id, source_name, source_line, recorded_at_utc; a span of which a part
    was replaced is as many rows as it has origins.
    """
    origin = [name for name in ROW_COLUMNS if name not in {"interval_start_utc", "value"}]
    step = pl.duration(minutes=CANONICAL_MINUTES)
    is_first = pl.struct(origin).ne_missing(pl.struct(origin).shift()) | (
        pl.col("interval_start_utc").diff().ne_missing(step)
    )
    quarters = (pl.col("source_minutes") // CANONICAL_MINUTES).clip(1)
    place = pl.int_range(pl.len()).over(pl.col("_run"))
    levels = [unit.code for unit in UNITS.values() if unit.behaviour is Behaviour.LEVEL]
    value = pl.when(pl.col("unit").first().is_in(levels)).then(pl.col("value").first()).otherwise(pl.col("value").sum())
    return (
        rows.with_columns(_run=is_first.fill_null(value=True).cum_sum())
        .with_columns(_part=place // quarters)
        .group_by("_run", "_part", maintain_order=True)
        .agg(
            meter_id=pl.col("meter_id").first(),
            register=pl.col("register").first(),
            start_utc=pl.col("interval_start_utc").first(),
            minutes=pl.len() * CANONICAL_MINUTES,
            # Nine decimals, as they are stored: the parts of an hour are the hour again.
            value=value.round(QUANTUM_DECIMALS),
            **{name: pl.col(name).first() for name in origin if name not in {"meter_id", "register", "source_minutes"}},
        )
        .drop("_run", "_part")
    )


def streams_of(leaf: Figure, site: Site) -> list[str]:
    """Meters and drivers that a leaf reads."""
    named = leaf.trace.parameters
    if "seu" in named:
        seu = seu_of(site, named["seu"])
        # What is metered rests on meters alone; what is expected or compared rests on drivers as well.
        drivers = [] if named.get("field") == "metered_kwh" else [driver.driver_id for driver in seu.drivers]
        # What a saving is worth rests on prices too.
        priced = source_streams("cost", site=site, scope=f"seu:{seu.seu_id}") if "field" not in named else ()
        return [*dict.fromkeys((*streams_for(site, seu.meters), *drivers, *priced))]
    if "project" in named:
        use = project_use(site, project_of(site, named["project"]))
        return [*streams_for(site, use.meters), *(driver.driver_id for driver in use.drivers)]
    if named.get("of") == OF_WATER:
        return list(source_streams("consumption_m3", site=site, scope=water_scope(site)))
    if leaf.trace.computation in {"footprint_number", "known_floor_area"}:
        return [name for carrier in carriers_of(site) for name in meters_of(site, carrier)]
    if leaf.trace.computation == "running_figure":
        return list(supply_streams(site))
    scope = named.get("scope", f"site:{site.site_id}")
    return list(source_streams(named.get("kpi", "consumption_kwh"), site=site, scope=scope))


def current_changes(figure: Figure, *, reports: Figures, sources: Sources) -> list[VersionChange]:
    """Changes of the figure if it were made now: partitions, site file, baseline status aside, code."""
    changes: dict[tuple[str, str], VersionChange] = {}
    for node in graph(figure, reports):
        name, then = node.trace.computation, node.trace.code_sha256
        if (now := code_sha256(name)) != then:
            then, now = version_of(name, then), version_of(name, now)
            changes["code", name] = VersionChange(kind="code", id=name, then=then, now=now)
        for given in node.trace.inputs:
            if given.kind in {"lake", "version"} and (today := current_sha256(given, sources)) != given.sha256:
                changes[given.kind, given.id] = VersionChange(
                    kind=given.kind, id=given.id, then=given.sha256, now=today, role=given.role
                )
    return list(changes.values())


def stale_revisions(
    reports: ReportStore,
    sources: Sources,
    *,
    as_of_utc: datetime | None = None,
    only: Iterable[tuple[str, int]] | None = None,
) -> dict[tuple[str, int], list[VersionChange]]:
    """Every stored revision, or `only` those, with the inputs that differ today; a fresh revision has an empty list.

    A join of what traces name with what is: each distinct input is looked at once. as_of_utc: revisions stored by
    then, and readings as known then.
    """
    wanted = reports.stored_keys(as_of_utc=as_of_utc) if only is None else list(only)
    found: dict[tuple[str, int], list[VersionChange]] = {key: [] for key in wanted}
    for row, now in differing(reports.distinct_inputs(None if only is None else wanted), sources, as_of_utc=as_of_utc):
        # Inputs are asked for all revisions, of which as_of_utc may leave some out.
        if (key := (row["report_id"], row["revision"])) in found:
            change = VersionChange(kind=row["kind"], id=row["id"], then=row["sha256"], now=now, role=row["role"])
            found[key].append(change)
    return found


def differing(
    rows: Iterable[dict[str, Any]], sources: Sources, *, as_of_utc: datetime | None = None
) -> list[tuple[dict[str, Any], str]]:
    """Of `ReportStore.distinct_inputs`, those whose digest is another one now, or was at an instant, with that one."""
    rows = list(rows)
    # The digests of all spans at once: a site's manifest is read once, however many reports rest on it.
    ids = {row["id"] for row in rows if row["kind"] == "lake"}
    spans = {lake_id: parse_span(lake_id) for lake_id in ids}
    digests = digests_of(sources.lake.store, spans.values(), as_of_utc=as_of_utc)
    today = {("lake", "", lake_id): digests[span] for lake_id, span in spans.items()}
    # Checksums of all baseline versions, and the adjustments of those that nobody ever adjusted: two queries.
    checksums, adjusted = model_checksums(sources.lake.store), adjusted_baselines(sources.lake.store)
    for (name, number), sha256 in checksums.items():
        today["version", "baseline", f"{name}@{number}"] = sha256
        if name not in adjusted:
            today["version", "adjustments", f"{name}@{number}"] = adjustments_sha256(())
    found = []
    for row in rows:
        kind = row["kind"]
        key = (kind, "" if kind == "lake" else row["role"], row["id"])
        if key not in today:
            given = TraceInput(kind=kind, id=row["id"], role=row["role"], sha256=row["sha256"])
            today[key] = current_sha256(given, sources, as_of_utc=as_of_utc)
        if today[key] != row["sha256"]:
            found.append((row, today[key]))
    return found


def current_sha256(given: TraceInput, sources: Sources, *, as_of_utc: datetime | None = None) -> str:
    """The digest that an input has now, or its readings had at an instant; empty where it is gone."""
    if given.kind == "lake":
        site_id, start_utc, end_utc = parse_span(given.id)
        return sources.lake.digest(site_id, start_utc=start_utc, end_utc=end_utc, as_of_utc=as_of_utc)
    if given.role == "definition":
        return sources.definitions.current().sha256
    if given.role == "site":
        return sources.site_input(sources.sites[given.id]).sha256 if given.id in sources.sites else ""
    if given.role == "organisation":
        return sources.organisation_today(given)
    if given.role == "calendar":
        site_id, _, year = given.id.rpartition("/")
        first, after = date(int(year), 1, 1), date(int(year) + 1, 1, 1)
        return calendar_sha256(sources.sites[site_id], first, after) if site_id in sources.sites else ""
    if given.role == "factors":
        return factors_sha256(sources, sources.sites[given.id], as_of_utc) if given.id in sources.sites else ""
    if given.role == "day_factors":
        return _day_factors_today(given, sources, as_of_utc)
    if given.role in ACTED:
        return ACTED[given.role](given, sources, as_of_utc)
    if given.role in {"baseline", "adjustments"}:
        baseline_id, _, version = given.id.rpartition("@")
        if given.role == "adjustments":
            return adjustments_sha256(sources.adjustments(baseline_id, int(version), as_of_utc))
        return sources.baseline(baseline_id, int(version)).model_checksum
    # What is left is named by its own content, as a bill's file is: it cannot have changed.
    return given.sha256


def _day_factors_today(given: TraceInput, sources: Sources, as_of_utc: datetime | None) -> str:
    # Three cuts at most: a scope may hold strokes itself.
    site_id, start, end, scope = given.id.split("/", 3)
    if site_id not in sources.sites:
        return ""
    days = date.fromisoformat(start), date.fromisoformat(end)
    try:
        [found] = sources.factor_inputs(sources.sites[site_id], FACTORED[0], scope, *days, as_of_utc)
    except BadInput:
        # A scope that the site file no longer has, or two factors of one day.
        return ""
    return found.sha256
