"""The source tables of the warehouse, built from site files, the lake's manifest and the baselines' expected days."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import date, datetime, timedelta
from pathlib import Path
from typing import Any

import polars as pl

from assets.carbon.factor_choice.factor_view import MeterFactor, known_factors, meter_factors
from assets.kpi.facts import fact_rows, rule_rows, stream_rows
from assets.kpi.mart_windows import Window
from assets.kpi.running_cost.interval_costs import interval_costs
from assets.sites.calendar import quarter_hours
from assets.sites.meter_tree import has_import, total_meters
from assets.sites.scopes import scope_rows
from assets.sites.view import site_readings
from assets.sites.virtual import virtual_meters
from assets.stores.lake.lake import Lake
from assets.stores.lake.lake_block import LAKE_SCHEMA, content_sha256, write_atomic
from assets.stores.lake.lake_ledger import expect_own
from assets.stores.warehouse.warehouse_tables import SOURCE_SCHEMAS, ParquetFiles, empty_source
from assets.tariffs.periods import known_prices, quarter_hour_prices, tariffs_of
from data_quality.contracts.site_file.meter import Carrier
from data_quality.contracts.site_file.site import Site
from data_quality.contracts.time import local_midnight_utc

# A load that runs now and one that was just superseded may still be reading theirs.
KEPT_FILES = 3


def virtual_files(sites: Mapping[str, Site], lake: Lake, *, as_of_utc: datetime | None = None) -> tuple[Path, ...]:
    """One Parquet file (LAKE_SCHEMA) for each site with virtual meters, in addition to the lake's own files."""
    found = []
    for site in sites.values():
        names = virtual_meters(site)
        if names:
            # Older files of the site go: not those of another project's lake.
            expect_own(lake.store, lake.kept)
            rows = site_readings(lake, site, as_of_utc=as_of_utc, meters=names)
            found.append(keep_derived(lake.root, site.site_id, rows))
    return tuple(found)


def source_tables(
    sites: Mapping[str, Site],
    lake: Lake,
    expected: pl.DataFrame | None,
    *,
    as_of_utc: datetime | None = None,
    windows: Sequence[Window] | None = None,
) -> dict[str, pl.DataFrame | ParquetFiles]:
    """Every table of schema `lake` for `load_sources`: the sites' readings as known at `as_of_utc`, and their meaning.

    expected: lake.seu_expected_days, or None for a table without rows. windows: what this run computes; None: every
    site whole. Of a site without a window the readings alone are named, and none is read. Raises BadInput for a tariff
    or a factor that is not unambiguous.
    """
    own = dict(sites)
    if windows is None:
        everything = [whole_site(site, lake, as_of_utc=as_of_utc) for site in sites.values()]
        windows = [window for window in everything if window is not None]
    else:
        own = {window.site_id: sites[window.site_id] for window in windows if window.site_id in sites}
    of_site: dict[str, list[Window]] = {site_id: [] for site_id in own}
    for window in windows:
        of_site.setdefault(window.site_id, []).append(window)
    years = {site_id: sorted({year for each in of_site[site_id] for year in each.years}) for site_id in own}
    spans = [(site, start, end) for site_id, site in own.items() for start, end in runs_of(years[site_id])]
    made: dict[str, Iterator[pl.DataFrame]] = {
        "site_quarter_hours": (
            site_quarter_hours(site, lake, years[site_id], as_of_utc=as_of_utc) for site_id, site in own.items()
        ),
        "carrier_prices": (carrier_prices(site, start, end) for site, start, end in spans),
        "meter_factors": (
            factor_rows(site, meter_factors(site, known_factors(site, lake.store, as_of_utc=as_of_utc)))
            for site in own.values()
        ),
        "interval_cost": (
            interval_costs(site, lake, of_site[site_id], as_of_utc=as_of_utc) for site_id, site in own.items()
        ),
    }
    return {
        "windows": window_rows(windows, sites),
        # Days, months and years: only who asks for another span names one.
        "asked_periods": empty_source("asked_periods"),
        "readings": _files(sites, own, lake, windows, as_of_utc),
        # The empty table first: without a site it gives columns and types all the same.
        **{name: pl.concat([empty_source(name), *parts]) for name, parts in made.items()},
        "seu_expected_days": empty_source("seu_expected_days") if expected is None else expected,
        **site_tables(own.values()),
    }


