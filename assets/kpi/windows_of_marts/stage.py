"""One stage of the marts (kpi or enpi) before and after dbt: what is stale, which windows a run computes, what it
loads, what it leaves behind. Dagster and dbt stand in the shell that calls this.
"""

from collections.abc import Mapping, Sequence
from datetime import date
from pathlib import Path

import polars as pl

from assets.carbon.factor_choice.meter_factors import known_factors
from assets.kpi.mart_windows import (
    Window,
    after_publication,
    read_from,
    span_after,
    stale_months,
    window_for,
    years_by_site,
)
from assets.kpi.running_cost.interval_costs import carries_over
from assets.kpi.windows_of_marts.factor_days import factors_text, spliced
from assets.kpi.windows_of_marts.mart_sources import source_tables, whole_site
from assets.readings.changes.affected import touched_months
from assets.sites.load_sites import site_sha256
from assets.stores.lake.lake import Lake, newest_entry
from assets.stores.ledgers.adjustments import AdjustmentStore, adjustments_sha256
from assets.stores.ledgers.baselines import BaselineStore
from assets.stores.warehouse.marks import BuildNote, BuiltSite, read_built, write_built
from assets.stores.warehouse.marts import ENPI_MARTS, KPI_MARTS, PORTFOLIO, drop_sites
from assets.stores.warehouse.warehouse import (
    WarehouseTarget,
    built_with,
    energy_spans,
    load_sources,
    mark_built,
    publish_marts,
)
from assets.tariffs.periods import tariffs_of
from data_quality.contracts.errors import BadInput
from data_quality.contracts.model import Model
from data_quality.contracts.site_file.site import Site

MARTS_OF = {"kpi": tuple(KPI_MARTS), "enpi": tuple(ENPI_MARTS)}


class Prepared(Model):
    """What a build is about to compute. is_full: every table is made anew, since the SQL changed or none is there."""

    stage: str
    entry: int
    windows: tuple[Window, ...]
    months: tuple[str, ...]
    site: BuiltSite
    known: BuiltSite | None
    site_id: str
    is_full: bool
    rows: dict[str, int]


class Stage:
    """One stage over a project's sites, lake and baselines. fingerprint: of the dbt project as it is now."""

    def __init__(
        self,
        name: str,
        *,
        sites: Mapping[str, Site],
        lake: Lake,
        baselines: BaselineStore,
        marts_dir: Path,
        fingerprint: str,
    ) -> None:
        self.name, self.sites, self.lake, self.baselines = name, dict(sites), lake, baselines
        self.marts_dir, self.fingerprint = marts_dir, fingerprint

    def now(self) -> dict[str, BuiltSite]:
        """What each site would be built with today. EnPIs are built of sites that have SEUs."""
        found = {}
        for site_id, site in self.sites.items():
            if self.name == "kpi" or site.seus:
                found[site_id] = self._now_of(site_id)
        return found

    def stale(self) -> dict[str, int]:
        """`SITE|YYYY-MM` whose published marts are older than readings, site file, factors, baseline or SQL.

        With the newest manifest entry of each.
        """
        return stale_months(read_built(self.marts_dir, self.name), self._touched(), self.now())

    def prepare(
        self, site_id: str, first: date, after: date, *, target: WarehouseTarget, expected: pl.DataFrame | None = None
    ) -> Prepared:
        """Load what a run over the site's local months [first, after) needs.

        Raises BadInput where the EnPI stage meets a warehouse without the site's KPI tables.
        """
        # Read before the sources: what lands while they load counts as not built, and is built next time.
        entry, parts = newest_entry(self.lake.store), built_with(target)
        site, built = self.sites[site_id], read_built(self.marts_dir, self.name)
        if self.name == "enpi" and parts.get(f"kpi|{site_id}") != self.fingerprint:
            raise BadInput(
                f"the warehouse does not hold the KPI tables of site {site_id!r}",
                reason="no_kpi_tables",
                mend="run the job kpi over the site's months first",
            )
        # Other SQL leaves tables that are partly of the old one: they are made anew, whatever is asked.
        is_full = parts.get(self.name) != self.fingerprint
        if is_full:
            # Unmarked before anything changes: a run that dies leaves no mark, and the next one makes all anew.
            mark_built(target, self.name, "")
        has_site = not is_full and parts.get(f"{self.name}|{site_id}") == self.fingerprint
        known = built.sites.get(site_id) if has_site else None
        now = self._now_of(site_id)
        window = window_for(
            Window(site_id=site_id, first=first, after=after),
            built=known,
            now=now,
            whole=whole_site(site, self.lake),
            is_carried=carries_over(tariffs_of(site)),
        )
        # Rows of sites that were removed go with the next run of any site.
        gone = [
            Window(site_id=other, first=first, after=after, is_whole_site=True)
            for other in built.sites
            if other not in self.sites
        ]
        tables = source_tables(self.sites, self.lake, expected, windows=[window, *gone])
        return Prepared(
            stage=self.name,
            entry=entry,
            windows=(window, *gone),
            months=months_between(site_id, first, after),
            site=_built_with(now, known, window, entry),
            known=None if window.is_whole_site else known,
            site_id=site_id,
            is_full=is_full,
            rows=load_sources(target, tables),
        )

    def finish(self, prepared: Prepared, *, target: WarehouseTarget) -> BuildNote:
        """After dbt succeeded: the warehouse says what it holds, and the note what is to be published."""
        first, last = span_after(prepared.known, prepared.windows[0], energy_spans(target).get(prepared.site_id))
        # Only now, after dbt succeeded: until here the marks say what the tables were before.
        for part in (self.name, f"{self.name}|{prepared.site_id}"):
            mark_built(target, part, self.fingerprint)
        return BuildNote(
            entry=prepared.entry,
            years={site_id: tuple(sorted(years)) for site_id, years in years_by_site(prepared.windows).items()},
            months=prepared.months,
            sites={prepared.site_id: prepared.site.model_copy(update={"first": first, "last": last})},
        )

    def publish(self, note: BuildNote | None, *, target: WarehouseTarget) -> dict[str, int]:
        """Write what was built to the Parquet files that everybody reads. Returns the rows of each mart.

        Without a note everything that the warehouse holds is written, and nothing more is known of it.
        """
        if note is None:
            return publish_marts(target, self.marts_dir, MARTS_OF[self.name])
        years = {site_id: years for site_id, years in note.years.items() if site_id in self.sites}
        counts: dict[str, int] = {}
        for name in MARTS_OF[self.name]:
            counts |= publish_marts(target, self.marts_dir, [name], years=published_years(name, years))
        # Before the note: once that no longer names a site, nobody would look for its files.
        drop_sites(self.marts_dir, keep=self.sites)
        built = read_built(self.marts_dir, self.name)
        write_built(self.marts_dir, self.name, after_publication(built, note, self._touched(), self.now()))
        return counts

    def _touched(self) -> dict[str, int]:
        built = read_built(self.marts_dir, self.name)
        after_ids = {site_id: read_from(built, site_id, now) for site_id, now in self.now().items()}
        return touched_months({name: self.sites[name] for name in after_ids}, self.lake, after_ids=after_ids)

    def _now_of(self, site_id: str) -> BuiltSite:
        site = self.sites[site_id]
        is_kpi = self.name == "kpi"
        return BuiltSite(
            sha256=site_sha256(site),
            # An approval changes no KPI, and a factor no EnPI: neither must make the other stage stale.
            baselines="" if is_kpi or not site.seus else versions_text(site, self.baselines),
            factors=factors_text(site, known_factors(site, self.lake.store)) if is_kpi else "",
            project=self.fingerprint,
        )


