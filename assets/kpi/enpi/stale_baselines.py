"""Which baselines were fitted on readings that have changed since: a question to the lake's manifest alone."""

from collections.abc import Iterable
from datetime import date, datetime, timedelta

from assets.stores.lake.lake import Lake
from assets.stores.lake.merges import days_recorded_after
from assets.stores.ledgers.baselines import BaselineStore, Fit
from data_quality.contracts.site_file.site import Site
from data_quality.contracts.time import local_midnight_utc

# A local day of any zone begins and ends within this of the UTC day of its date.
_ZONES = timedelta(days=1)


def stale_baselines(sites: Iterable[Site], *, lake: Lake, baselines: BaselineStore) -> dict[str, dict[str, str]]:
    """Site -> SEU -> digest of its training readings now, where the newest version was fitted on another one.

    A late reading outside of the training period leaves a baseline alone. A version stays in force until a person
    approves the next one, so a stale baseline is a reason to fit, never a reason to change a figure. Two questions for
    all sites, and two more for each use of whose training days anything was recorded since.
    """
    known = {site.site_id: site for site in sites}
    fitted = {(site_id, seu.seu_id) for site_id, site in known.items() for seu in site.seus if seu.baseline is not None}
    fits = [fit for fit in baselines.newest_fits(known.keys()) if (fit.site_id, fit.seu_id) in fitted]
    touched = _touched(fits, lake)
    found: dict[str, dict[str, str]] = {}
    for fit in fits:
        first, after = fit.train_start - _ZONES, fit.train_end + _ZONES
        days = touched.get(fit.site_id, ())
        if any(first <= day < after and newest > fit.fitted_at_utc for day, newest in days):
            zone = known[fit.site_id].time_zone
            start_utc, end_utc = (local_midnight_utc(day, zone) for day in (fit.train_start, fit.train_end))
            then = lake.digest(fit.site_id, start_utc=start_utc, end_utc=end_utc, as_of_utc=fit.fitted_at_utc)
            now = lake.digest(fit.site_id, start_utc=start_utc, end_utc=end_utc)
            if then != now:
                found.setdefault(fit.site_id, {})[fit.seu_id] = now
    return found


def _touched(fits: list[Fit], lake: Lake) -> dict[str, list[tuple[date, datetime]]]:
    """Site -> the UTC days that anything was recorded of since the oldest fit, with when."""
    if not fits:
        return {}
    since, before = min(fit.fitted_at_utc for fit in fits), max(fit.train_end for fit in fits) + _ZONES
    found: dict[str, list[tuple[date, datetime]]] = {}
    for row in days_recorded_after(lake.store, {fit.site_id for fit in fits}, since, before=before):
        found.setdefault(row["site_id"], []).append((row["day"], row["newest_utc"]))
    return found
