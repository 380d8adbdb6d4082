"""Which baselines were fitted on readings that have changed since: a question to the lake's manifest alone."""

from assets.stores.lake.lake import Lake
from assets.stores.ledgers.baselines import BaselineStore
from data_quality.contracts.site_file.site import Site
from data_quality.contracts.time import local_midnight_utc


def stale_baselines(site: Site, *, lake: Lake, baselines: BaselineStore) -> dict[str, str]:
    """SEU -> digest of its training readings now, where the newest version was fitted on another one.

    A late reading outside of the training period leaves a baseline alone. A version stays in force until a person
    approves the next one, so a stale baseline is a reason to fit, never a reason to change a figure.
    """
    found = {}
    for seu in site.seus:
        version = baselines.latest(site.site_id, seu.seu_id)
        if version is None or seu.baseline is None:
            continue
        start_utc, end_utc = (
            local_midnight_utc(day, site.time_zone)
            for day in (version.baseline.train_start, version.baseline.train_end)
        )
        then = lake.digest(site.site_id, start_utc=start_utc, end_utc=end_utc, as_of_utc=version.fitted_at_utc)
        now = lake.digest(site.site_id, start_utc=start_utc, end_utc=end_utc)
        if then != now:
            found[seu.seu_id] = now
    return found
