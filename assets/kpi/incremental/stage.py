"""One stage of the marts (kpi or enpi) before and after dbt: what is stale, which windows a run computes, what it
loads, what it leaves behind. Dagster and dbt stand in the shell that calls this.
"""

from collections.abc import Iterable, Mapping, Sequence
from contextlib import nullcontext
from datetime import date, datetime
from pathlib import Path

import polars as pl

from assets.bills.engine.book import carries_over
from assets.carbon.factor_choice.factor_view import factor_view
from assets.kpi.incremental.mart_sources import source_tables, whole_site
from assets.kpi.mart_windows import (
    Window,
    after_publication,
    factors_text,
    read_from,
    span_after,
    spliced,
    stale_months,
    window_for,
    years_by_site,
)
from assets.sites.load_sites import site_sha256
from assets.stores.boards.board_views import renew_views
from assets.stores.lake.lake import Lake
from assets.stores.lake.merges import newest_entry
from assets.stores.ledgers.adjustments import AdjustmentStore, adjustments_sha256
from assets.stores.ledgers.baselines import BaselineStore
from assets.stores.ledgers.factor_ledger import FactorStore
from assets.stores.warehouse.mart_digests import MartDigests
from assets.stores.warehouse.marts import (
    ENPI_MARTS,
    KPI_MARTS,
    PORTFOLIO,
    BuildNote,
    Built,
    BuiltSite,
    drop_sites,
    mart_path,
    read_built,
    write_built,
)
from assets.stores.warehouse.warehouse import (
    WarehouseTarget,
    built_with,
    energy_spans,
    held_open,
    load_sources,
    mark_built,
    publish_marts,
)
from assets.tariffs.periods import tariffs_of
from data_quality.contracts.errors import BadInput
from data_quality.contracts.model import Model, once
from data_quality.contracts.site_file.site import Site
from data_quality.contracts.time import Clock

SUMMED = "mart_portfolio__kpi_values"
# Of a warehouse: its sums over sites were published, of all years, since it was made.
_SUMS = f"kpi|{PORTFOLIO}"
MARTS_OF = {"kpi": tuple(KPI_MARTS), "enpi": tuple(ENPI_MARTS)}


