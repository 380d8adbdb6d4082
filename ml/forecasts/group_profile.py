"""A meter without history: forecast as the meters beside it go, scaled to its size, and labelled so."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import datetime

import numpy as np
import polars as pl

from data_quality.contracts.finding import Finding
from data_quality.contracts.site_file.meter import Meter
from data_quality.contracts.site_file.site import Site
from ml.features.civil import civil_of
from ml.features.feature import mean_of_known
from ml.features.forecast_case import Case
from ml.features.series import Series, Stream, Vector
from ml.forecasts.site_case import target_case
from ml.forecasts.targets import Target

# Four weeks hold every weekday four times: less is no profile of a group either.
MIN_MEMBER_DAYS = 28
# From so many days of its own on, a meter's size follows from them and not from its connection.
MIN_OWN_DAYS = 1


@dataclass(frozen=True)
class GroupProfile:
    """Profile of the meter had it gone like its group, as a case of its own, and how that was made."""

    case: Case
    sentence: str


def group_profile(
    readings: pl.DataFrame, *, site: Site, target: Target, own: Case, end_utc: datetime, as_of_utc: datetime | None
) -> GroupProfile | None:
    """The mean shape of the meters beside it: same carrier and parent, else same carrier; None where there is none.

    Each counts by kW of connected load, else by m2 of floor area, that both must state; a meter with a day of its
    own readings or more is scaled to those instead. readings: of the whole site, LAKE_SCHEMA, unique by key.
    """
    meter = site.meter(target.stream.stream_id) if target.stream else None
    if meter is None or target.stream is None:
        return None
    for group in _groups(site, meter):
        cases = {
            one.meter_id: found.series
            for one in group
            if isinstance(found := _of(readings, site, target, one, end_utc, as_of_utc), Case)
            and np.sum(~np.isnan(found.series.values)) >= MIN_MEMBER_DAYS * found.series.per_day
        }
        scaled = _scaled(site, meter, own.series, cases)
        if scaled is not None:
            series, by, names = scaled
            length = len(own.civil) - len(own.series.values)
            civil = civil_of(site, series.start_utc, len(series.values) + length, series.step)
            # Weather lies on the grid of its own series: the profile does without.
            sentence = f"{meter.meter_id} has too little history of its own: the mean of {', '.join(names)}, {by}"
            return GroupProfile(Case(series, civil, place=own.place), sentence)
    return None


def _of(
    readings: pl.DataFrame, site: Site, target: Target, meter: Meter, end_utc: datetime, as_of_utc: datetime | None
) -> Case | Finding:
    stream = Stream(meter.meter_id, target.stream.register if target.stream else "import")
    wanted = replace(target, stream=stream)
    return target_case(readings, site=site, target=wanted, end_utc=end_utc, as_of_utc=as_of_utc)


def _groups(site: Site, meter: Meter) -> Iterator[list[Meter]]:
    """The meters beside it, then all others of its carrier; neither what it hangs below nor what hangs below it."""
    others = [
        one
        for one in site.meters
        if one.carrier == meter.carrier
        and one != meter
        and meter.meter_id not in site.above(one.meter_id)
        and one.meter_id not in site.above(meter.meter_id)
    ]
    siblings = [one for one in others if one.parent_on() == meter.parent_on()]
    yield siblings
    yield [one for one in others if one not in siblings]


def _scaled(site: Site, meter: Meter, own: Series, members: dict[str, Series]) -> tuple[Series, str, list[str]] | None:
    if not members:
        return None
    longest = max(members.values(), key=lambda one: len(one.values))
    length = len(longest.values)
    known = np.sum(~np.isnan(own.values))
    if known >= MIN_OWN_DAYS * own.per_day:
        # All end at one instant: aligned from there.
        shape = _mean_shape([one.values / float(np.nanmean(np.abs(one.values)) or 1.0) for one in members.values()])
        overlap = min(len(own.values), length)
        mine, theirs = own.values[len(own.values) - overlap :], shape[length - overlap :]
        both = ~np.isnan(mine) & ~np.isnan(theirs)
        if both.sum() >= own.per_day and theirs[both].sum() > 0:
            factor = float(mine[both].sum() / theirs[both].sum())
            return (
                replace(longest, values=shape * factor),
                f"scaled to its own {both.sum() // own.per_day} days",
                list(members),
            )
    for words, sizes in _sizes(site):
        fitting = {name: one for name, one in members.items() if name in sizes}
        if meter.meter_id in sizes and fitting:
            shape = _mean_shape([one.values / sizes[name] for name, one in fitting.items()])
            longest = max(fitting.values(), key=lambda one: len(one.values))
            return replace(longest, values=shape * sizes[meter.meter_id]), f"scaled by {words}", list(fitting)
    return None


def _mean_shape(values: Sequence[Vector]) -> Vector:
    length = max(len(one) for one in values)
    padded = [np.concatenate([np.full(length - len(one), np.nan), one]) for one in values]
    return mean_of_known(np.stack(padded))


def _sizes(site: Site) -> Iterator[tuple[str, dict[str, float]]]:
    """Size of each meter, by what says so: the kW of its connection, or the m2 that it serves alone."""
    yield "connected load", {one.meter_id: one.connected_load_kw for one in site.meters if one.connected_load_kw}
    areas = {}
    for part in (*site.premises.zones, *site.premises.tenants):
        whole = [one.meter for one in part.meters if one.share is None and not one.by_area]
        if part.floor_areas and len(whole) == 1:
            areas[whole[0]] = float(part.floor_areas[-1].m2)
    yield "floor area", areas