def site_tables(sites: Iterable[Site]) -> dict[str, pl.DataFrame]:
    """The tables that site files alone decide: sites, meters, scopes, facts, streams, degree-day rules."""
    known = list(sites)
    return {
        "meters": pl.concat([empty_source("meters"), *(meter_rows(site) for site in known)]),
        "scope_members": pl.concat([empty_source("scope_members"), *(scope_rows(site) for site in known)]),
        "scope_facts": fact_rows(known),
        "kpi_streams": stream_rows(known),
        "degree_rules": rule_rows(known),
        "sites": pl.DataFrame(
            [(site.site_id, site.time_zone, site.currency, site.floor_area_m2) for site in known],
            schema=SOURCE_SCHEMAS["sites"],
            orient="row",
        ),
    }


def whole_site(site: Site, lake: Lake, *, as_of_utc: datetime | None = None) -> Window | None:
    """The full local years that the lake's readings touch; None where it holds none."""
    span = lake.span(site.site_id, as_of_utc=as_of_utc)
    if span is None:
        return None
    # A UTC day may reach into the local day before and after it.
    first = date((span[0] - timedelta(days=1)).year, 1, 1)
    after = date((span[1] + timedelta(days=1)).year + 1, 1, 1)
    return Window(site_id=site.site_id, first=first, after=after, is_whole_site=True)


def window_rows(windows: Iterable[Window], sites: Mapping[str, Site]) -> pl.DataFrame:
    """The windows as lake.windows. One of a site that is gone has no zone: it only removes."""
    rows = [
        (
            window.site_id,
            window.first,
            window.after,
            local_midnight_utc(window.first, _zone(window, sites)),
            local_midnight_utc(window.after, _zone(window, sites)),
            window.is_whole_site,
        )
        for window in windows
    ]
    return pl.DataFrame(rows, schema=SOURCE_SCHEMAS["windows"], orient="row")


def _zone(window: Window, sites: Mapping[str, Site]) -> str:
    # A site that is gone has no zone, and only rows to lose.
    return sites[window.site_id].time_zone if window.site_id in sites else "UTC"


def _files(
    sites: Mapping[str, Site],
    own: Mapping[str, Site],
    lake: Lake,
    windows: Sequence[Window],
    as_of_utc: datetime | None,
) -> ParquetFiles:
    """The files of own sites, those of them that hold a window's days, and those that all other sites have."""
    every = [row for site_id in own for row in lake.manifest(site_id, as_of_utc=as_of_utc)]
    touched: list[Mapping[str, Any]] = []
    for window in windows:
        if window.site_id in own:
            zone = own[window.site_id].time_zone
            touched += lake.manifest(
                window.site_id,
                start_utc=local_midnight_utc(window.first, zone),
                end_utc=local_midnight_utc(window.after, zone),
                as_of_utc=as_of_utc,
            )
    # Virtual meters are computed at every load: they belong to the touched files of any window.
    virtual = virtual_files(own, lake, as_of_utc=as_of_utc)
    others = [site_id for site_id in sites if site_id not in own]
    # A file may hold several days: it stands once, however many rows name it.
    return ParquetFiles(
        paths=(*lake.files(every), *virtual),
        touched=(*lake.files(touched), *virtual),
        others=(*lake.named(others, as_of_utc=as_of_utc), *kept_derived(lake.root, others)),
    )


def site_quarter_hours(
    site: Site, lake: Lake, years: Sequence[int], *, as_of_utc: datetime | None = None
) -> pl.DataFrame:
    """The calendar of those full local years, with the price of electricity where known."""
    parts = [
        priced_calendar(site, _price_readings(site, lake, start, end, as_of_utc), start, end)
        for start, end in runs_of(years)
    ]
    return pl.concat([empty_source("site_quarter_hours"), *parts])


def runs_of(years: Sequence[int]) -> list[tuple[date, date]]:
    """Full years as spans; without a hole between them they are one, priced in one go."""
    runs = [(date(year, 1, 1), date(year + 1, 1, 1)) for year in years]
    is_whole = bool(runs) and list(years) == list(range(years[0], years[-1] + 1))
    return [(runs[0][0], runs[-1][1])] if is_whole else runs


