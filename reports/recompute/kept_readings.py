"""Readings for recomputation: spans of a site, of some streams, and days of energy uses, each read once and kept."""

from collections.abc import Callable, Sequence
from datetime import date, datetime
from functools import partial
from typing import Any, TypeVar

import polars as pl

from assets.kpi.enpi.daily import SiteDays, days_in, seu_days, uses_streams
from assets.kpi.from_readings import scope_meters
from assets.sites.load_sites import site_sha256
from assets.sites.view import site_readings, summed_readings
from assets.sites.virtual import streams_for
from assets.stores.lake.lake import Lake
from data_quality.contracts.errors import BadInput
from data_quality.contracts.site_file.site import Seu, Site
from data_quality.contracts.time import Period, local_midnight_utc

# A total of so many streams is read apart from what figures are recomputed of, and lean.
_MANY = 200
# So many drivers of several uses are read at once.
_DRIVERS = 12
# Days of streams beyond which a table is read for one question alone: some two megabytes.
_KEPT_DAYS = 20_000
_Made = TypeVar("_Made")


class KeptReadings:
    """Readings of one lake, as known at the instants that are asked for."""

    def __init__(self, lake: Lake) -> None:
        self.lake = lake
        self._kept: dict[tuple[Any, ...], Any] = {}

    def keep(self, key: tuple[Any, ...], make: Callable[[], _Made]) -> _Made:
        """Answer of `make`, made once for these sources."""
        if key not in self._kept:
            self._kept[key] = make()
        kept: _Made = self._kept[key]
        return kept

    def meters(self, site: Site, scope: str) -> tuple[str, ...]:
        """The meters that are ever a member of the scope. Raises BadInput for a scope that the site does not have."""
        return self.keep(("meters", site.site_id, scope), lambda: scope_meters(site, scope))

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


def seu_of(site: Site, seu_id: str) -> Seu:
    """The SEU of that id. Raises BadInput naming those that there are."""
    for seu in site.seus:
        if seu.seu_id == seu_id:
            return seu
    known = ", ".join(seu.seu_id for seu in site.seus) or "none"
    raise BadInput(f"site {site.site_id!r} has no SEU {seu_id!r}; it has {known}", reason="unknown_seu")
