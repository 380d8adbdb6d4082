"""Sources of recomputation: lake, site files, baseline versions; each read once and kept for the run."""

import hashlib
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from functools import cached_property, partial
from pathlib import Path
from typing import Any, TypeVar

import polars as pl

from assets.carbon.factor_choice.factor_view import FactorView, applicable_factors, known_factors, version_text
from assets.kpi.enpi.daily import (
    SiteDays,
    adjusted_days,
    days_in,
    expected_days,
    features_by_day,
    seu_days,
    uses_streams,
)
from assets.kpi.enpi.enpi_result import DayPair, day_pairs
from assets.kpi.from_readings import FACTORED, Definitions, scope_meters
from assets.sites.calendar import calendar_sha256, calendar_versions
from assets.sites.load_sites import site_sha256
from assets.sites.organisation import known_organisation, load_organisation
from assets.sites.view import consumption_counts, site_readings, summed_readings
from assets.sites.virtual import streams_for
from assets.stores.lake.lake import Lake
from assets.stores.ledgers.adjustments import AdjustmentStore, adjustments_sha256
from assets.stores.ledgers.baselines import BaselineStore
from assets.stores.published.report_ledger import organisation_version, site_version
from data_quality.contracts.baselines.baseline import Adjustment, BaselineVersion
from data_quality.contracts.emissions.footprint import DayFactor
from data_quality.contracts.errors import BadInput
from data_quality.contracts.model import Model
from data_quality.contracts.organisation import Organisation
from data_quality.contracts.reporting.figure import KPI, Figure, KpiDefinition, TraceInput
from data_quality.contracts.site_file.site import Seu, Site
from data_quality.contracts.time import CANONICAL_MINUTES, Period, local_midnight_utc, parse_instant
from data_quality.contracts.units import ARITHMETIC

DEFINITION_ID = "kpi_sql"
# A total of so many streams is read apart from what figures are recomputed of, and lean.
_MANY = 200
# So many drivers of several uses are read at once.
_DRIVERS = 12
# Days of streams beyond which a table is read for one question alone: some two megabytes.
_KEPT_DAYS = 20_000
NO_EXPECTATION = {"local_date": pl.Date, "expected_kwh": pl.Float64, "is_extrapolated": pl.Boolean}
_Made = TypeVar("_Made")


def stored_sha256(rows: Iterable[Model], *, without: Collection[str] = ()) -> str:
    """Digest of what is stored, in its order. without: names of fields that may differ."""
    # Without what is as by default: a field that comes later is no change of what stands.
    texts = [each.model_dump_json(exclude_defaults=True, exclude=set(without)) for each in rows]
    return hashlib.sha256("\n".join(texts).encode()).hexdigest()