def carrier_prices(site: Site, start: date, end: date) -> pl.DataFrame:
    """lake.carrier_prices of local dates [start, end): what the site's other tariffs ask for gas, heat and water.

    Per kWh, of water per cubic metre; quarter hours without a price are not there.
    """
    carriers = {meter.carrier for meter in site.meters} - {Carrier.ELECTRICITY}
    parts = [
        quarter_hour_prices(site, start, end, carrier=carrier)
        # The models' left joins give null for what is not there: rows without a price would only be weight.
        .drop_nulls("price_per_kwh")
        .select(
            pl.lit(site.site_id).alias("site_id"),
            pl.lit(carrier.value).alias("carrier"),
            "interval_start_utc",
            pl.col("price_per_kwh").alias("price_per_unit"),
        )
        for carrier in sorted(carriers)
        if tariffs_of(site, carrier)
    ]
    return pl.concat([empty_source("carrier_prices"), *parts])


def factor_rows(site: Site, factors: Iterable[MeterFactor]) -> pl.DataFrame:
    """lake.meter_factors of the site."""
    rows = [(site.site_id, each.meter_id, each.start, each.end, each.kgco2e_per_kwh) for each in factors]
    return pl.DataFrame(rows, schema=SOURCE_SCHEMAS["meter_factors"], orient="row")


def priced_calendar(site: Site, readings: pl.DataFrame, start: date, end: date) -> pl.DataFrame:
    """lake.site_quarter_hours of local dates [start, end). readings: LAKE_SCHEMA, of the price stream where one is."""
    prices = known_prices(site, start, end, readings)
    return (
        quarter_hours(site, start, end)
        .join(prices, on="interval_start_utc", how="left", validate="1:1", maintain_order="left")
        .select(list(SOURCE_SCHEMAS["site_quarter_hours"]))
    )


def meter_rows(site: Site) -> pl.DataFrame:
    """The site's meters as lake.meters. The site's total counts meters that measure import, each carrier for itself."""
    totals = {carrier: frozenset(total_meters(site, carrier)) for carrier in {meter.carrier for meter in site.meters}}
    rows = [
        (
            site.site_id,
            meter.meter_id,
            meter.carrier.value,
            meter.parent_on(),
            meter.meter_id in totals[meter.carrier],
            has_import(meter),
            meter.connected_load_kw,
        )
        for meter in site.meters
    ]
    return pl.DataFrame(rows, schema=SOURCE_SCHEMAS["meters"], orient="row")


def _price_readings(site: Site, lake: Lake, start: date, end: date, as_of_utc: datetime | None) -> pl.DataFrame:
    if site.price_stream is None:
        return pl.DataFrame(schema=LAKE_SCHEMA)
    return lake.current(
        site.site_id,
        start_utc=local_midnight_utc(start, site.time_zone),
        end_utc=local_midnight_utc(end, site.time_zone),
        as_of_utc=as_of_utc,
        meters=[site.price_stream],
    )


def keep_derived(root: Path, site_id: str, rows: pl.DataFrame) -> Path:
    """Write the rows (LAKE_SCHEMA) of a site under the lake's root, once per content; older ones go. Returns the file.

    A file is named by its content, so a view over it never sees it change; at most KEPT_FILES remain for a site.
    """
    path = _folder(root, site_id) / f"{content_sha256(rows)}.parquet"
    if path.exists():
        # Back to content of before: untouched, the file in use would soon be among the oldest.
        path.touch()
    else:
        write_atomic(rows, path)
    for old in [file for file in _newest_first(path.parent) if file != path][KEPT_FILES - 1 :]:
        old.unlink(missing_ok=True)
    return path


def kept_derived(root: Path, site_ids: Iterable[str]) -> list[Path]:
    """The newest file of each of the sites that has one, as it was written last."""
    return [file for name in site_ids for file in _newest_first(_folder(root, name))[:1]]


def _folder(root: Path, site_id: str) -> Path:
    return root / "derived" / f"site={site_id}"


def _newest_first(folder: Path) -> list[Path]:
    return sorted(folder.glob("*.parquet"), key=lambda file: file.stat().st_mtime_ns, reverse=True)
