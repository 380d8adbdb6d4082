"""Sources of recomputation: lake, site files, baseline versions; each read once and kept for the run."""

import hashlib
from collections.abc import Collection, Iterable, Mapping, Sequence
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from functools import cached_property
from pathlib import Path
from typing import Any, NamedTuple

import polars as pl

from assets.carbon.factor_choice.factor_view import FactorView, known_factors, version_text, versions_behind
from assets.kpi.enpi.enpi_result import DayPair, day_pairs
from assets.kpi.enpi.expected_energy import adjusted_days, expected_days, features_by_day
from assets.kpi.from_readings import (
    FACTORED,
    Definitions,
    KpiQuery,
    KpiQuestions,
    KpiRow,
    kpi_rows,
    scope_meters,
    streams_behind,
)
from assets.sites.calendar import calendar_sha256, calendar_versions
from assets.sites.load_sites import site_sha256
from assets.sites.organisation import known_organisation, load_organisation
from assets.sites.view import consumption_counts
from assets.stores.lake.lake import Lake
from assets.stores.ledgers.adjustments import AdjustmentStore, adjustments_sha256
from assets.stores.ledgers.baselines import BaselineStore
from assets.stores.published.report_ledger import organisation_version, site_version
from data_quality.contracts.baselines.baseline import Adjustment, BaselineVersion
from data_quality.contracts.emissions.footprint import DayFactor
from data_quality.contracts.errors import BadInput, WorldFault
from data_quality.contracts.organisation import Organisation
from data_quality.contracts.reporting.figure import KpiDefinition, TraceInput
from data_quality.contracts.site_file.site import Site
from data_quality.contracts.time import CANONICAL_MINUTES, Period, local_midnight_utc, parse_instant
from data_quality.contracts.units import ARITHMETIC
from reports.recompute.kept_readings import KeptReadings

# KPIs that dated facts of the site file alone decide.
OF_THE_SITE_FILE = ("floor_area_m2", "headcount")
DEFINITION_ID = "kpi_sql"
# Readings of several sites that one run of the SQL is over: more of them would only be memory.
_TOGETHER = 2**17
NO_EXPECTATION = {"local_date": pl.Date, "expected_kwh": pl.Float64, "is_extrapolated": pl.Boolean}


class KpiBasis(NamedTuple):
    """Sources of KPI rows recomputed, beside the question: a site as of then, and by which SQL.

    definition: its digest; empty: today's. baseline: the version that expects for the use seu_id, of differences.
    """

    site_id: str
    as_of_utc: datetime
    definition: str = ""
    seu_id: str = ""
    baseline: tuple[str, int] | None = None