class Prepared(Model):
    """Work of one build: a window of each site to compute, and of each site that is gone. sites: built state after it,
    by site; known: built state of before, of sites that have one. is_full: every table is made anew, since the SQL
    changed or none is there.
    """

    stage: str
    entry: int
    windows: tuple[Window, ...]
    months: tuple[str, ...]
    sites: dict[str, BuiltSite]
    known: dict[str, BuiltSite]
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

    def now(self, versions: Mapping[str, str] | None = None) -> dict[str, BuiltSite]:
        """Build inputs of each site today. EnPIs are built of sites that have SEUs.

        versions: what `versions_texts` says of them, where that was asked already.
        """
        site_ids = [site_id for site_id, site in self.sites.items() if self.name == "kpi" or site.seus]
        return self._now_of(site_ids, versions)

    def stale(self, now: Mapping[str, BuiltSite] | None = None) -> dict[str, int]:
        """`SITE|YYYY-MM` whose published marts are older than readings, site file, factors, baseline or SQL.

        With the newest manifest entry of each. now: what `now` says, where that was asked already.
        """
        known = self.now() if now is None else now
        return stale_months(self._built(), self._touched(known), known)

    def prepare(
        self, spans: Sequence[Window], *, target: WarehouseTarget, expected: pl.DataFrame | None = None
    ) -> Prepared:
        """Load what a run over local months of sites needs; spans: one window a site. Nothing is read of other sites.

        Raises BadInput where the EnPI stage meets a warehouse without a site's KPI tables.
        """
        # Read before the sources: what lands while they load counts as not built, and is built next time.
        entry, parts = newest_entry(self.lake.store), built_with(target)
        built = self._built()
        for site_id in (each.site_id for each in spans if self.name == "enpi"):
            if parts.get(f"kpi|{site_id}") != self.fingerprint:
                raise BadInput(
                    f"the warehouse does not hold the KPI tables of site {site_id!r}",
                    reason="no_kpi_tables",
                    mend="run the job kpi over the site's months first",
                )
        # Other SQL leaves tables that are partly of the old one: they are made anew, whatever is asked.
        is_full = parts.get(self.name) != self.fingerprint
        if is_full:
            # Unmarked before anything changes: a run that dies leaves no mark, and the next one makes all anew.
            mark_built(target, [self.name], "")
        here = {part for part, text in parts.items() if text == self.fingerprint and not is_full}
        known = {each.site_id: built.sites.get(each.site_id) for each in spans if f"{self.name}|{each.site_id}" in here}
        now = self._now_of([each.site_id for each in spans])
        windows = {each.site_id: self._window(each, known.get(each.site_id), now[each.site_id]) for each in spans}
        # Rows of sites that were removed go with the next run of any site.
        gone = [
            spans[0].model_copy(update={"site_id": other, "is_whole_site": True})
            for other in built.sites
            if other not in self.sites
        ]
        every = (*windows.values(), *gone)
        tables = source_tables({name: self.sites[name] for name in windows}, self.lake, expected, windows=every)
        return Prepared(
            stage=self.name,
            entry=entry,
            windows=every,
            months=tuple(name for each in spans for name in months_between(each.site_id, each.first, each.after)),
            sites={name: _built_with(now[name], known.get(name), windows[name], entry) for name in windows},
            known={name: site for name, site in known.items() if site is not None and not windows[name].is_whole_site},
            is_full=is_full,
            rows=load_sources(target, tables),
        )

    def _window(self, requested: Window, known: BuiltSite | None, now: BuiltSite) -> Window:
        site = self.sites[requested.site_id]
        is_carried = carries_over(tariffs_of(site))
        return window_for(requested, built=known, now=now, whole=whole_site(site, self.lake), is_carried=is_carried)

    def finish(self, prepared: Prepared, *, target: WarehouseTarget) -> BuildNote:
        """After the SQL ran well: the warehouse says what it holds, and the note what is to be published."""
        spans, windows = energy_spans(target, prepared.sites), {each.site_id: each for each in prepared.windows}
        sites = {}
        for site_id, site in prepared.sites.items():
            first, last = span_after(prepared.known.get(site_id), windows[site_id], spans.get(site_id))
            sites[site_id] = site.model_copy(update={"first": first, "last": last})
        # Only now, after dbt succeeded: until here the marks say what the tables were before.
        mark_built(target, [self.name, *(f"{self.name}|{site_id}" for site_id in sites)], self.fingerprint)
        if target.postgres_url:
            # A mart that was made anew took the views over it along.
            renew_views(target.postgres_url, self.sites.values())
        return BuildNote(
            entry=prepared.entry,
            years={site_id: tuple(sorted(years)) for site_id, years in years_by_site(prepared.windows).items()},
            months=prepared.months,
            sites=sites,
        )

    def publish(self, note: BuildNote | None, *, target: WarehouseTarget, clock: Clock) -> dict[str, int]:
        """Write what was built to the Parquet files that everybody reads, and keep their digests. Returns the rows of
        each mart.

        Without a note everything that the warehouse holds is written, and nothing more is known of it. Sums over sites
        wait until it holds all sites that are published, and those that it lacks count as stale: a warehouse that was
        made anew knows one site at first. Raises BadInput where without a note it lacks one: its files would go.
        """
        lacking = self._lacking(parts := built_with(target))
        if note is None and lacking:
            raise BadInput(
                f"the warehouse does not hold the tables of site {min(lacking)!r}, which is published",
                reason="no_tables",
                mend=f"run the job {self.name} over the site's months first",
            )
        written: dict[str, dict[str, list[int]] | None] = dict.fromkeys(MARTS_OF[self.name])
        if note is not None:
            years = {site_id: years for site_id, years in note.years.items() if site_id in self.sites}
            written = {name: published_years(name, years) for name in written}
        is_summed = parts.get(_SUMS) == self.fingerprint
        if note is not None and self.name == "kpi" and not is_summed:
            sums = {*self._published_years(), *(year for span in note.years.values() for year in span)}
            written[SUMMED] = {} if lacking else {PORTFOLIO: sorted(sums)}
        counts: dict[str, int] = {}
        digests = MartDigests(self.lake.store, self.marts_dir)
        # A missing file must not be made by being opened: it would be an empty warehouse, and nobody would say why.
        warehouse = held_open(target) if target.duckdb_file.exists() else nullcontext()
        with digests.publishing(self.name), warehouse:
            for name, span in written.items():
                counts |= publish_marts(target, self.marts_dir, [name], years=span)
            digests.record(self.name, written, clock)
        if note is None:
            return counts
        if self.name == "kpi" and not (is_summed or lacking):
            mark_built(target, [_SUMS], self.fingerprint)
        # Before the note: once that no longer names a site, nobody would look for its files.
        drop_sites(self.marts_dir, keep=self.sites)
        built = self._built()
        held = built.model_copy(
            update={"sites": {name: each for name, each in built.sites.items() if name not in lacking}}
        )
        write_built(self.marts_dir, self.name, after_publication(held, note, self._touched(now := self.now()), now))
        return counts

    def _lacking(self, parts: Mapping[str, str]) -> set[str]:
        """Sites of the stage whose marts are published, and that this warehouse does not hold."""
        folder = mart_path(self.marts_dir, "mart_site__kpi_values" if self.name == "kpi" else "mart_seu__day_enpi")
        published = {path.name.removeprefix("site=") for path in folder.glob("site=*")}
        of_stage = {
            site_id for site_id in published & self.sites.keys() if self.name == "kpi" or self.sites[site_id].seus
        }
        return {site_id for site_id in of_stage if parts.get(f"{self.name}|{site_id}") != self.fingerprint}

    def _published_years(self) -> set[int]:
        """Calendar years of which a file of KPIs is published, of whatever site."""
        names = ("mart_site__kpi_values", SUMMED)
        return {int(path.stem) for name in names for path in mart_path(self.marts_dir, name).glob("site=*/*.parquet")}

    def _built(self) -> Built:
        return read_built(self.marts_dir, self.name, self.lake.store.cache)

    def _touched(self, now: Mapping[str, BuiltSite]) -> dict[str, int]:
        built = self._built()
        after_ids = {site_id: read_from(built, site_id, each) for site_id, each in now.items()}
        return touched_months({name: self.sites[name] for name in after_ids}, self.lake, after_ids=after_ids)

    def _now_of(self, site_ids: Iterable[str], versions: Mapping[str, str] | None = None) -> dict[str, BuiltSite]:
        sites = [self.sites[site_id] for site_id in site_ids]
        # An approval changes no KPI, and a factor no EnPI: neither must make the other stage stale.
        if self.name == "kpi":
            stored, factors, versions = FactorStore(self.lake.store).reader(), {}, {}
            for site in sites:
                given = stored(site.site_id)
                factors[site.site_id] = factors_text(site, factor_view(site, given)) if given else _own_factors(site)
        else:
            factors = {}
            if versions is None:
                versions = versions_texts([site for site in sites if site.seus], self.baselines)
        return {
            site.site_id: BuiltSite(
                sha256=site_sha256(site),
                baselines=versions.get(site.site_id, ""),
                factors=factors.get(site.site_id, ""),
                project=self.fingerprint,
            )
            for site in sites
        }


