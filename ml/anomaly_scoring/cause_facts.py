"""Facts of a site for the cause of an event at a meter: weather, announcements, validation, other meters."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from functools import cached_property

import numpy as np
import polars as pl

from assets.sites.meter_tree import children_of
from assets.sites.view import site_readings
from assets.stores.lake.lake import Lake
from assets.stores.ledgers.adjustments import AdjustmentStore
from assets.stores.ledgers.flags import MonthValidation, latest_validations
from data_quality.contracts.baselines.baseline import AdjustmentStatus
from data_quality.contracts.site_file.hierarchy import CONSUMPTION_REGISTER
from data_quality.contracts.site_file.meter import Carrier
from data_quality.contracts.site_file.site import Site
from data_quality.contracts.time import local_day, months_after
from ml.anomalies.day_grid import Mask
from ml.anomaly_causes.event_features import CauseContext, hours_of
from ml.features.civil import Civil
from ml.features.series import Series, Vector, measured_on, on_grid

# Days for which a changed static factor counts as news; of many meters, how many are looked at.
NEWS, MOST_OTHERS = 42, 8
_HEATING = (Carrier.HEAT, Carrier.STEAM, Carrier.NATURAL_GAS)


@dataclass(frozen=True)
class CauseFacts:
    """A site's facts over a span. judged: series of its meters by id; led: meters that a temperature drives."""

    site: Site
    lake: Lake
    start_utc: datetime
    end_utc: datetime
    judged: Mapping[str, Series]
    led: set[str] = field(default_factory=set)

    def context(self, meter_id: str, civil: Civil) -> CauseContext:
        """The facts on the hours of one meter's series."""
        series = self.judged[meter_id]
        kin = self._kin(meter_id)
        others = [each for name, each in sorted(self.judged.items()) if name not in kin][:MOST_OTHERS]
        return CauseContext(
            temperature=self._temperature(series),
            announced=self._announced(meter_id, civil) if self._announcements else None,
            flagged=self._flagged(meter_id, series),
            others=tuple(_aligned(each, series) for each in others),
            opposite=self._heating(series) if meter_id in self.led else None,
        )

    def _kin(self, meter_id: str) -> set[str]:
        """The meter, all that its energy passes, and all below it: they move alike by themselves."""
        found, below = {meter_id}, [meter_id]
        while below:
            children = children_of(self.site, below.pop())
            below += [each for each in children if each not in found]
            found |= set(children)
        meter = self.site.meter(meter_id)
        while meter is not None and meter.parent is not None and meter.parent not in found:
            found.add(meter.parent)
            meter = self.site.meter(meter.parent)
        return found

    @cached_property
    def _drivers(self) -> list[str]:
        return [each.driver_id for each in self.site.drivers if each.unit == "degc"][:1]

    @cached_property
    def _heaters(self) -> list[str]:
        """Meters of heat, steam or gas of uses that a temperature drives."""
        named = {name for seu in self.site.seus if not seu.is_aggregate for name in seu.meters} & self.led
        return [each.meter_id for each in self.site.meters if each.meter_id in named and each.carrier in _HEATING]

    @cached_property
    def _others(self) -> pl.DataFrame:
        names = [*self._drivers, *self._heaters]
        return site_readings(self.lake, self.site, start_utc=self.start_utc, end_utc=self.end_utc, meters=names)

    def _temperature(self, series: Series) -> Vector | None:
        return measured_on(self._others, site=self.site, grid=series, unit="degc") if self._drivers else None

    def _heating(self, series: Series) -> Vector | None:
        is_heat = pl.col("meter_id").is_in(self._heaters) & (pl.col("register") == CONSUMPTION_REGISTER)
        rows = self._others.filter(is_heat & (pl.col("unit") == "kwh"))
        if rows.is_empty():
            return None
        parts = rows.partition_by("meter_id")
        grids = [on_grid(each, series.start_utc, len(series.values), series.step) for each in parts]
        return np.asarray(np.sum(grids, axis=0))

    @cached_property
    def _announcements(self) -> list[tuple[set[str], date, date]]:
        """Meters and local days of non-routine events, and of static factors that changed."""
        uses = {seu.seu_id: set(seu.meters) for seu in self.site.seus}
        found = [
            (uses.get(each.adjustment.baseline_id.split("/")[1], set()), each.adjustment.start, each.adjustment.end)
            for each in AdjustmentStore(self.lake.store).records(site_id=self.site.site_id)
            if each.status is not AdjustmentStatus.WITHDRAWN
        ]
        for seu in self.site.seus:
            known = set[str]()
            for factor in sorted(seu.static_factors, key=lambda each: each.valid_from):
                if factor.name in known:
                    found.append((set(seu.meters), factor.valid_from, factor.valid_from + timedelta(days=NEWS)))
                known.add(factor.name)
        return found

    def _announced(self, meter_id: str, civil: Civil) -> Mask:
        found = np.zeros(len(civil), dtype=bool)
        for meters, start, end in self._announcements:
            if meters & self._kin(meter_id):
                found |= (civil.day >= (start - civil.first_day).days) & (civil.day < (end - civil.first_day).days)
        return found

    @cached_property
    def _validations(self) -> list[MonthValidation]:
        first, last = (local_day(at, self.site.time_zone).replace(day=1) for at in (self.start_utc, self.end_utc))
        months = [first]
        while months[-1] < last:
            months.append(months_after(months[-1], 1))
        return latest_validations(self.lake.store, self.site.site_id, months=months)

    def _flagged(self, meter_id: str, series: Series) -> Mask | None:
        if not self._validations:
            return None
        found = np.zeros(len(series.values), dtype=bool)
        for each in (each for month in self._validations for each in month.findings):
            if each.meter == meter_id and each.slots:
                found[hours_of(series, each.start_utc, each.end_utc)] = True
        return found


def _aligned(other: Series, series: Series) -> Vector:
    """Another hourly series on the hours of this one; NaN where it has none."""
    found = np.full(len(series.values), np.nan)
    shift = series.index(other.start_utc)
    first, after = max(shift, 0), min(shift + len(other.values), len(found))
    if first < after:
        found[first:after] = other.values[first - shift : after - shift]
    return found