class Sources(KeptReadings):
    """Reads on behalf of computations, as known at the instant that each trace names.

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
        super().__init__(lake)
        self.sites, self.definitions, self._organisation_file = dict(sites), definitions, organisation_file
        self._organisation_as_of_utc = organisation_as_of_utc
        # What is going to be asked, by what answers it: the SQL runs once for all of a year.
        self._wanted: dict[KpiBasis, set[KpiQuery]] = {}

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

    def counts(self, site: Site, streams: Sequence[str], period: Period, as_of_utc: datetime) -> tuple[int, int]:
        """Quarter hours of consumption that were read, and how many of them are estimated, over these meters."""
        rows = self.stream_readings(site, streams, period.start, period.end, as_of_utc)
        return consumption_counts(rows, streams)

    def want(self, basis: "KpiBasis", questions: Iterable[KpiQuery]) -> None:
        """Announce what `kpi_row` will look up: questions of one basis and year are answered by one run of the SQL."""
        self._wanted.setdefault(basis, set()).update(questions)

    def kpi_row(self, basis: "KpiBasis", question: KpiQuery) -> KpiRow | None:
        """A KPI recomputed from readings, as the marts would have it; None where they would have no such row."""
        known = self._answered(basis)
        if question not in known:
            wanted = {
                # A year at a time: one run over all that is wanted would hold all their readings at once.
                each: {one for one in kpis if one.start.year == question.start.year} - set(self._answered(each))
                for each, kpis in self._wanted.items()
                # Of other sites as well, in what order they may come.
                if each._replace(site_id=basis.site_id) == basis
            }
            mine = wanted.pop(basis, set()) | {question}
            try:
                self._run_sql({basis: mine} | wanted)
            except WorldFault:
                if not any(wanted.values()):
                    raise
                # What another site is at fault in is told where that is asked.
                self._run_sql({basis: mine})
        return known[question]

    def _answered(self, basis: "KpiBasis") -> dict[KpiQuery, KpiRow | None]:
        return self.keep(("kpi rows", basis), dict)

    def _run_sql(self, wanted: Mapping["KpiBasis", Collection[KpiQuery]]) -> None:
        """Answer what is wanted of the first basis, and of others as long as they are small."""
        questions, rows = dict[KpiBasis, KpiQuestions](), 0
        for basis, wanted_kpis in wanted.items():
            if not wanted_kpis:
                continue
            made = self._questions(basis, wanted_kpis)
            rows += made.readings.height
            if questions and rows > _TOGETHER:
                break
            questions[basis] = made
        definition = self.definition(next(iter(questions)).definition)
        found = kpi_rows([*questions.values()], definition=definition, run=self.definitions.run)
        for basis, answers in zip(questions, found, strict=True):
            self._answered(basis).update(answers)

    def _questions(self, basis: "KpiBasis", questions: Collection[KpiQuery]) -> KpiQuestions:
        site = self.site(basis.site_id)
        start, end = min(each.start for each in questions), max(each.end for each in questions)
        named = dict.fromkeys((each.kpi, each.scope) for each in questions)
        streams = list(
            dict.fromkeys(name for kpi, scope in named for name in streams_behind(kpi, site=site, scope=scope))
        )
        if any(each.kpi in OF_THE_SITE_FILE for each in questions):
            # An area is known of a scope without readings too, as long as the site has some.
            streams += scope_meters(site, f"site:{site.site_id}")
        return KpiQuestions(
            site,
            questions,
            # Sorted, because they are part of a key: in another order they would be read again.
            readings=self.stream_readings(site, sorted(set(streams)), start, end, basis.as_of_utc),
            factors=self.factors(site, basis.as_of_utc),
            expected=self._expected_days(basis, site, Period(label="", start=start, end=end, time_zone=site.time_zone)),
        )

    def _expected_days(self, basis: "KpiBasis", site: Site, span: Period) -> pl.DataFrame | None:
        """lake.seu_expected_days of the one use whose difference to a baseline is asked for."""
        if basis.baseline is None:
            return None
        version, seu_id = self.baseline(*basis.baseline), basis.seu_id
        days = self.days(site, seu_id, span, basis.as_of_utc)
        expected = adjusted_days(
            expected_days(version.baseline, days), self.adjustments(*basis.baseline, basis.as_of_utc)
        )
        return expected.select(
            pl.lit(site.site_id).alias("site_id"),
            pl.lit(seu_id).alias("seu_id"),
            "local_date",
            pl.lit(basis.baseline[0]).alias("baseline_id"),
            pl.lit(basis.baseline[1]).alias("baseline_version"),
            "expected_kwh",
        )

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
        return self.keep(key, lambda: versions_behind(site, self.factors(site, as_of_utc), meters, start, end))

    def site_input(self, site: Site) -> TraceInput:
        """The site file as an input: meters, calendar, tariff and factors stand in it."""
        digest = self.keep(("site", site.site_id), lambda: site_sha256(site))
        return TraceInput(kind="version", id=site.site_id, role="site", sha256=digest)

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


def parse_dates(parameters: Mapping[str, str]) -> tuple[date, date]:
    """Local dates [start, end) of a trace's parameters."""
    return date.fromisoformat(parameters["start"]), date.fromisoformat(parameters["end"])


def parse_span(lake_id: str) -> tuple[str, datetime, datetime]:
    """Site and UTC instants of a lake input's id `site/start/end`."""
    site_id, start, end = lake_id.split("/")
    return site_id, parse_instant(start), parse_instant(end)