class Sources:
    """Reads on behalf of computations, as known at the instant that each trace names; each thing once.

    organisation_file: of the project, as it is today; None: nobody looks whether it changed. organisation_as_of_utc:
    the instant whose organisation is told, as its versions were kept; None: today's.
    """

    def __init__(
        self,
        *,
        lake: Lake,
        sites: Mapping[str, Site],
        definitions: Definitions,
        organisation_file: Path | None = None,
        organisation_as_of_utc: datetime | None = None,
    ) -> None:
        self.lake = lake
        self._kept: dict[tuple[Any, ...], Any] = {}
        self.sites, self.definitions, self._organisation_file = dict(sites), definitions, organisation_file
        self._organisation_as_of_utc = organisation_as_of_utc

    def keep(self, key: tuple[Any, ...], make: Callable[[], _Made]) -> _Made:
        """Answer of `make`, made once for these sources."""
        if key not in self._kept:
            self._kept[key] = make()
        kept: _Made = self._kept[key]
        return kept

    def meters(self, site: Site, scope: str) -> tuple[str, ...]:
        """The meters that are ever a member of the scope. Raises BadInput for a scope that the site does not have."""
        return self.keep(("meters", site.site_id, scope), lambda: scope_meters(site, scope))

    def site(self, site_id: str) -> Site:
        """The site of that id. Raises BadInput."""
        if site_id not in self.sites:
            raise BadInput(f"unknown site {site_id!r}; there are {', '.join(self.sites) or 'none'}", reason="no_site")
        return self.sites[site_id]

    def with_site_version(self, site_id: str, sha256: str) -> "Sources":
        """These sources with the site file as it was; themselves where it is still the same, or was never kept."""
        if site_id in self.sites and site_sha256(self.sites[site_id]) == sha256:
            return self
        return self.keep(("site version", sha256), lambda: self._as_of_version(site_id, sha256))

    def _as_of_version(self, site_id: str, sha256: str) -> "Sources":
        kept = site_version(self.lake.store, sha256)
        # A version from before site files were kept: today's is all there is.
        sites = self.sites if kept is None else {**self.sites, site_id: kept}
        return Sources(lake=self.lake, sites=sites, definitions=self.definitions)

    def organisation_today(self, given: TraceInput) -> str:
        """Digest of an organisation's file now; empty where it is gone or not in order."""
        if self._organisation_file is None:
            return given.sha256
        found = self._organisation_now()
        return found.sha256 if found is not None and found.organisation == given.id else ""

    def organisation(self) -> Organisation | None:
        """The project's organisation as its file is now, or was at the instant that is asked for; None where there is
        none, or it is not in order.
        """
        as_of_utc = self._organisation_as_of_utc
        if as_of_utc is not None and (kept := organisation_version(self.lake.store, as_of_utc)) is not None:
            return kept.document
        return self._organisation_now()

    def organisation_fault(self) -> BadInput | None:
        """Fault of the organisation's file; None where it can be read, or there is none."""
        if self.organisation() is not None or self._organisation_file is None:
            return None
        try:
            load_organisation(self._organisation_file)
        except BadInput as fault:
            return None if fault.reason == "no_organisation" else fault
        return None

    def _organisation_now(self) -> Organisation | None:
        file = self._organisation_file
        if file is None:
            return None
        return self.keep(("organisation",), lambda: known_organisation(file, self.lake.store.cache))

    @cached_property
    def baselines(self) -> BaselineStore:
        """The registered baselines of the lake's ledger."""
        return BaselineStore(self.lake.store)

    def baseline(self, baseline_id: str, version: int) -> BaselineVersion:
        """A registered baseline version. Raises BadInput."""
        return self.keep(("baseline", baseline_id, version), lambda: self.baselines.get(baseline_id, version))

    def expect_baselines(self, wanted: Collection[tuple[str, int]]) -> None:
        """Read versions that are going to be asked for at once: each for itself would be proven against all others."""
        missing = {each for each in wanted if ("baseline", *each) not in self._kept}
        if len(missing) > 1:
            self.know(self.baselines.named(missing))

    def know(self, versions: Iterable[BaselineVersion]) -> None:
        """Baseline versions that were read already, and need not be asked for one by one."""
        for version in versions:
            self._kept.setdefault(("baseline", version.baseline_id, version.version), version)

    def readings(self, site: Site, start: date, end: date, as_of_utc: datetime) -> pl.DataFrame:
        """The lake's view at T over local days [start, end): LAKE_SCHEMA, all streams of the site."""
        key = ("readings", site.site_id, start, end, as_of_utc)
        return self.keep(key, lambda: self._read(site, start, end, as_of_utc))

    def _read(
        self, site: Site, start: date, end: date, as_of_utc: datetime, streams: Sequence[str] | None = None
    ) -> pl.DataFrame:
        """All streams of the site, or these and what virtual ones among them are made of."""
        start_utc, end_utc = (local_midnight_utc(day, site.time_zone) for day in (start, end))
        wanted = None if streams is None else list(dict.fromkeys([*streams, *streams_for(site, streams)]))
        whole = self._covering(site.site_id, start, end, as_of_utc, streams or ())
        if whole is None:
            return site_readings(
                self.lake, site, start_utc=start_utc, end_utc=end_utc, as_of_utc=as_of_utc, meters=wanted
            )
        instant = pl.col("interval_start_utc")
        rows = whole.filter((instant >= start_utc) & (instant < end_utc))
        return rows if wanted is None else rows.filter(pl.col("meter_id").is_in(wanted))

    def _covering(
        self, site_id: str, start: date, end: date, as_of_utc: datetime, streams: Sequence[str] = ()
    ) -> pl.DataFrame | None:
        """A longer span, or more streams, that was read already: a part of it needs no second look at the disk."""
        for key, frame in self._kept.items():
            is_all = key[0] == "readings" and key[1] == site_id
            is_these = bool(streams) and key[:2] == ("streams", site_id) and set(streams) <= {*key[2]}
            # Both kinds of key end alike: start, end, instant.
            if (is_all or is_these) and key[-1] == as_of_utc and key[-3] <= start and end <= key[-2]:
                found: pl.DataFrame = frame
                return found
        return None

    def stream_readings(
        self, site: Site, streams: Sequence[str], start: date, end: date, as_of_utc: datetime
    ) -> pl.DataFrame:
        """As `readings`, of these streams and what virtual ones among them are made of: a part of a large site."""
        key = ("streams", site.site_id, tuple(streams), start, end, as_of_utc)
        return self.keep(key, lambda: self._read(site, start, end, as_of_utc, streams))

    def site_streams(self, site: Site, start: date, end: date, as_of_utc: datetime) -> pl.DataFrame:
        """Readings of the site's electricity total and of its price stream, to be summed (`summed_readings`)."""
        streams = [*self.meters(site, f"site:{site.site_id}"), *([site.price_stream] if site.price_stream else [])]
        if len(streams) < _MANY:
            return self.stream_readings(site, streams, start, end, as_of_utc)
        start_utc, end_utc = (local_midnight_utc(day, site.time_zone) for day in (start, end))
        return self.keep(
            ("summed", site.site_id, start, end, as_of_utc),
            lambda: summed_readings(
                self.lake, site, streams, start_utc=start_utc, end_utc=end_utc, as_of_utc=as_of_utc
            ),
        )

    def days(self, site: Site, seu_id: str, period: Period, as_of_utc: datetime) -> pl.DataFrame:
        """The daily table of one SEU (assets/kpi/enpi/daily.py) as known at T."""
        seu = seu_of(site, seu_id)
        if self._covering(site.site_id, period.start, period.end, as_of_utc) is not None:
            # The whole site was read already: its other meters need not be looked at again for each use.
            readings = self.stream_readings(site, uses_streams([seu]), period.start, period.end, as_of_utc)
            return seu_days(readings, site=site, seu=seu, start=period.start, end=period.end)
        known = self._known_days(site, seu, period, as_of_utc)
        known = known or self._days_of(site, uses_streams(site.seus), period, as_of_utc)
        return self._part_of(known, seu, period)

    def driver_days(self, site: Site, seu: Seu, period: Period, as_of_utc: datetime) -> pl.DataFrame:
        """As `days`, of the use's drivers alone; those of the site's other uses, where they are few, are read along."""
        known = self._known_days(site, seu, period, as_of_utc)
        if known is not None:
            return self._part_of(known, seu, period)
        drivers = sorted({each.driver_id for use in site.seus for each in use.drivers})
        if len(drivers) > _DRIVERS:
            drivers = [each.driver_id for each in seu.drivers]
        if self._covering(site.site_id, period.start, period.end, as_of_utc, drivers) is not None:
            readings = self.stream_readings(site, drivers, period.start, period.end, as_of_utc)
            return seu_days(readings, site=site, seu=seu, start=period.start, end=period.end)
        return self._part_of(self._days_of(site, drivers, period, as_of_utc), seu, period)

    def use_days(self, site: Site, seu: Seu, period: Period, as_of_utc: datetime) -> pl.DataFrame:
        """As `days`, of one use that nobody reads the others beside: parts of its span that are asked for after are
        parts of it.
        """
        return self._part_of(self._days_of(site, uses_streams([seu]), period, as_of_utc), seu, period)

    def _part_of(self, known: SiteDays, seu: Seu, period: Period) -> pl.DataFrame:
        # A project may be called as a use is, and be made of others.
        table = self.keep(("days of a use", known, seu.seu_id, *uses_streams([seu])), lambda: known.of(seu))
        return table.filter(pl.col("local_date").is_between(period.start, period.end, closed="left"))

    def _known_days(self, site: Site, seu: Seu, period: Period, as_of_utc: datetime) -> SiteDays | None:
        """Days that the use is a part of, of the span or a longer one, where such are known."""
        streams = {*uses_streams([seu])}
        for (kind, *named), kept in self._kept.items():
            if kind == "site days" and named[0] == site.site_id and named[3] == as_of_utc and streams <= {*named[4]}:
                longer: SiteDays = kept
                if named[1] <= period.start and period.end <= named[2]:
                    return longer
        return None

    def _days_of(self, site: Site, streams: Sequence[str], period: Period, as_of_utc: datetime) -> SiteDays:
        """Days of uses made of these streams, read once; of few streams once for every question of a process, as long
        as site file and files of the lake are the same.
        """

        def made() -> SiteDays:
            span = {"start_utc": period.start_utc, "end_utc": period.end_utc}
            files = self.lake.parts(site.site_id, **span, as_of_utc=as_of_utc)
            read = partial(days_in, files, site, streams, start=period.start, end=period.end)
            if len(streams) * period.days > _KEPT_DAYS:
                return read()
            key = (files, site_sha256(site), tuple(streams), period.start, period.end)
            return self.lake.store.cache.once("use_days", key, read)

        return self.keep(("site days", site.site_id, period.start, period.end, as_of_utc, tuple(streams)), made)

    def counts(self, site: Site, streams: Sequence[str], period: Period, as_of_utc: datetime) -> tuple[int, int]:
        """Quarter hours of consumption that were read, and how many of them are estimated, over these meters."""
        rows = self.stream_readings(site, streams, period.start, period.end, as_of_utc)
        return consumption_counts(rows, streams)

    def definition(self, sha256: str = "") -> KpiDefinition:
        """The SQL of that digest, or today's."""
        return self.definitions.of(sha256) if sha256 else self.definitions.current()

    def definition_input(self) -> TraceInput:
        """The SQL that KPIs are made by, as an input."""
        return self.keep(
            ("definition input",),
            lambda: TraceInput(
                kind="version", id=DEFINITION_ID, role="definition", sha256=self.definitions.pinned().sha256
            ),
        )

    def has_synthetic(self, site: Site, period: Period, as_of_utc: datetime) -> bool:
        """True where a batch behind the span brought simulated readings."""
        entries = self._entries(site.site_id, period.start_utc, period.end_utc, as_of_utc)
        return any(bool(entry["is_synthetic"]) for entry in entries)

    def pairs(
        self, site: Site, seu_id: str, pinned: tuple[str, int] | None, period: Period, as_of_utc: datetime
    ) -> list[DayPair]:
        """Metered and expected days of one SEU by a pinned baseline version (None: nothing is expected).

        Adjustments that were approved by then are in the expectation.
        """
        key = ("pairs", site.site_id, seu_id, pinned, period.start, period.end, as_of_utc)
        return self.keep(key, lambda: self._pairs(self.days(site, seu_id, period, as_of_utc), pinned, as_of_utc))

    def _pairs(self, days: pl.DataFrame, pinned: tuple[str, int] | None, as_of_utc: datetime) -> list[DayPair]:
        if pinned is None:
            return day_pairs(days, pl.DataFrame(schema=NO_EXPECTATION))
        baseline = self.baseline(*pinned).baseline
        expected = adjusted_days(expected_days(baseline, days), self.adjustments(*pinned, as_of_utc))
        return day_pairs(days, expected, features_by_day(baseline, days))

    def adjustments(self, baseline_id: str, version: int, as_of_utc: datetime | None) -> tuple[Adjustment, ...]:
        """Adjustments of a version's expected energy, as approved by then."""
        return self.keep(
            ("adjustments", baseline_id, version, as_of_utc),
            lambda: AdjustmentStore(self.lake.store).in_force(
                baseline_id, self.baseline(baseline_id, version).baseline, as_of_utc=as_of_utc
            ),
        )

    def adjustments_input(self, baseline_id: str, version: int, as_of_utc: datetime) -> TraceInput:
        """The adjustments behind a version's expected energy, as an input; one of an empty ledger too."""
        given = self.adjustments(baseline_id, version, as_of_utc)
        return self.keep(
            ("adjustments input", baseline_id, version, as_of_utc),
            lambda: TraceInput(
                kind="version",
                id=f"{baseline_id}@{version}",
                role="adjustments",
                sha256=adjustments_sha256(given),
                value=", ".join(each.adjustment_id for each in given) or "none",
            ),
        )

    def coverage(self, site: Site, period: Period, readings: pl.DataFrame) -> Decimal:
        """Share 0–1 of the quarter hours of the site's electricity total that were read."""
        meters = list(self.meters(site, f"site:{site.site_id}"))
        wanted = int(period.hours * 60 / CANONICAL_MINUTES) * len(meters)
        found = readings.filter(pl.col("meter_id").is_in(meters) & (pl.col("register") == "import")).height
        return ARITHMETIC.divide(Decimal(found), Decimal(wanted)) if wanted else Decimal(0)

    def batch_count(self, site: Site, period: Period, as_of_utc: datetime, field: str) -> Decimal:
        """A count over the batches behind the span: files, rejected_rows, accepted_rows."""
        span = {"start_utc": period.start_utc, "end_utc": period.end_utc}
        rows = self.keep(
            ("batches", site.site_id, period.start, period.end, as_of_utc),
            lambda: self.lake.batches(site.site_id, **span, as_of_utc=as_of_utc),
        )
        return Decimal(len(rows)) if field == "files" else Decimal(sum(int(row[field]) for row in rows))

    def _entries(
        self, site_id: str, start_utc: datetime, end_utc: datetime, as_of_utc: datetime
    ) -> list[dict[str, Any]]:
        """As `Lake.manifest`; asked of whole years, which a report's months and quarters are parts of."""
        # The end is exclusive: a span up to midnight does not touch the day that begins then.
        first, last = start_utc.date(), (end_utc - timedelta(microseconds=1)).date()
        found: list[dict[str, Any]] = []
        for year in range(first.year, last.year + 1):
            entries = self._entries_of_year(site_id, year, as_of_utc)
            found += [each for each in entries if first <= each["day"] <= last]
        return found

    def _entries_of_year(self, site_id: str, year: int, as_of_utc: datetime) -> list[dict[str, Any]]:
        start, end = datetime(year, 1, 1, tzinfo=UTC), datetime(year + 1, 1, 1, tzinfo=UTC)
        return self.keep(
            ("manifest", site_id, year, as_of_utc),
            lambda: self.lake.manifest(site_id, start_utc=start, end_utc=end, as_of_utc=as_of_utc),
        )

    def lake_input(self, site: Site, start: date, end: date, as_of_utc: datetime) -> TraceInput:
        """The lake's partitions behind local days [start, end), as an input with their digest at T."""
        start_utc, end_utc = (local_midnight_utc(day, site.time_zone) for day in (start, end))
        span = f"{site.site_id}/{start_utc:%Y-%m-%dT%H:%MZ}/{end_utc:%Y-%m-%dT%H:%MZ}"
        digest = self.keep(
            ("digest", site.site_id, start, end, as_of_utc),
            lambda: self.lake.digest_of(self._entries(site.site_id, start_utc, end_utc, as_of_utc)),
        )
        return TraceInput(kind="lake", id=span, role="readings", sha256=digest)

    def factors(self, site: Site, as_of_utc: datetime | None) -> FactorView:
        """The site's emission factors as of then (None: now): of its file and of the recorded sets."""
        key = ("factors", site.site_id, as_of_utc)
        return self.keep(key, lambda: known_factors(site, self.lake.store, as_of_utc=as_of_utc))

    def factor_inputs(
        self, site: Site, kpi: str, scope: str, start: date, end: date, as_of_utc: datetime | None
    ) -> list[TraceInput]:
        """The factors behind a KPI of a scope and span as one input; none of a KPI that has no emission in it."""
        if kpi not in FACTORED:
            return []
        versions = self.factor_versions(site, scope, start, end, as_of_utc)
        text = "; ".join(version_text(each) for each in versions)
        span = f"{site.site_id}/{start}/{end}/{scope}"
        sha256 = hashlib.sha256(text.encode()).hexdigest()
        return [TraceInput(kind="version", id=span, role="day_factors", sha256=sha256, value=text or "none")]

    def factor_versions(
        self, site: Site, scope: str, start: date, end: date, as_of_utc: datetime | None
    ) -> tuple[DayFactor, ...]:
        """The emission factors that hold for a scope's meters on local days of [start, end), as of then."""
        key = ("factor versions", site.site_id, scope, start, end, as_of_utc)
        meters = self.meters(site, scope)
        return self.keep(key, lambda: applicable_factors(site, self.factors(site, as_of_utc), meters, start, end))

    def site_input(self, site: Site) -> TraceInput:
        """The site file as an input: meters, calendar, tariff and factors stand in it."""
        digest = self.keep(("site", site.site_id), lambda: site_sha256(site))
        return TraceInput(kind="version", id=site.site_id, role="site", sha256=digest)

    def with_digests(self, figures: Iterable[Figure]) -> list[Figure]:
        """Figures of KPIs with the few inputs that time could take from them: site file and SQL as they are now."""
        return [self._with_few(each) if each.trace.computation == KPI else each for each in figures]

    def _with_few(self, figure: Figure) -> Figure:
        trace = figure.trace
        if any(each.role == "site" for each in trace.inputs):
            return figure
        few = (self.site_input(self.site(trace.parameters["site"])), self.definition_input())
        return figure.model_copy(update={"trace": trace.model_copy(update={"inputs": (*few, *trace.inputs)})})

    def calendar_inputs(self, site: Site, start: date, end: date) -> list[TraceInput]:
        """The calendar of each year that [start, end) touches, as inputs `site/year`; value names the versions."""
        return [self._calendar_input(site, year) for year in range(start.year, (end - timedelta(days=1)).year + 1)]

    def _calendar_input(self, site: Site, year: int) -> TraceInput:
        return self.keep(
            ("calendar", site.site_id, year),
            lambda: TraceInput(
                kind="version",
                id=f"{site.site_id}/{year}",
                role="calendar",
                sha256=calendar_sha256(site, date(year, 1, 1), date(year + 1, 1, 1)),
                value=", ".join(f"{name} {number}" for name, number in calendar_versions().items()),
            ),
        )


def seu_of(site: Site, seu_id: str) -> Seu:
    """The SEU of that id. Raises BadInput naming those that there are."""
    for seu in site.seus:
        if seu.seu_id == seu_id:
            return seu
    known = ", ".join(seu.seu_id for seu in site.seus) or "none"
    raise BadInput(f"site {site.site_id!r} has no SEU {seu_id!r}; it has {known}", reason="unknown_seu")


def parse_dates(parameters: Mapping[str, str]) -> tuple[date, date]:
    """Local dates [start, end) of a trace's parameters."""
    return date.fromisoformat(parameters["start"]), date.fromisoformat(parameters["end"])


def parse_span(lake_id: str) -> tuple[str, datetime, datetime]:
    """Site and UTC instants of a lake input's id `site/start/end`."""
    site_id, start, end = lake_id.split("/")
    return site_id, parse_instant(start), parse_instant(end)