def _built_with(now: BuiltSite, known: BuiltSite | None, window: Window, entry: int) -> BuiltSite:
    """What the site is built with once the window is computed: outside of it entries and factors are the former."""
    if window.is_whole_site or known is None:
        return now.model_copy(update={"entry": entry if window.is_whole_site else 0})
    factors = spliced(known.factors, now.factors, window.first, window.after)
    return now.model_copy(update={"entry": known.entry, "factors": factors})


def published_years(name: str, years: Mapping[str, Sequence[int]]) -> dict[str, list[int]]:
    """The calendar years of a mart that a build over those years of sites changes.

    Twelve rolling months are filed under the first of them, and a sum over sites changes with every site.
    """
    if name == "mart_portfolio__kpi_values":
        return {PORTFOLIO: sorted({year for span in years.values() for year in span})}
    if name == "mart_scope__rolling_kpi":
        return {site_id: sorted({*span, *(year - 1 for year in span)}) for site_id, span in years.items()}
    return {site_id: list(span) for site_id, span in years.items()}


def versions_text(site: Site, baselines: BaselineStore) -> str:
    """The baseline versions that expect for the site's SEUs, as one text: `compressors@2 hvac@1`; empty for none.

    Where adjustments are in force their digest follows: `compressors@2+1f0c…`.
    """
    found, ledger = [], AdjustmentStore(baselines.store)
    versions = baselines.in_force(site.site_id)
    for seu in site.seus:
        if (version := versions.get(seu.seu_id)) is not None:
            given = ledger.in_force(version.baseline_id, version.baseline)
            adjusted = f"+{adjustments_sha256(given)[:16]}" if given else ""
            found.append(f"{seu.seu_id}@{version.version}{adjusted}")
    return " ".join(found)


def months_between(site_id: str, first: date, after: date) -> tuple[str, ...]:
    """`SITE|YYYY-MM` of the whole months of [first, after)."""
    numbers: Sequence[int] = range(first.year * 12 + first.month - 1, after.year * 12 + after.month - 1)
    return tuple(f"{site_id}|{number // 12:04d}-{number % 12 + 1:02d}" for number in numbers)