def _built_with(now: BuiltSite, known: BuiltSite | None, window: Window, entry: int) -> BuiltSite:
    """Built state of the site once the window is computed: outside of it entries and factors are the former."""
    if window.is_whole_site or known is None:
        return now.model_copy(update={"entry": entry if window.is_whole_site else 0})
    factors = spliced(known.factors, now.factors, window.first, window.after)
    return now.model_copy(update={"entry": known.entry, "factors": factors})


def published_years(name: str, years: Mapping[str, Sequence[int]]) -> dict[str, list[int]]:
    """The calendar years of a mart that a build over those years of sites changes.

    Twelve rolling months are filed under the first of them, and a sum over sites changes with every site.
    """
    if name == SUMMED:
        return {PORTFOLIO: sorted({year for span in years.values() for year in span})}
    if name == "mart_scope__rolling_kpi":
        return {site_id: sorted({*span, *(year - 1 for year in span)}) for site_id, span in years.items()}
    return {site_id: list(span) for site_id, span in years.items()}


@once
def _own_factors(site: Site) -> str:
    """Factors of a site for which the store holds none: thousands are looked up each time."""
    return factors_text(site, factor_view(site))


def versions_texts(
    sites: Sequence[Site], baselines: BaselineStore, *, as_of_utc: datetime | None = None
) -> dict[str, str]:
    """Site -> the baseline versions that expect for its SEUs, as one text: `compressors@2 hvac@1`; empty for none.

    Where adjustments are in force their digest follows: `compressors@2+1f0c…`. As known then, or now.
    """
    # One site by its name, many without: a question that names thousands costs more than all rows.
    site_ids = [site.site_id for site in sites] if len(sites) == 1 else None
    known = baselines.in_force_of(site_ids, as_of_utc=as_of_utc) if sites else {}
    found, ledger = {}, AdjustmentStore(baselines.store)
    leading = {each.baseline_id: each.baseline for versions in known.values() for each in versions.values()}
    adjusted = ledger.all_in_force(leading, as_of_utc=as_of_utc) if leading else {}
    for site in sites:
        versions = known.get(site.site_id, {})
        texts = []
        for version in (versions[seu.seu_id] for seu in site.seus if seu.seu_id in versions):
            given = adjusted[version.baseline_id]
            digest = f"+{adjustments_sha256(given)[:16]}" if given else ""
            texts.append(f"{version.baseline.seu_id}@{version.version}{digest}")
        found[site.site_id] = " ".join(texts)
    return found


def touched_months(sites: Mapping[str, Site], lake: Lake, *, after_ids: Mapping[str, int]) -> dict[str, int]:
    """Months ("SITE|YYYY-MM") with the id of the newest manifest entry that changed each, of entries above a site's id.

    after_ids: site -> id of the last entry that needs no look. By the readings themselves: a UTC day reaches into
    two local months, a late row at its end touches one.
    """
    found: dict[str, int] = {}
    changed = lake.changed_files({site_id: after_ids.get(site_id, 0) for site_id in sites})
    for site_id, newest in changed.items():
        local = pl.col("interval_start_utc").dt.convert_time_zone(sites[site_id].time_zone)
        months = (
            # The lake's folders are called site=...: as hive partitions they would add columns of guessed types.
            pl.scan_parquet(sorted(newest), hive_partitioning=False, include_file_paths="path")
            .select("path", month=local.dt.truncate("1mo"))
            .unique()
            .select("path", pl.col("month").dt.strftime("%Y-%m"))
            .collect()
        )
        for path, month in months.iter_rows():
            name = f"{site_id}|{month}"
            found[name] = max(found.get(name, 0), newest[Path(path)])
    return found


def months_between(site_id: str, first: date, after: date) -> tuple[str, ...]:
    """`SITE|YYYY-MM` of the whole months of [first, after)."""
    numbers: Sequence[int] = range(first.year * 12 + first.month - 1, after.year * 12 + after.month - 1)
    return tuple(f"{site_id}|{number // 12:04d}-{number % 12 + 1:02d}" for number in numbers)
